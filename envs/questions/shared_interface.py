"""The interface that the single and the vector question environment share."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.failures import FailingOverseer
from ia_gym.amplification.overseers import Overseer, count_votes, find_base, find_wrapper
from ia_gym.amplification.work import read_work
from ia_gym.domains import Domain
from ia_gym.envs.questions.config import QuestionConfig
from ia_gym.envs.questions.engine import Engine
from ia_gym.envs.questions.judging import Outcome, Verdict
from ia_gym.envs.questions.observations import ObservationEncoding, Observations
from ia_gym.envs.questions.rendering import Scene
from ia_gym.validation import check_range


class QuestionInterface:
    """An engine with setters for training, and its observations, infos and rendering.

    Args:
        n_envs: number of environments.
        config: arguments of the environment.
        render_mode: one of the render modes in ``metadata``, or None.

    Attributes:
        config: arguments of the environment.
        domain: the domain of the questions.
        engine: the state of all environments.
        encoding: turns facts and questions into observations.

    Raises:
        ValueError: for an unknown ``render_mode``; see also :class:`QuestionConfig`.
    """

    metadata: dict[str, Any]
    render_mode: str | None

    def __init__(self, n_envs: int, config: QuestionConfig, render_mode: str | None) -> None:
        allowed = (None, *self.metadata["render_modes"])
        if render_mode not in allowed:
            raise ValueError(f"render_mode must be one of {list(allowed)}, got {render_mode!r}")
        self.render_mode = render_mode
        self.config = config
        self.engine: Engine = config.make_engine(n_envs)
        self.domain: Domain = self.engine.domain
        self.encoding = ObservationEncoding(self.domain, config.observation)
        self._ready = False  # whether there has been a reset

    def _make_single_spaces(self) -> tuple[Any, Any]:
        """Observation and action space of one environment."""
        return self.encoding.space, Discrete(self.domain.n_answers)

    # ------------------------------------------------------- what a run may change

    def set_assistant(self, assistant: Assistant | None) -> None:
        """Attach an assistant that answers the overseer's sub-questions; None for inline.

        Sub-questions that the agent has been shown already are still the agent's to answer.

        Raises:
            ValueError: if it has no method ``answer``, or the environment no overseer.
        """
        if assistant is not None and not callable(getattr(assistant, "answer", None)):
            raise ValueError(
                "assistant must be None or have a method answer(contexts, questions), "
                f"got {assistant!r}"
            )
        if assistant is not None and self.engine.overseer is None:
            raise ValueError('assistant can only be set in an environment of reward="approval"')
        self.engine.assistant = assistant

    def set_overseer(self, overseer: Overseer) -> None:
        """Let another overseer decompose questions and judge answers, from the next question on.

        From then on its counters are those of the environment. Questions that have been decomposed
        already are judged by the sub-answers there are. It fails and votes as the arguments of the
        environment say.

        Raises:
            ValueError: if it lacks a method, or is for another domain, or votes of itself, or the
                environment has no overseer since it rewards the truth.
        """
        missing = [name for name in ("ask", "answer", "judge") if not hasattr(overseer, name)]
        if missing:
            raise ValueError(f"overseer must have methods ask, answer and judge, lacks {missing}")
        if self.engine.overseer is None:
            raise ValueError('overseer can only be set in an environment of reward="approval"')
        known, given = self.domain, overseer.domain
        scripted = given.steps == known.steps  # the engine checks the rounds of others
        same_rounds = given.round_slots == known.round_slots or not scripted
        if given.n_symbols != known.n_symbols or not same_rounds:
            raise ValueError(
                f"overseer must be for {self.domain!r}, got one for {overseer.domain!r}"
            )
        if count_votes(overseer) != 1:
            raise ValueError(
                "votes must be given to the environment, not to the overseer that is set, got "
                f"{count_votes(overseer)}"
            )
        self.engine.overseer = self.config.wrap_overseer(overseer)

    def set_difficulty(self, max_depth: int | None = None, size: int | None = None) -> None:
        """Ask questions up to ``max_depth`` about contexts of ``size`` names, from now on.

        None stands for the domain's own. Contexts drawn already are used up first.

        Raises:
            ValueError: for a value out of range.
        """
        full = self.domain
        self.engine.max_depth = (
            full.max_depth
            if max_depth is None
            else check_range("max_depth", max_depth, 1, full.max_depth)
        )
        self.engine.size = full.size if size is None else check_range("size", size, 2, full.size)

    @property
    def reward_mode(self) -> str:
        """What the reward is: "approval", "truth" or "deception"."""
        return self.config.reward

    @property
    def overseer(self) -> Overseer | None:
        """Who decomposes questions and judges answers; None with ``reward="truth"``.

        Without the failures and votes that the environment's arguments add.
        """
        return None if self.engine.overseer is None else find_base(self.engine.overseer)

    @property
    def human_interactions(self) -> int:
        """Queries to the overseer so far: one for each root question it has decomposed."""
        return self.engine.overseer.human_interactions if self.engine.overseer else 0

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered so far, by the agent or by an attached assistant."""
        return self.engine.overseer.assistant_answers if self.engine.overseer else 0

    @property
    def failures(self) -> dict[str, NDArray[np.int64]]:
        """How often "overseer" and "assistant" could have failed, and how often they have.

        Each ``(2, max_depth + 1)``, by depth of the question; only those that may fail.
        """
        engine, counts = self.engine, {}
        if engine.overseer is not None:
            failing = find_wrapper(engine.overseer, FailingOverseer)
            if failing is not None:
                counts["overseer"] = failing.failures.numbers
        if engine.assistant_failures is not None:
            counts["assistant"] = engine.assistant_failures.counts.numbers
        return {name: numbers.copy() for name, numbers in counts.items()}

    @property
    def deception(self) -> dict[str, float]:
        """How often false answers were approved of lately, by tag.

        See :meth:`ia_gym.amplification.deception.DeceptionRecord.measure`. Empty unless the reward
        is "deception".
        """
        return {} if self.engine.deception is None else self.engine.deception.measure()

    @property
    def lookups(self) -> int:
        """Primitive questions that the overseer has answered so far."""
        return read_work(self.engine.overseer)["lookups"]

    @property
    def combinations(self) -> int:
        """Answers that the overseer has put together from sub-answers so far."""
        return read_work(self.engine.overseer)["combinations"]

    @property
    def verdicts(self) -> int:
        """Answers that the overseer has judged so far."""
        return read_work(self.engine.overseer)["verdicts"]

    @property
    def trusted(self) -> NDArray[np.bool_] | None:
        """Which classes of questions are trusted, ``(n_classes,)``; None without a trust gate."""
        return None if self.engine.gate is None else self.engine.gate.trusted.copy()

    # ------------------------------------------------ observations, infos and scenes

    def _observe(self) -> Observations:
        """The questions shown, encoded, in fresh arrays with one row per environment."""
        return self.encoding.encode(self.engine.contexts["facts"], self.engine.questions)

    def _make_info(self, outcome: Outcome | None = None) -> dict[str, NDArray[Any]]:
        """The info of the questions shown, one entry per environment."""
        engine = self.engine
        trusted = None
        if engine.gate is not None:
            trusted = np.empty((engine.n_envs, len(engine.gate.trusted)), bool)
            trusted[:] = engine.gate.trusted
        known = engine.truths.copy(), engine.depths.copy(), engine.classes.copy()
        info = make_question_info(*known, engine.is_root.copy(), engine.masks.copy(), trusted)
        if outcome is not None:
            info["is_success"] = outcome.successes
            if engine.overseer is not None:
                info["target"] = outcome.targets
                info["approval"] = outcome.approvals
        return info

    def _mask_answers(self) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(n_envs, n_answers)``."""
        if not self._ready:
            raise ResetNeeded("action_masks() needs a question to mask for: call reset() first")
        return self.engine.masks.astype(bool)

    def _make_scene(
        self, row: int, answer: int | None = None, verdict: Verdict | None = None
    ) -> Scene:
        """What there is to show of environment ``row``, after its answer or before."""
        engine = self.engine
        place = engine.slots.item(row), engine.cursor.item(row)
        judged = verdict is not None and engine.overseer is not None
        transcript = None
        if engine.overseer is not None:
            step, answered = engine.step.item(row), answer is not None
            transcript = engine.decomposition.get_transcript(place, step, answered)
        return Scene(
            domain=self.domain,
            context=engine.contexts[row],
            root=engine.roots[place],
            question=engine.questions[row],
            is_root=bool(engine.is_root[row]),
            transcript=transcript,
            can_earn=bool(engine.can_earn[place]),
            answer=answer,
            reward=None if verdict is None else verdict.reward,
            approval=verdict.approval if verdict is not None and judged else None,
            truth=int(engine.truths[row]),
        )


def make_question_info(
    truth: Any, depth: Any, cls: Any, is_root: Any, action_mask: Any, trusted: Any
) -> dict[str, Any]:
    """The info of a question, or of a batch of them; ``trusted`` is None without a gate."""
    info = {
        "truth": truth,
        "depth": depth,
        "class": cls,
        "is_root": is_root,
        "action_mask": action_mask,
    }
    if trusted is not None:
        info["trusted"] = trusted
    return info
