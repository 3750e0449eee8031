"""One agent trained once: its callbacks, checkpoints, curve and result."""

from __future__ import annotations

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym
import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from torch.utils.tensorboard import SummaryWriter

from ia_gym.agents.assistants.action_assistant import ASSISTANT
from ia_gym.agents.evaluation.evaluator import Evaluator, format_count
from ia_gym.agents.evaluation.make_evaluator import evaluator_class, make_evaluator
from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.sb3.amplification_callback import AmplificationCallback
from ia_gym.agents.sb3.bridge import make_sb3_vec_env
from ia_gym.agents.sb3.curriculum_callback import CurriculumCallback
from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.experiments import checkpoints
from ia_gym.experiments.inspection.example_callback import ExampleCallback
from ia_gym.experiments.settings import CLASSES, Settings, load_settings, resolve
from ia_gym.files import write_atomically, write_json, write_text
from ia_gym.validation import check_range

PACKAGES = ("ia-gym", "gymnasium", "stable-baselines3", "torch", "numpy")
HUMAN = "human.safetensors"
"""H', beside the model, if there is one; an environment can take it for its overseer."""
LEFT_BEHIND = (
    *("events.out.tfevents", "curve.csv", "result.json", "error.txt", "run.json"),
    *("checkpoint", ASSISTANT),
)
"""What a run leaves in its folder, beside the model."""
STOPPING_RULES = ("target_accuracy", "patience")
"""Settings that decide when a run ends, and nothing else."""
EVALUATIONS = 40
"""Evaluations in a run, evenly spaced."""
EXAMPLES = 4
"""Traces and pictures in a run, beside one at its beginning."""


@dataclass(frozen=True)
class Run:
    """One agent trained once.

    Attributes:
        env_id: the environment.
        agent: a name in ``agent_names()``.
        seed: of the agent and its environment.
        settings: how it is trained.
        n_questions: held-out questions it is evaluated on; None for the evaluator's default.
        folder: where all it leaves goes.
    """

    env_id: str
    agent: str
    seed: int
    settings: Settings
    n_questions: int | None
    folder: Path

    @property
    def name(self) -> str:
        """Agent and seed."""
        return f"{self.agent}_seed{self.seed}"


class Interrupted(Exception):  # noqa: N818  (not an error: like KeyboardInterrupt)
    """A signal ended a training; its checkpoint is written.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"ended by {signal.Signals(signum).name}")
        self.signum = signum


class EndOnSignal(BaseCallback):
    """Ends a training with :class:`Interrupted`, between two steps, once a signal has come.

    Args:
        signals: those that end it. Python lets only a process's main thread listen to them.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        super().__init__()
        self.received: int | None = None
        for each in signals:
            signal.signal(each, self._note)

    def _note(self, signum: int, _: FrameType | None) -> None:
        self.received = signum

    def _on_step(self) -> bool:
        if self.received is not None:
            raise Interrupted(self.received)
        return True


