"""What the single and the vector question environment share: arguments, spaces, infos, the assistant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains.transcript import Symbols
from ia_gym.envs.questions.engine import Engine, Outcome, make_engine
from ia_gym.envs.questions.rendering import Scene
from ia_gym.envs.questions.spaces import make_spaces
from ia_gym.validation import check_range

Observation = dict[str, NDArray[np.int64]]


class QuestionInterface:
    """What both faces share: arguments, spaces, observations, infos, the assistant."""

    engine: Engine
    render_mode: str | None

    metadata: dict[str, Any]

    def _build(self, n_envs: int, render_mode: str | None, options: dict[str, Any]) -> None:
        allowed = (None, *self.metadata["render_modes"])
        if render_mode not in allowed:
            raise ValueError(f"render_mode must be one of {list(allowed)}, got {render_mode!r}")
        self.render_mode = render_mode
        self.engine = make_engine(n_envs, **options)
        self.domain = self.engine.domain
        self._ready = False  # whether there has been a reset

    def _single_spaces(self) -> tuple[Any, Any]:
        domain = self.domain
        return make_spaces(
            domain.n_symbols, *domain.fact_shape, domain.question_length, domain.n_answers
        )

    # ------------------------------------------------------- what a run may change

    def set_assistant(self, assistant: Assistant | None) -> None:
        """Attach an assistant that answers H's sub-questions, or go back to inline for None.

        Sub-questions the agent has already been shown are still its own to answer.
        """
        if assistant is not None and not callable(getattr(assistant, "answer", None)):
            raise ValueError(
                "assistant must be None or have a method answer(contexts, questions), "
                f"got {assistant!r}"
            )
        self.engine.assistant = assistant

    def set_overseer(self, overseer: Overseer) -> None:
        """Let another overseer take the questions apart and judge, from the next question on.

        Its own counters count. Questions that were taken apart already are judged by what came of
        it.

        Raises:
            ValueError: if it cannot do what overseers do, or is for another domain, or the
                environment has none since it rewards the truth.
        """
        missing = [name for name in ("ask", "answer", "judge") if not hasattr(overseer, name)]
        if missing:
            raise ValueError(f"overseer must have methods ask, answer and judge, lacks {missing}")
        if self.engine.overseer is None:
            raise ValueError('overseer can only be set in an environment of reward="approval"')
        if overseer.domain.n_symbols != self.domain.n_symbols:
            raise ValueError(
                f"overseer must be for {self.domain!r}, got one for {overseer.domain!r}"
            )
        self.engine.overseer = overseer

    def set_difficulty(self, max_depth: int | None = None, size: int | None = None) -> None:
        """Ask questions up to ``max_depth`` about contexts of ``size`` names, from now on.

        None stands for the domain's own. Contexts already drawn are used up first.

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
    def human_interactions(self) -> int:
        """Questions put to H so far, one for each root question it took apart."""
        return self.engine.overseer.human_interactions if self.engine.overseer else 0

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered for H so far, by the agent or by an attached assistant."""
        return self.engine.overseer.assistant_answers if self.engine.overseer else 0

    @property
    def trusted(self) -> NDArray[np.bool_] | None:
        """Which classes of questions H trusts, ``(n_classes,)``; None without a trust gate."""
        return None if self.engine.gate is None else self.engine.gate.trusted.copy()

    # ---------------------------------------------------- observations and infos

    def _observe(self) -> Observation:
        engine = self.engine
        facts = engine.contexts["facts"].copy().reshape(engine.n_envs, -1)
        return {"facts": facts, "question": engine.questions.copy()}

    def _info(self, outcome: Outcome | None = None) -> dict[str, NDArray[Any]]:
        """The info of the questions shown, one entry an environment."""
        engine = self.engine
        info: dict[str, NDArray[Any]] = {
            "truth": engine.truths.copy(),
            "depth": engine.depths.copy(),
            "class": engine.classes.copy(),
            "is_root": engine.is_root.copy(),
            "action_mask": engine.domain.answer_mask(engine.questions),
        }
        trusted = self.trusted
        if trusted is not None:
            info["trusted"] = np.repeat(trusted[None], engine.n_envs, axis=0)
        if outcome is not None and engine.overseer is not None:
            info["target"] = outcome.targets
            info["approval"] = outcome.approvals
        return info

    def _check_actions(self, actions: Any, shape: tuple[int, ...]) -> Symbols:
        array = np.asarray(actions)
        if array.shape != shape or array.dtype.kind not in "iu":
            raise ValueError(
                f"action must be of whole numbers and shape {shape}, got {actions!r} "
                f"({array.dtype}, shape {array.shape})"
            )
        if array.size and (array.min() < 0 or array.max() >= self.domain.n_answers):
            raise ValueError(f"action must be in 0..{self.domain.n_answers - 1}, got {actions!r}")
        return array.astype(np.int64)

    def _scene(self, row: int, answer: int | None = None, approval: float | None = None) -> Scene:
        engine = self.engine
        place = row, engine.cursor[row]
        root = bool(engine.is_root[row])
        return Scene(
            domain=self.domain,
            context=engine.contexts[row],
            root=engine.roots[place],
            question=engine.questions[row],
            is_root=root,
            transcript=engine.transcripts[place] if engine.overseer is not None else None,
            can_earn=bool(engine.can_earn[place]),
            answer=answer,
            approval=approval,
            truth=int(engine.truths[row]),
        )
