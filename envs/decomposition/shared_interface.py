"""The interface that the single and the vector environment of decomposition share."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Domain
from ia_gym.envs.decomposition.config import DecompositionConfig
from ia_gym.envs.decomposition.engine import DecompositionEngine, Outcome
from ia_gym.envs.decomposition.moves import Moves
from ia_gym.envs.decomposition.observations import TranscriptEncoding
from ia_gym.envs.questions.rendering import Scene


class DecompositionInterface:
    """An engine, its observations and infos, and setters for training.

    Args:
        n_envs: number of environments.
        config: arguments of the environment.
        render_mode: one of the render modes in ``metadata``, or None.

    Attributes:
        config: arguments of the environment.
        domain: the domain of the questions.
        engine: the state of all environments.
        transcript_encoding: turns questions and transcripts into observations.

    Raises:
        ValueError: for an unknown ``render_mode``; see also :class:`DecompositionConfig`.
    """

    metadata: dict[str, Any]
    render_mode: str | None

    def __init__(self, n_envs: int, config: DecompositionConfig, render_mode: str | None) -> None:
        allowed = (None, *self.metadata["render_modes"])
        if render_mode not in allowed:
            raise ValueError(f"render_mode must be one of {list(allowed)}, got {render_mode!r}")
        self.render_mode = render_mode
        self.config = config
        self.engine: DecompositionEngine = config.make_engine(n_envs)
        self.domain: Domain = self.engine.domain
        self.transcript_encoding = TranscriptEncoding(
            self.domain, config.max_questions, config.observation
        )
        self._ready = False  # whether there has been a reset

    def _make_single_spaces(self) -> tuple[Any, Any]:
        """Observation and action space of one environment."""
        return self.transcript_encoding.space, Discrete(self.moves.n_actions)

    def set_assistant(self, assistant: Assistant) -> None:
        """Let another assistant answer the sub-questions, those of the judge included.

        Raises:
            ValueError: if it has no method ``answer``.
        """
        if not callable(getattr(assistant, "answer", None)):
            raise ValueError(
                f"assistant must have a method answer(contexts, questions), got {assistant!r}"
            )
        self.engine.assistant = assistant

    @property
    def moves(self) -> Moves:
        """The actions."""
        return self.engine.moves

    @property
    def reward_mode(self) -> str:
        """What the reward is: "approval" or "truth"."""
        return self.config.reward

    @property
    def overseer(self) -> Overseer | None:
        """Who judges the answers; None with ``reward="truth"``."""
        return self.engine.overseer

    @property
    def human_interactions(self) -> int:
        """Questions that the judge has decomposed so far, with its own sub-questions."""
        return self.engine.overseer.human_interactions if self.engine.overseer else 0

    @property
    def assistant_answers(self) -> int:
        """Sub-questions that the assistant has answered so far, for agent and judge."""
        judged = self.engine.overseer.assistant_answers if self.engine.overseer else 0
        return self.engine.assistant_answers + judged

    def _observe(self) -> NDArray[Any]:
        """Questions and transcripts, encoded, in fresh arrays with one row per environment."""
        return self.transcript_encoding.encode(self.engine.questions, self.engine.transcript)

    def _make_info(self, outcome: Outcome | None = None) -> dict[str, NDArray[Any]]:
        """The info of all environments, one entry each."""
        engine = self.engine
        info: dict[str, NDArray[Any]] = {
            "truth": engine.truths.copy(),
            "depth": engine.depths.copy(),
            "action_mask": engine.options.allowed.astype(np.int8),
            "n_questions": engine.n_questions.copy(),
            "n_rounds": engine.n_rounds.copy(),
        }
        if outcome is not None:
            info["is_success"] = outcome.successes
            if engine.overseer is not None:
                info["target"] = outcome.targets
                info["approval"] = outcome.approvals
        return info

    def _mask_moves(self) -> NDArray[np.bool_]:
        if not self._ready:
            raise ResetNeeded("action_masks() needs a question to mask for: call reset() first")
        return self.engine.options.allowed.copy()

    def _make_scene(self, row: int, outcome: Outcome | None) -> Scene:
        """What there is to show of environment ``row``; ``outcome`` once it has answered."""
        engine = self.engine
        question = engine.questions[row]
        ended = outcome is not None and bool(outcome.ended[row])
        judged = outcome is not None and ended and engine.overseer is not None
        return Scene(
            domain=self.domain,
            context=engine.contexts[row],
            root=question,
            question=question,
            is_root=True,
            transcript=engine.transcript[row],
            can_earn=True,
            answer=int(outcome.answers[row]) if outcome is not None and ended else None,
            reward=float(outcome.rewards[row]) if outcome is not None and ended else None,
            approval=float(outcome.approvals[row]) if outcome is not None and judged else None,
            truth=int(engine.truths[row]),
            asking="agent",
        )