def train(
    run: Run,
    on_evaluation: Callable[[dict[str, float]], None] | None = None,
    end_on: tuple[signal.Signals, ...] = (),
) -> dict[str, Any]:
    """Train an agent, and write model, curve and result into the run's folder.

    At every evaluation, and when a signal ends the training, the learners that are taught answers
    leave a checkpoint there; a run that finds one goes on from it, and ends as if it had never
    stopped. Agents of SB3 start over.

    Args:
        run: what to train.
        on_evaluation: called with each evaluation's row.
        end_on: signals that end the training with a checkpoint; from a main thread only.

    Returns:
        The result, as in ``result.json``: the run, its last evaluation, versions, hardware.

    Raises:
        Interrupted: when one of ``end_on`` has come.
    """
    write_json(run.folder / "run.json", _as_json(run))
    settings = run.settings
    cls = CLASSES[settings.algorithm]
    ending = EndOnSignal(*end_on)
    env = make_sb3_vec_env(run.env_id, settings.n_envs, **settings.env_kwargs)
    curve = run.folder / "curve.csv"
    history: list[dict[str, float]] = []
    kept = checkpoints.restore(cls, run.folder, env) if issubclass(cls, AnswerLearner) else None
    if kept is not None:
        model: Any = kept
        rows = pd.read_csv(curve)
        rows = rows[rows["timesteps"] <= model.num_timesteps]
        history = rows.to_dict("records")
    else:
        arguments = {"policy": "MultiInputPolicy", **resolve(settings.model)}
        model = cls(env=env, seed=run.seed, **arguments)
    evaluator = make_evaluator(run.env_id, run.n_questions, **settings.env_kwargs)
    # Before the logger's own file: what was logged after the checkpoint will be logged again, and
    # all of it without one.
    write_layout(run.folder, evaluator, model.num_timesteps + 1 if history else 0)
    model.set_logger(configure(str(run.folder), ["tensorboard"]))

    def keep(row: dict[str, float]) -> None:
        """Leave what a resumed run goes on from, and pass the evaluation on."""
        write_text(curve, pd.DataFrame(evaluation.history).to_csv(index=False))
        if isinstance(model, AnswerLearner):
            checkpoints.keep(model, run.folder)
        if on_evaluation is not None:
            on_evaluation(row)

    evaluation = EvaluationCallback(
        evaluator,
        settings.n_timesteps // EVALUATIONS,
        on_evaluation=keep,
        history=history,
        target_accuracy=settings.target_accuracy,
        patience=settings.patience,
    )
    told = {"env_id": run.env_id, "agent": run.agent, "seed": run.seed, **asdict(settings)}
    examples = ExampleCallback(evaluator, told, -(-settings.n_timesteps // EXAMPLES))
    callbacks: list[Any] = [evaluation, examples, ending]
    if settings.amplification is not None:
        (run.folder / ASSISTANT).unlink(missing_ok=True)  # SB3's agents start over
        path = run.folder / ASSISTANT
        callbacks.insert(0, AmplificationCallback(path=path, **settings.amplification))
    if settings.curriculum is not None:
        callbacks.insert(0, CurriculumCallback(**settings.curriculum))
    remaining = settings.n_timesteps - model.num_timesteps
    try:
        if evaluation.stopped_by is None:
            model.learn(remaining, callback=callbacks, reset_num_timesteps=not history)
    except Interrupted:
        if isinstance(model, AnswerLearner):
            checkpoints.keep(model, run.folder)
        raise
    if isinstance(model, AnswerLearner):
        model.save(run.folder / "model", resumable=False)
        if isinstance(model, AmplifiedLearner) and model.predictor_trainer is not None:
            model.predictor_trainer.overseer.save(run.folder / HUMAN)
    else:
        write_atomically(run.folder / "model.zip", model.save)
    env.close()
    result = {
        "env_id": run.env_id,
        "agent": run.agent,
        "seed": run.seed,
        "command": command(),
        "commit": commit(),
        "settings": asdict(settings),
        "n_questions": evaluator.n_problems,
        "stopped_by": evaluation.stopped_by or "budget",
        "final": evaluation.history[-1],
        "versions": {name: version(name) for name in PACKAGES},
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": str(model.device),
            "python": platform.python_version(),
        },
    }
    write_json(run.folder / "result.json", result)
    checkpoints.drop(run.folder)
    return result


def train_once(
    agent: str,
    env_id: str | None = None,
    seed: int | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    n_questions: int | None = None,
    resume: bool = False,
    threads: int = 1,
    size: int | None = None,
    max_depth: int | None = None,
    device: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Train an agent with its tuned settings, in this process; what ``ia-gym train`` does.

    Args:
        agent: name of a settings file, see :func:`ia_gym.experiments.settings.agent_names`; or the
            ``run.json`` that an earlier run has left, to train as it did.
        env_id: a registered question environment; default the earlier run's, or
            "IA-Permutation-v0".
        seed: of the agent and its environment; default the earlier run's, or 0.
        log_dir: the run's folder; default ``runs/<env_id>/<agent>_seed<seed>``.
        n_questions: held-out questions of the evaluation; default the evaluator's.
        resume: go on from the checkpoint in the folder, rather than replace what is there. Only
            ``target_accuracy`` and ``patience`` may differ from what the run began with.
        threads: CPU threads that torch may use.
        size: names in a context, out of the environment's pool; default the environment's own.
        max_depth: deepest questions a learner that is taught answers trains on; default all.
        device: where to compute; default SB3's choice.
        **changes: fields of :class:`~ia_gym.experiments.settings.Settings` to change, None for no
            change.

    Returns:
        See :func:`train`.

    Raises:
        ValueError: for an unknown id or agent, a number out of range, an unusable folder, or a
            checkpoint that was made with other settings.
        Interrupted: when Ctrl-C or SIGTERM ended the run; its checkpoint is written.
    """
    earlier: dict[str, Any] = {}
    if agent.endswith(".json"):
        earlier = read_run(agent)
        agent = earlier["agent"]
    env_id = env_id or earlier.get("env_id", "IA-Permutation-v0")
    seed = earlier.get("seed", 0) if seed is None else seed
    check_env_id(env_id)
    check_range("seed", seed, 0, 2**32 - 1)
    torch.set_num_threads(check_range("threads", threads, 1, 1024))
    settings = Settings(**earlier["settings"]) if earlier else load_settings(agent, env_id)
    model = dict(settings.model)
    if device is not None:
        model["device"] = device
    if max_depth is not None:
        if not issubclass(CLASSES[settings.algorithm], AnswerLearner):
            raise ValueError(f"max_depth is for learners that are taught answers, not for {agent}")
        domain = gym.make(env_id, **settings.env_kwargs).unwrapped.domain  # type: ignore[attr-defined]
        check_range("max_depth", max_depth, 1, domain.max_depth)
        at_once = {"start_depth": max_depth}
        model["curriculum"] = {**model.get("curriculum", at_once), "end_depth": max_depth}
    settings = replace(settings, model=model)
    if size is not None:
        if "domain" not in gym.spec(env_id).kwargs:
            raise ValueError(f"size is for environments that ask questions, not for {env_id}")
        pool = gym.spec(env_id).kwargs.get("max_size") or gym.spec(env_id).kwargs["size"]
        kwargs = {**settings.env_kwargs, "size": size, "max_size": pool}
        settings = replace(settings, env_kwargs=kwargs)
    changes = {name: value for name, value in changes.items() if value is not None}
    settings = replace(settings, **changes)
    folder = prepare_folder(log_dir or Path("runs") / env_id / f"{agent}_seed{seed}")
    run = Run(env_id, agent, seed, settings, n_questions, folder)
    if resume and not is_resumable(run):
        raise ValueError(f"resume needs a run with the same settings in log_dir, got {folder}")
    if not resume:
        clear(run)
    finished = folder / "result.json"
    if finished.exists():
        result: dict[str, Any] = json.loads(finished.read_text("utf-8"))
        return result
    console = Console()
    progress = Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]} questions/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    headline = evaluator_class(env_id).headline
    bar = progress.add_task(agent, total=settings.n_timesteps, rate="-")

    def report(row: dict[str, float]) -> None:
        seconds = max(60 * row["time/minutes"], 1e-9)
        progress.update(
            bar, completed=row["timesteps"], rate=format_count(row["timesteps"] / seconds)
        )
        progress.console.print(
            f"{row['time/minutes']:6.1f} min  {row['timesteps'] / settings.n_timesteps:4.0%}  "
            f"{headline(row)}",
            highlight=False,
        )

    with progress:
        return train(run, report, (signal.SIGINT, signal.SIGTERM))


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a ``run.json`` says: ``env_id``, ``agent``, ``seed``, ``settings``, ``n_questions``.

    Raises:
        ValueError: if the file is none.
    """
    try:
        content: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
        Settings(**content["settings"])
        if not {"env_id", "agent", "seed"} <= set(content):
            raise KeyError("env_id, agent and seed")
        if not isinstance(content["agent"], str):
            raise TypeError("agent must be a name")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"agent must name a run.json, got {path}: {error}") from error
    return content


def check_env_id(env_id: str) -> None:
    """Raise a ``ValueError`` that names the known ids, if ``env_id`` is none of them."""
    if not isinstance(env_id, str) or env_id not in gym.registry:
        known = sorted(name for name in gym.registry if name.startswith("IA-"))
        raise ValueError(f"env_id must be one of {known}, got {env_id!r}")


def command() -> str:
    """The command at work, without the folder it writes to, which tells nothing."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    if "--log-dir" in words:
        place = words.index("--log-dir")
        del words[place : place + 2]
    return shlex.join(words)


def commit() -> str | None:
    """The commit of the code at work, "+" behind it if files have changed; None outside git."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        answer = [
            subprocess.run([*git, *rest], capture_output=True, text=True, check=True).stdout.strip()
            for rest in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "-uno"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer[0] + ("+" if answer[1] else "")


def write_layout(folder: Path, evaluator: Evaluator, purge_step: int | None = None) -> None:
    """Lay TensorBoard's custom-scalars page out: each chart holds the same curve of all runs.

    TensorBoard forgets what an earlier file tells of ``purge_step`` and after.
    """
    with SummaryWriter(str(folder), purge_step=purge_step) as writer:
        writer.add_custom_scalars(evaluator.layout)


def prepare_folder(log_dir: str | os.PathLike[str]) -> Path:
    """``log_dir`` as a folder that can be written.

    Raises:
        ValueError: if it is none and cannot be made one.
    """
    folder = Path(log_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"log_dir must be a folder that can be written, got {log_dir}: {error}"
        ) from error
    return folder


def is_resumable(run: Run) -> bool:
    """Whether the run's folder holds an earlier run with the same settings, finished or not.

    When an unfinished one is to stop, may be decided anew: no number of it depends on that.
    """
    path = run.folder / "run.json"
    if not path.exists():
        return False
    earlier, now = json.loads(path.read_text("utf-8")), _as_json(run)
    if not (run.folder / "result.json").exists():
        before = earlier.get("settings", {})
        now["settings"] |= {rule: before.get(rule) for rule in STOPPING_RULES}
    return bool(earlier == now)


def _as_json(run: Run) -> dict[str, Any]:
    """All that decides how a run goes."""
    whole: dict[str, Any] = json.loads(json.dumps({**asdict(run), "folder": None}))
    return whole


def clear(run: Run) -> None:
    """Make the run's folder, empty of an earlier run's files."""
    run.folder.mkdir(parents=True, exist_ok=True)
    for file in run.folder.iterdir():
        if file.name.startswith(LEFT_BEHIND):
            file.unlink()
