"""Approval of actions: H's script for "how good is it to take action A in state S?".

The running example of the post on RL-based Iterated Amplification. Three questions are put to X:

- ``GoodAction(S)``: which action to take. X learns it by RL on H's approval, ``HowGood(S, A)``.
- ``HowGood(S, A)``: the discounted sum of all that H values from here on. X learns it by imitating
  H, who looks at what A leads to in a copy of the simulator, and asks X about what comes then.
- ``UsefulInformation(S, A)``: which of a few ways to look. X learns it by RL on
  ``HowUseful(S, A, I)``: how near H's answer comes, having looked so, to that of a fuller look.

Everything is over batches: B questions, M branches (copies of their states that H looks at).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ia_gym.validation import check_number, check_range

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Observations = NDArray[Any]

INFORMATION = ("ending", "outcome", "rollout")
"""What H can be shown of an action: whether it ends the episode; what it leads to at once; what
it leads to when X acts on from there for ``look_ahead`` steps in all."""


@dataclass(frozen=True)
class Outcomes:
    """What M branches led to, in one step each. A branch may split into several.

    Attributes:
        before: observations of the states acted in, ``(M, ...)``.
        actions: what was done there, ``(M,)``.
        rewards: the environment's own, ``(M,)``.
        observations: of the states reached, ``(M, ...)``.
        ended: whether the episode terminated there, ``(M,)``. Being cut short is no end.
        parent: the place among the branches that were acted in, ``(M,)``.
        weight: the share of its parent, ``(M,)``, in (0, 1]; they sum to 1 for each parent.
    """

    before: Observations
    actions: Ints
    rewards: Floats
    observations: Observations
    ended: NDArray[np.bool_]
    parent: Ints
    weight: Floats


class Simulator(Protocol):
    """Copies of the states that a batch of questions is about, to try actions in."""

    def copy(self, which: Ints) -> NDArray[Any]:
        """A branch ``(M,)`` for each of ``which``, places of questions in the batch.

        What happens in a branch is drawn afresh: a copy that shared the environment's randomness
        would let H foresee it.
        """
        ...

    def step(
        self, branches: NDArray[Any], observations: Observations, actions: Ints
    ) -> tuple[NDArray[Any], Outcomes]:
        """The branches after one action each, and what it led to."""
        ...


class ActionAssistant(Protocol):
    """X: whoever answers the questions that H asks."""

    def good_action(self, observations: Observations) -> Ints:
        """``GoodAction(S)``: an action ``(M,)`` for each observation ``(M, ...)``."""
        ...

    def how_good(self, observations: Observations, actions: Ints) -> Floats:
        """``HowGood(S, A)``: a value ``(M,)`` for each observation and action."""
        ...

    def useful_information(self, observations: Observations, actions: Ints) -> Ints:
        """``UsefulInformation(S, A)``: a place ``(M,)`` in what the overseer can be shown."""
        ...


Value = Callable[[Outcomes], Floats]
"""What H values in immediate outcomes."""


def get_environment_reward(outcomes: Outcomes) -> Floats:
    """The environment's own reward: what H values unless told otherwise."""
    return outcomes.rewards


@dataclass(frozen=True)
class Judgements:
    """H's answers to B questions ``HowGood(S, A)``, with what they rest on.

    Attributes:
        approvals: the answers, ``(B,)``.
        information: places in the overseer's ``information`` that H was shown, ``(B,)``.
        observed: the part of the approval that H saw itself; the rest is X's word, ``(B,)``.
        usefulness: ``HowUseful`` in (0, 1], ``(B,)``; NaN where H was not asked.
    """

    approvals: Floats
    information: Ints
    observed: Floats
    usefulness: Floats


