"""What TensorBoard shows of a run beside its curves: settings, traces and pictures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam, Image

from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.evaluation.episode_trace import trace_episode
from ia_gym.agents.evaluation.question_evaluator import QUESTIONS_PER_CONTEXT
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.amplification.trace import trace
from ia_gym.envs.questions.rendering import Scene, draw_scene
from ia_gym.experiments.inspection.trace_tree import to_tree

METRICS = (
    *("eval/accuracy", "overseer/approval", "overseer/overapproval"),
    *("overseer/human_interactions", "time/minutes"),
)
"""Tags that the HParams page lists as a run's results."""
TEXTLESS = ("stdout", "log", "json", "csv")
"""Outputs of SB3's logger that cannot show pictures and long texts."""


class ShowingCallback(BaseCallback):
    """Logs the settings as hyper-parameters and, as training goes on, an example.

    The example is a held-out question, the first that the agent answers wrongly: as a trace under
    ``examples/trace``, as a picture under ``examples/context``. No random state is touched.

    Args:
        held_out: the questions, or episodes.
        settings: what to list, nested as it is.
        every: timesteps from one example to the next.
    """

    def __init__(self, held_out: Any, settings: dict[str, Any], every: int) -> None:
        super().__init__()
        self.held_out = held_out
        self.settings = settings
        self.every = every

    def _on_training_start(self) -> None:
        listed = HParam(flat(self.settings), dict.fromkeys(METRICS, 0.0))
        self.logger.record("hparams", listed, exclude=TEXTLESS)
        self.last = self.num_timesteps
        self._show()

    def _on_step(self) -> bool:
        if self.num_timesteps - self.last >= self.every:
            self._show()
        return True

    def _on_training_end(self) -> None:
        if self.num_timesteps > self.last:
            self._show()

    def _show(self) -> None:
        self.last = self.num_timesteps
        held_out, domain = self.held_out, self.held_out.domain
        assistant = PolicyAssistant(self.model, deterministic=True, domain=domain)
        few = slice(0, 8)
        contexts, questions = held_out.contexts[few], held_out.questions[few]
        answers = assistant.answer(contexts, questions)
        wrong = ~domain.is_correct(contexts, questions, answers)
        row, column = divmod(int(wrong.ravel().argmax()), QUESTIONS_PER_CONTEXT)
        context, question = contexts[row : row + 1], questions[row, column]
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(to_tree(trace(domain, assistant, context, question, levels=3)))
        text = f"```\n{console.export_text()}```"
        self.logger.record("examples/trace", text, exclude=TEXTLESS)
        picture = self._picture(assistant, context, question, int(answers[row, column]))
        self.logger.record("examples/context", Image(picture, "HWC"), exclude=TEXTLESS)
        self.logger.dump(self.num_timesteps)

    def _picture(
        self, assistant: PolicyAssistant, context: Any, question: Any, answer: int
    ) -> np.ndarray:
        """The question as the environments draw it, with H's view of the answer."""
        domain = self.held_out.domain
        overseer, rng = ScriptedOverseer(domain), np.random.default_rng(self.held_out.seed)
        batch = context, question[None, None]
        transcript = amplify(overseer, assistant, rng, *batch)
        approval = overseer.judge(*batch, transcript, np.full((1, 1), answer))
        scene = Scene(
            domain=domain,
            context=context[0],
            root=question,
            question=question,
            is_root=True,
            transcript=transcript[0, 0],
            can_earn=True,
            answer=answer,
            approval=float(approval[0, 0]),
            truth=int(domain.truth(*batch)[0, 0]),
        )
        return draw_scene(scene)


class EpisodeShowingCallback(ShowingCallback):
    """The same where actions are approved of: the first steps of a held-out episode."""

    def _show(self) -> None:
        self.last = self.num_timesteps
        episodes = self.held_out
        assistant = self.training_env.get_attr("assistant")[0]
        table = trace_episode(episodes.game, self.model, assistant, **episodes.kwargs)
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(table)
        text = f"```\n{console.export_text()}```"
        self.logger.record("examples/trace", text, exclude=TEXTLESS)
        self.logger.dump(self.num_timesteps)


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dict, with dots in its keys, of what TensorBoard can list."""
    listed: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            listed |= flat(value, f"{name}.")
        else:
            listed[name] = value if isinstance(value, bool | int | float | str) else str(value)
    return listed
