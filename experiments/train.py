"""What ``ia-gym train`` does: one run in this process, with its progress in the terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class, make_evaluator
from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.experiments.checkpoints import can_resume
from ia_gym.experiments.inputs import check_device, check_env_id
from ia_gym.experiments.run import Run, run_training
from ia_gym.experiments.run_folder import (
    RESULT,
    RUN,
    clear_folder,
    is_resumable,
    lock_folder,
    prepare_folder,
    read_result,
    read_run,
)
from ia_gym.experiments.settings import Settings, load_settings
from ia_gym.experiments.settings.classes import CLASSES
from ia_gym.experiments.signals import Interrupted
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.validation import check_range


def train_agent(
    agent: str,
    env_id: str | None = None,
    seed: int | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    n_eval_questions: int | None = None,
    resume: bool = False,
    threads: int = 1,
    size: int | None = None,
    max_depth: int | None = None,
    device: str | None = None,
    n_timesteps: int | None = None,
    target_accuracy: float | None = None,
    patience: int | None = None,
    model: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train an agent with its tuned settings, in this process.

    Args:
        agent: one of :func:`~ia_gym.experiments.settings.list_agents`; or the path of the
            ``run.json`` of an earlier run, to train as it did.
        env_id: an environment of the suite; default the earlier run's, or "IA-Permutation-v0".
        seed: of the agent and its environment; default the earlier run's, or 0.
        log_dir: the run's folder; default ``runs/<env_id>/<agent>_seed<seed>``. The files of an
            earlier run there are replaced.
        n_eval_questions: held-out questions of the evaluation; default the earlier run's, or 4096.
            None where actions are approved of: agents there are evaluated on whole episodes.
        resume: continue the run in the folder from its checkpoint, instead of replacing it. Only
            ``target_accuracy`` and ``patience`` may differ from the settings it began with.
        threads: CPU threads that torch may use.
        size: names in a context, out of the environment's pool; default the environment's own.
        max_depth: deepest questions that a learner of the suite's trains on; default all.
        device: where to compute: "auto", "cpu", "cuda", "cuda:1"; default SB3's choice.
        n_timesteps: questions to train on; default the settings' number.
        target_accuracy: held-out accuracy, in (0, 1], at which to stop.
        patience: evaluations without a better accuracy after which to stop.
        model: arguments of the agent's class, instead of all those of the settings.

    Returns:
        See :func:`~ia_gym.experiments.run.run_training`; of a run that is resumed after its end,
        its result as it stands.

    Raises:
        ValueError: for an unknown id, agent or device, a number out of range, a folder that cannot
            be used or is in use, or a run to be resumed that has other settings.
        Interrupted: when Ctrl-C or SIGTERM stopped the run.
        OSError: when a file could not be written, as on a full disk.
    """
    earlier: dict[str, Any] = {}
    if isinstance(agent, str) and agent.endswith(".json"):
        try:
            earlier = read_run(agent)
        except ValueError as error:
            raise ValueError(f"agent must name a run.json: {error}") from error
        agent = earlier["agent"]
    env_id = check_env_id(earlier.get("env_id", "IA-Permutation-v0") if env_id is None else env_id)
    seed = check_range("seed", earlier.get("seed", 0) if seed is None else seed, 0, 2**32 - 1)
    if n_eval_questions is None:
        n_eval_questions = earlier.get("n_eval_questions")
    if n_eval_questions is not None:
        check_range("n_eval_questions", n_eval_questions, 1, 10**6)
    torch.set_num_threads(check_range("threads", threads, 1, 1024))
    settings = Settings(**earlier["settings"]) if earlier else load_settings(agent, env_id)
    changes: dict[str, Any] = {
        "n_timesteps": n_timesteps,
        "target_accuracy": target_accuracy,
        "patience": patience,
        "model": model,
    }
    settings = replace(
        settings, **{key: value for key, value in changes.items() if value is not None}
    )
    if device is not None:
        settings = replace(settings, model={**settings.model, "device": device})
    check_device(settings.model.get("device"))
    if max_depth is not None:
        settings = limit_depth(settings, agent, env_id, max_depth)
    if size is not None:
        settings = limit_size(settings, env_id, size)
    make_evaluator(env_id, n_eval_questions, **settings.env_kwargs)  # or say what is wrong, now
    default = Path("runs") / env_id / f"{agent}_seed{seed}"
    folder = prepare_folder(default if log_dir is None else log_dir)
    run = Run(env_id, agent, seed, settings, n_eval_questions, folder)
    with lock_folder(folder):
        return _train_in_folder(run, resume)


