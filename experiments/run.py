"""One agent trained once: from its settings to its model, curve and result."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecEnv
from torch.utils.tensorboard import SummaryWriter

from ia_gym.agents.assistants.action_assistant import ASSISTANT
from ia_gym.agents.evaluation.evaluator import Evaluator, preserve_random_state
from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.agents.learners.saved_learner import SavedLearner
from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.experiments import provenance
from ia_gym.experiments.checkpoints import load_checkpoint, remove_checkpoints, save_checkpoint
from ia_gym.experiments.inspection.example_callback import ExampleCallback
from ia_gym.experiments.recipe import TrainingRecipe
from ia_gym.experiments.run_folder import CURVE, HUMAN, INTERACTIONS, RESULT, RUN, read_curve
from ia_gym.experiments.settings import Settings
from ia_gym.experiments.signals import Interrupted, StopOnSignal
from ia_gym.files import write_atomically, write_json, write_text
from ia_gym.networks.tensor_files import read_tensors

EXAMPLES = 4
"""Traces and pictures in a run, beside one at its beginning."""


@dataclass(frozen=True)
class Run:
    """One agent trained once.

    Attributes:
        env_id: the environment.
        agent: one of :func:`~ia_gym.experiments.settings.list_agents`.
        seed: of the agent and its environment.
        settings: how it is trained.
        n_eval_questions: held-out questions that it is evaluated on; None for the evaluator's
            default, and where episodes are played.
        folder: where all its files go.
    """

    env_id: str
    agent: str
    seed: int
    settings: Settings
    n_eval_questions: int | None
    folder: Path

    @property
    def name(self) -> str:
        """Agent and seed."""
        return f"{self.agent}_seed{self.seed}"

    @property
    def recipe(self) -> TrainingRecipe:
        """What the settings make: environments, model, callbacks and evaluator."""
        return TrainingRecipe(self.env_id, self.settings)

    def describe(self) -> dict[str, Any]:
        """All that decides how the run goes, as ``run.json`` holds it."""
        fields = {key: value for key, value in asdict(self).items() if key != "folder"}
        description: dict[str, Any] = json.loads(json.dumps(fields))
        return description


def run_training(
    run: Run,
    on_evaluation: Callable[[dict[str, float]], None] | None = None,
    stop_on: tuple[signal.Signals, ...] = (),
) -> dict[str, Any]:
    """Train an agent, and write its model, curve and result into the run's folder.

    At every evaluation, and when a signal stops the training, the suite's own learners write a
    checkpoint. A run whose folder holds one resumes from it, and ends with the same numbers as if
    it had never stopped. SB3's agents write none and start over.

    Args:
        run: what to train.
        on_evaluation: called with each evaluation's row.
        stop_on: signals that stop the training; of effect in the main thread only.

    Returns:
        The content of ``result.json``: the run, its last evaluation, versions, hardware.

    Raises:
        Interrupted: when one of ``stop_on`` was received.
        OSError: when a file cannot be written, as on a full disk.
    """
    write_json(run.folder / RUN, run.describe())
    commit = provenance.describe_commit()  # before others are checked out
    recipe = run.recipe
    stop = StopOnSignal()
    env = recipe.make_env()
    with closing(env), stop.listen(stop_on):
        model, history = load_or_make_model(run, env)
        evaluator = recipe.make_evaluator(run.n_eval_questions)
        # What was logged after the checkpoint will be logged again, and all of it without one.
        purge_step = model.num_timesteps + 1 if history else 0
        log = LogWithLayout(run.folder, evaluator, purge_step, recipe.n_timesteps)
        model.set_logger(Logger(str(run.folder), [log]))

        def save_progress(row: dict[str, float]) -> None:
            write_text(run.folder / CURVE, pd.DataFrame(evaluation.history).to_csv(index=False))
            if isinstance(model, SavedLearner):
                save_checkpoint(model, run.folder)
            if on_evaluation is not None:
                on_evaluation(row)

        evaluation = recipe.make_evaluation_callback(evaluator, save_progress, history)
        if evaluation.stopped_by is None:
            try:
                model.learn(
                    max(recipe.n_timesteps - model.num_timesteps, 0),
                    callback=[*make_callbacks(run, evaluator, evaluation), stop],
                    reset_num_timesteps=not history,
                )
            except Interrupted:
                if isinstance(model, SavedLearner):
                    save_checkpoint(model, run.folder)
                raise
        save_model(model, run.folder)
        result = {
            "env_id": run.env_id,
            "agent": run.agent,
            "seed": run.seed,
            "command": provenance.describe_command(),
            "commit": commit,
            "settings": asdict(run.settings),
            "n_eval_questions": evaluator.n_problems,
            "stopped_by": evaluation.stopped_by or "budget",
            **describe_interactions(run.folder),
            "final": evaluation.history[-1],
            "versions": provenance.list_versions(),
            "hardware": provenance.describe_hardware(model.device),
        }
        write_json(run.folder / RESULT, result)
        remove_checkpoints(run.folder)
    return result


def load_or_make_model(run: Run, env: VecEnv) -> tuple[Any, list[dict[str, float]]]:
    """The agent and its evaluations so far: from the last checkpoint, or new and none."""
    model_class, arguments = run.recipe.model_class, run.recipe.model_kwargs
    if issubclass(model_class, SavedLearner):
        device = arguments.get("device", "auto")
        model = load_checkpoint(model_class, run.folder, env, device)
        if model is not None:
            curve = read_curve(run.folder / CURVE)
            rows: list[Any] = curve[curve["timesteps"] <= model.num_timesteps].to_dict("records")
            return model, rows
    return model_class(env=env, seed=run.seed, **arguments), []


def make_callbacks(
    run: Run, evaluator: Evaluator, evaluation: EvaluationCallback
) -> list[BaseCallback]:
    """The callbacks of a training, in the order in which they are called."""
    path = run.folder / ASSISTANT
    path.unlink(missing_ok=True)  # agents with a slow copy start over
    callbacks = run.recipe.make_callbacks(path)
    listed = {"env_id": run.env_id, "agent": run.agent, "seed": run.seed, **asdict(run.settings)}
    examples = ExampleCallback(evaluator, listed, -(-run.recipe.n_timesteps // EXAMPLES))
    return [*callbacks, evaluation, examples]


def describe_interactions(folder: Path) -> dict[str, Any]:
    """How many recorded interactions of whom the run has used, if any."""
    path = folder / INTERACTIONS
    return {"interactions": read_tensors(path)[0]["people"]} if path.exists() else {}


def save_model(model: BaseAlgorithm, folder: Path) -> None:
    """Write the trained agent, and the human predictor if it has one."""
    if isinstance(model, SavedLearner):
        model.save(folder / "model", resumable=False)
        if isinstance(model, AmplifiedLearner) and model.predictor_trainer is not None:
            model.predictor_trainer.overseer.save(folder / HUMAN)
    else:
        write_atomically(folder / "model.zip", model.save)


class LogWithLayout(TensorBoardOutputFormat):
    """SB3's TensorBoard log of a run, with the layout of the custom-scalars page in the same file.

    TensorBoard reads several files of a folder in the order of their names, in which the tenth file
    of a process comes before its ninth. In a file of its own the layout, which has TensorBoard
    forget earlier events, could come last, and have it forget the run.

    Args:
        folder: the run's folder.
        evaluator: gives the layout.
        purge_step: TensorBoard forgets what earlier files say of this step and of later ones.
        n_timesteps: where the lines of the reference scores end, which begin at 0.
    """

    def __init__(
        self, folder: Path, evaluator: Evaluator, purge_step: int, n_timesteps: int
    ) -> None:
        # Not by the base class, whose writer cannot purge.
        self.writer = SummaryWriter(str(folder), purge_step=purge_step)
        self.writer.add_custom_scalars(evaluator.layout)
        labels = evaluator.labels
        with preserve_random_state():
            references = evaluator.references()
        for name in labels.references:
            for step in (0, n_timesteps):
                score = references[name][labels.score_name]
                self.writer.add_scalar(f"reference/{name}", score, step)
        self._is_closed = False