class ActionOverseer:
    """H, who judges actions by their consequences, with X's help.

    Without an assistant H sees what an action leads to at once, and nothing counts after that.

    Args:
        look_ahead: steps H looks ahead in a "rollout": how often it is amplified. 0 leaves it with
            X's word alone, 1 makes a rollout show the outcome only.
        n_copies: copies H looks at for each question, which are averaged.
        discount: what is worth this much less a step later, in [0, 1].
        information: what H can be shown, some of :data:`INFORMATION`; of several, X says which.
        n_usefulness_copies: copies H looks at to say how useful an information was.
        usefulness_rate: share of the questions after which H says so.
        value: what H values in an outcome; default :func:`get_environment_reward`.

    Attributes:
        human_interactions: questions put to H so far.
        assistant_answers: questions that X answered for H so far.
        simulated_steps: steps taken in copies so far.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        look_ahead: int = 4,
        n_copies: int = 1,
        discount: float = 0.99,
        information: Sequence[str] = INFORMATION,
        n_usefulness_copies: int = 4,
        usefulness_rate: float = 0.1,
        value: Value = get_environment_reward,
    ) -> None:
        self.look_ahead = check_range("look_ahead", look_ahead, 0, 10_000)
        self.n_copies = check_range("n_copies", n_copies, 1, 10_000)
        self.discount = check_number("discount", discount, "[0, 1]")
        known = isinstance(information, Sequence) and not isinstance(information, str)
        if not known or not information or not set(information) <= set(INFORMATION):
            raise ValueError(f"information must be some of {INFORMATION}, got {information!r}")
        self.information = tuple(dict.fromkeys(information))
        self.n_usefulness_copies = check_range(
            "n_usefulness_copies", n_usefulness_copies, 1, 10_000
        )
        self.usefulness_rate = check_number("usefulness_rate", usefulness_rate, "[0, 1]")
        if not callable(value):
            raise ValueError(f"value must be a function of outcomes, got {value!r}")
        self.value = value
        self.human_interactions = 0
        self.assistant_answers = 0
        self.simulated_steps = 0

    def judge(
        self,
        simulator: Simulator,
        observations: Observations,
        actions: Ints,
        assistant: ActionAssistant | None,
        rng: np.random.Generator,
    ) -> Judgements:
        """Approval of ``actions (B,)`` in the states seen as ``observations (B, ...)``."""
        n = len(actions)
        self.human_interactions += n
        information = np.zeros(n, np.int64)
        usefulness = np.full(n, np.nan)
        several = assistant is not None and len(self.information) > 1
        if assistant is not None and several:
            information = np.asarray(assistant.useful_information(observations, actions))
            self.assistant_answers += n
        args = simulator, observations, actions, assistant
        approvals, observed = self.how_good(*args, information, self.n_copies)
        if several:
            asked = np.flatnonzero(rng.random(n) < self.usefulness_rate)
            usefulness[asked] = self.how_useful(*args, approvals, asked)
        return Judgements(approvals, information, observed, usefulness)

    def how_good(
        self,
        simulator: Simulator,
        observations: Observations,
        actions: Ints,
        assistant: ActionAssistant | None,
        information: Ints,
        n_copies: int,
        which: Ints | None = None,
    ) -> tuple[Floats, Floats]:
        """H's script for ``HowGood(S, A)``: look, then ask X about what comes after.

        Args:
            simulator: copies of the states.
            observations: of the states, ``(B, ...)``.
            actions: ``(B,)``.
            assistant: X; None for H alone.
            information: places in :attr:`information` H is shown, ``(B,)``.
            n_copies: copies to look at, which are averaged.
            which: places of the questions H is asked, default all; others are answered 0.

        Returns:
            H's answers ``(B,)``, and the part of them that H saw itself ``(B,)``.
        """
        answers, observed = np.zeros(len(actions)), np.zeros(len(actions))
        which = np.arange(len(actions)) if which is None else which
        names = np.array(self.information)[information]
        steps = np.where(names == "rollout", self.look_ahead, 1)
        if assistant is None:
            steps[:] = 1
        else:
            own_word = which[steps[which] == 0]
            answers[own_word] = self._ask(assistant, observations[own_word], actions[own_word])
            which = which[steps[which] > 0]
        owner = np.repeat(which, n_copies)
        branches, weight = simulator.copy(owner), np.full(len(owner), 1 / n_copies)
        now, acting = observations[owner], actions[owner]
        taken = 0
        while len(owner):
            branches, outcomes = simulator.step(branches, now, acting)
            taken += 1
            self.simulated_steps += len(outcomes.actions)
            owner = owner[outcomes.parent]
            weight = weight[outcomes.parent] * outcomes.weight
            now, ended = outcomes.observations, outcomes.ended
            looked = (names[owner] != "ending") | ended | (assistant is None)
            np.add.at(observed, owner[looked], (weight * self.value(outcomes))[looked])
            if assistant is None:
                break
            # Shown only that the episode goes on, H has X's word on the action itself.
            blind = ~looked
            place = owner[blind]
            word = self._ask(assistant, observations[place], actions[place])
            np.add.at(answers, place, weight[blind] * word)
            weight = weight * self.discount
            going = ~ended & looked
            branches, owner, weight, now = branches[going], owner[going], weight[going], now[going]
            if not len(owner):
                break
            acting = np.asarray(assistant.good_action(now))
            self.assistant_answers += len(acting)
            done = steps[owner] == taken
            word = self._ask(assistant, now[done], acting[done])
            np.add.at(answers, owner[done], weight[done] * word)
            branches, owner, weight = branches[~done], owner[~done], weight[~done]
            now, acting = now[~done], acting[~done]
        return answers + observed, observed

    def how_useful(
        self,
        simulator: Simulator,
        observations: Observations,
        actions: Ints,
        assistant: ActionAssistant | None,
        approvals: Floats,
        which: Ints,
    ) -> Floats:
        """``HowUseful(S, A, I)`` for some questions: 2 to the minus how far H was off.

        H looks again, at more copies and as far ahead as it can, and compares.

        Args:
            simulator: as in :meth:`how_good`, like the next three.
            observations: of the states.
            actions: judged.
            assistant: X.
            approvals: what H answered, having been shown the information, ``(B,)``.
            which: places of the questions to say it of, ``(b,)``.

        Returns:
            ``(b,)`` in (0, 1].
        """
        fullest = "rollout" if "rollout" in self.information else self.information[-1]
        shown = np.full(len(actions), self.information.index(fullest))
        fuller, _ = self.how_good(
            simulator, observations, actions, assistant, shown, self.n_usefulness_copies, which
        )
        useful: Floats = 2.0 ** -np.abs(approvals[which] - fuller[which])
        return useful

    def _ask(self, assistant: ActionAssistant, observations: Observations, actions: Ints) -> Floats:
        """X's word on ``HowGood``, ``(M,)``."""
        self.assistant_answers += len(actions)
        if not len(actions):
            return np.zeros(0)
        return np.asarray(assistant.how_good(observations, actions), np.float64)