def limit_depth(settings: Settings, agent: str, env_id: str, max_depth: int) -> Settings:
    """The settings with a curriculum that ends at questions of ``max_depth``.

    Raises:
        ValueError: for a depth out of range, or an agent that is none of the suite's learners.
    """
    if not issubclass(CLASSES[settings.algorithm], AnswerLearner):
        raise ValueError(f"max_depth is for the suite's own learners, not for {agent}")
    env = gym.make(env_id, **settings.env_kwargs)
    deepest = env.unwrapped.domain.max_depth  # type: ignore[attr-defined]
    env.close()
    check_range("max_depth", max_depth, 1, deepest)
    curriculum = settings.model.get("curriculum", {"start_depth": max_depth})
    model = {**settings.model, "curriculum": {**(curriculum or {}), "end_depth": max_depth}}
    return replace(settings, model=model)


def limit_size(settings: Settings, env_id: str, size: int) -> Settings:
    """The settings with contexts of ``size`` names, out of the environment's own pool.

    Raises:
        ValueError: for an environment that asks no questions.
    """
    kwargs = gym.spec(env_id).kwargs
    if "domain" not in kwargs:
        raise ValueError(f"size is for environments that ask questions, not for {env_id}")
    pool = kwargs.get("max_size") or kwargs["size"]
    return replace(settings, env_kwargs={**settings.env_kwargs, "size": size, "max_size": pool})


def _train_in_folder(run: Run, resume: bool) -> dict[str, Any]:
    """Resume or replace what is in the run's folder, and show the progress."""
    console = TerminalConsole()
    if resume:
        if not is_resumable(run.folder, run.describe()):
            raise ValueError(
                f"resume needs a run with the same settings in log_dir, got {run.folder}"
            )
        if (run.folder / RESULT).exists():
            return read_result(run.folder / RESULT)
        if not can_resume(run.recipe.model_class):
            console.print(f"{run.agent} writes no checkpoints: it starts over", markup=False)
    else:
        if (run.folder / RUN).exists():
            console.print(f"replacing the run in {run.folder}", markup=False, soft_wrap=True)
        clear_folder(run.folder)
    progress = Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]} {task.fields[unit]}/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    total, evaluator = run.settings.n_timesteps, find_evaluator_class(run.env_id)
    bar = progress.add_task(run.agent, total=total, rate="-", unit=evaluator.labels.trained_on)

    def show(row: dict[str, float]) -> None:
        minutes = row["time/minutes"]
        rate = row["timesteps"] / max(60 * minutes, 1e-9)
        progress.update(bar, completed=row["timesteps"], rate=format_count(rate))
        line = f"{minutes:6.1f} min  {row['timesteps'] / total:4.0%}  {evaluator.headline(row)}"
        progress.console.print(line, highlight=False, markup=False)

    try:
        with progress:
            return run_training(run, show, (signal.SIGINT, signal.SIGTERM))
    except (Interrupted, OSError) as error:
        error.add_note(describe_restart(run))
        raise


def describe_restart(run: Run) -> str:
    """What ``--resume`` does after ``run`` has stopped."""
    if can_resume(run.recipe.model_class):
        return "--resume continues from the last checkpoint"
    return f"{run.agent} writes no checkpoints: --resume starts over"


def describe_result(result: Mapping[str, Any]) -> str:
    """The result of a run in a sentence."""
    final, labels = result["final"], find_evaluator_class(result["env_id"]).labels
    return (
        f"{result['agent']} on {result['env_id']}: {labels.score_label} "
        f"{final[labels.score]:.1%} on {result['n_eval_questions']} held-out {labels.unit}, "
        f"after training on {final['timesteps']:.0f} {labels.trained_on} with "
        f"{final['overseer/human_interactions']:.0f} queries to the overseer; "
        f"stopped by {result['stopped_by']}"
    )
