"""What ``ia-gym train`` does: one run in this process, with its progress in the terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class, make_evaluator
from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.learners.human_predictor_trainer import train_on_recorded
from ia_gym.agents.learners.imitation import IteratedAmplification
from ia_gym.agents.learners.recorded_interactions import RecordedInteractions
from ia_gym.domains import Domain
from ia_gym.envs.questions.config import make_evaluation_kwargs
from ia_gym.experiments.checkpoints import can_resume
from ia_gym.experiments.inputs import check_device, check_env_id
from ia_gym.experiments.run import Run, run_training
from ia_gym.experiments.run_folder import (
    INTERACTIONS,
    OVERSEER,
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
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.validation import check_range

SCRIPT_RATE = 10.0
"""Queries to the script in a training step, at first, beside recorded interactions."""


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
    overseer: str | os.PathLike[str] | None = None,
    human: str | os.PathLike[str] | None = None,
    people: Sequence[str] | None = None,
    with_script: bool = False,
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
        overseer: file of a human predictor, to decompose and judge instead of the script.
        human: file of records of ``ia-gym human``. A human predictor learns from them, and takes
            the script's place. They are copied to the run's folder.
        people: names of those whose records to use; default all.
        with_script: with ``human``, also query the script while training.

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
    interactions = None
    if human is None and (people is not None or with_script):
        raise ValueError("people and with_script need human, the file of records")
    if overseer is not None or human is not None:
        if overseer is not None and human is not None:
            raise ValueError("overseer and human cannot both take the script's place")
        refuse_truth(settings, agent)
        if overseer is not None:
            LearnedOverseer.load(overseer, read_env_domain(env_id, settings))
            settings = let_oversee(settings, overseer)
        else:
            assert human is not None
            interactions = read_records(human, read_env_domain(env_id, settings), people)
            if with_script:
                settings = mix_with_script(settings, agent, folder / INTERACTIONS)
            else:
                settings = let_oversee(settings, folder / OVERSEER)
    run = Run(env_id, agent, seed, settings, n_eval_questions, folder)
    with lock_folder(folder):
        return _train_in_folder(run, resume, interactions)


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


def read_env_domain(env_id: str, settings: Settings) -> Domain:
    """The domain that the settings' environment asks about.

    Raises:
        ValueError: for an environment that asks no questions.
    """
    env = gym.make(env_id, **make_evaluation_kwargs(settings.env_kwargs))
    domain = getattr(env.unwrapped, "domain", None)
    env.close()
    if not isinstance(domain, Domain):
        raise ValueError(f"a human predictor is for environments that ask questions, not {env_id}")
    return domain


def refuse_truth(settings: Settings, agent: str) -> None:
    """Refuse an agent that no overseer has an effect on.

    Raises:
        ValueError: naming the agent.
    """
    cls = CLASSES[settings.algorithm]
    learns_truth = issubclass(cls, AnswerLearner) and not issubclass(cls, AmplifiedLearner)
    if learns_truth or settings.env_kwargs.get("reward") == "truth":
        raise ValueError(f"{agent} learns from the truth: no overseer has an effect on it")


def let_oversee(settings: Settings, path: str | os.PathLike[str]) -> Settings:
    """The settings with a human predictor, in a file, in the script's place."""
    model = settings.model
    if issubclass(CLASSES[settings.algorithm], AmplifiedLearner):
        model = {**model, "interaction_rate": None}  # nobody is there to be queried
        model.pop("predictor_kwargs", None)
    env_kwargs = {**settings.env_kwargs, "overseer": os.fspath(path)}
    return replace(settings, model=model, env_kwargs=env_kwargs)


def mix_with_script(settings: Settings, agent: str, path: Path) -> Settings:
    """The settings with a human predictor that learns from recorded interactions and the script.

    Raises:
        ValueError: for an agent that has no human predictor of its own.
    """
    cls = CLASSES[settings.algorithm]
    if not issubclass(cls, AmplifiedLearner):
        raise ValueError(f"with_script is for the suite's own learners, not for {agent}")
    predictor = {**settings.model.get("predictor_kwargs", {}), "records": str(path)}
    model = {**settings.model, "predictor_kwargs": predictor}
    if model.get("interaction_rate") is None and cls is not IteratedAmplification:
        model["interaction_rate"] = SCRIPT_RATE
    return replace(settings, model=model)


def read_records(
    path: str | os.PathLike[str], domain: Domain, people: Sequence[str] | None
) -> RecordedInteractions:
    """Read a file of records, see :func:`~ia_gym.experiments.human.interactions.read_interactions`.

    It takes the packages of the extra "human".
    """
    from ia_gym.experiments.human.interactions import read_interactions

    return read_interactions(path, domain, people)


def write_interactions(run: Run, interactions: RecordedInteractions) -> None:
    """Write recorded interactions to the run's folder, and what a predictor learned from them.

    A run that is resumed keeps those that it began with.
    """
    domain = read_env_domain(run.env_id, run.settings)
    if (run.folder / INTERACTIONS).exists():
        interactions = RecordedInteractions.load(run.folder / INTERACTIONS, domain)
    else:
        interactions.save(run.folder / INTERACTIONS, domain)
    if "overseer" in run.settings.env_kwargs and not (run.folder / OVERSEER).exists():
        train_on_recorded(domain, interactions, run.seed).save(run.folder / OVERSEER)


def _train_in_folder(
    run: Run, resume: bool, interactions: RecordedInteractions | None
) -> dict[str, Any]:
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
    if interactions is not None:
        console.print(f"a human predictor learns from {interactions.describe()}", markup=False)
        write_interactions(run, interactions)
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
    recorded = result.get("interactions")
    of_people = ""
    if recorded:
        of_people = ", ".join(f"{name}: {count}" for name, count in recorded.items())
        of_people = f" (recorded of {of_people})"
    return (
        f"{result['agent']} on {result['env_id']}: {labels.score_label} "
        f"{final[labels.score]:.1%} on {result['n_eval_questions']} held-out {labels.unit}, "
        f"after training on {final['timesteps']:.0f} {labels.trained_on} with "
        f"{final['overseer/human_interactions']:.0f} queries to the overseer{of_people}; "
        f"stopped by {result['stopped_by']}"
    )
