"""Approval of actions: the overseer's script for "how good is it to take action A in state S?".

It follows the running example of the post on RL-based Iterated Amplification. The overseer asks an
assistant three kinds of questions:

- ``GoodAction(S)``: which action to take. The assistant learns it by RL on the overseer's approval,
  ``HowGood(S, A)``.
- ``HowGood(S, A)``: the discounted sum of what the overseer values from here on. The assistant
  learns it by imitating the overseer, which tries A in a copy of the simulator and asks the
  assistant about what comes after.
- ``UsefulInformation(S, A)``: what to show the overseer of the consequences. The assistant learns
  it by RL on ``HowUseful(S, A, I)``: how close the overseer's answer, given the information I, is
  to its answer from more information.

Everything works on batches: B questions, and M branches (copies of their states).
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
"""What the overseer can be shown of an action: whether it ends the episode; its immediate outcome;
a rollout of ``look_ahead`` steps in which the assistant chooses the actions after the first."""


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of one step in each branch. A branch may split into several.

    Attributes:
        before: observations of the states before the step, ``(M, ...)``.
        actions: the actions taken, ``(M,)``.
        rewards: the environment's rewards, ``(M,)``.
        observations: of the states reached, ``(M, ...)``.
        ended: bool ``(M,)``, whether the episode terminated there; truncation does not count.
        parent: ``(M,)``, index of the branch that each outcome comes from.
        weight: ``(M,)`` in (0, 1], its probability within that branch.
    """

    before: Observations
    actions: Ints
    rewards: Floats
    observations: Observations
    ended: NDArray[np.bool_]
    parent: Ints
    weight: Floats


class Simulator(Protocol):
    """Copies of the states that a batch of questions is about, in which actions are tried."""

    def copy(self, which: Ints) -> NDArray[Any]:
        """Make a branch for each of ``which (M,)``, indices of questions in the batch.

        A branch draws fresh randomness: a copy with the environment's own would let the overseer
        foresee what is random.
        """
        ...

    def step(
        self, branches: NDArray[Any], observations: Observations, actions: Ints
    ) -> tuple[NDArray[Any], Outcomes]:
        """Take one action in each branch.

        Args:
            branches: ``(M,)``, as :meth:`copy` or an earlier step gave them.
            observations: of their states, ``(M, ...)``.
            actions: int64 ``(M,)``.

        Returns:
            The branches after the step, and the outcomes; one of each where a branch does not
            split.
        """
        ...


class ActionAssistant(Protocol):
    """Answers the questions that the overseer asks."""

    def good_action(self, observations: Observations) -> Ints:
        """``GoodAction(S)``: an action ``(M,)`` for each observation ``(M, ...)``."""
        ...

    def how_good(self, observations: Observations, actions: Ints) -> Floats:
        """``HowGood(S, A)``: a value ``(M,)`` for each observation and action."""
        ...

    def useful_information(self, observations: Observations, actions: Ints) -> Ints:
        """``UsefulInformation(S, A)``: an index ``(M,)`` into what the overseer can be shown."""
        ...


Value = Callable[[Outcomes], Floats]
"""What the overseer values in each outcome, ``(M,)``."""


def get_environment_reward(outcomes: Outcomes) -> Floats:
    """The environment's own reward: what the overseer values by default."""
    return outcomes.rewards


@dataclass(frozen=True)
class Judgements:
    """The overseer's answers to B questions ``HowGood(S, A)``.

    Attributes:
        approvals: the answers, ``(B,)``.
        information: indices into the overseer's ``information``: what it was shown, ``(B,)``.
        observed: the part of each approval that the overseer observed in the simulator; the rest
            is the assistant's estimate, ``(B,)``.
        usefulness: ``HowUseful`` in (0, 1], ``(B,)``; NaN where it was not asked for.
    """

    approvals: Floats
    information: Ints
    observed: Floats
    usefulness: Floats


class ActionOverseer:
    """Judges actions by their consequences, with an assistant's help.

    Without an assistant it judges the immediate outcome alone.

    Args:
        look_ahead: steps of a "rollout", at least 0: the levels of amplification. With 0 the
            overseer repeats the assistant's estimate; with 1 a rollout shows the outcome only.
        n_copies: copies of the state that are tried for each question and averaged, at least 1.
        discount: factor on what comes a step later, in [0, 1].
        information: what the overseer can be shown, some of :data:`INFORMATION`. If there are
            several, the assistant chooses.
        n_usefulness_copies: copies that are tried to tell how useful an information was, at
            least 1.
        usefulness_rate: share of the questions for which this is done, in [0, 1].
        value: what the overseer values in an outcome; default :func:`get_environment_reward`.

    Attributes:
        human_interactions: queries to the overseer so far.
        assistant_answers: questions that an assistant has answered so far.
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
        """Judge actions.

        Args:
            simulator: copies of the states.
            observations: of the states, ``(B, ...)``.
            actions: ``(B,)``.
            assistant: answers the overseer's questions; None for the overseer alone.
            rng: for the choice of questions whose information is judged too.
        """
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
        """The script for ``HowGood(S, A)``: try, then ask the assistant about what comes after.

        Args:
            simulator: copies of the states.
            observations: of the states, ``(B, ...)``.
            actions: ``(B,)``.
            assistant: answers the overseer's questions; None for the overseer alone.
            information: indices into :attr:`information`: what is shown, ``(B,)``.
            n_copies: copies to try, which are averaged.
            which: indices of the questions to answer, default all; the answer to others is 0.

        Returns:
            Answers ``(B,)``, and the part of them that was observed in the simulator ``(B,)``.
        """
        answers, observed = np.zeros(len(actions)), np.zeros(len(actions))
        which = np.arange(len(actions)) if which is None else which
        names = np.array(self.information)[information]
        steps = np.where(names == "rollout", self.look_ahead, 1)
        if assistant is None:
            steps[:] = 1
        else:
            blind = which[steps[which] == 0]
            answers[blind] = self._ask(assistant, observations[blind], actions[blind])
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
            # Shown only that the episode continues, the overseer relies on the assistant.
            blind = ~looked
            place = owner[blind]
            estimates = self._ask(assistant, observations[place], actions[place])
            np.add.at(answers, place, weight[blind] * estimates)
            weight = weight * self.discount
            going = ~ended & looked
            branches, owner, weight, now = branches[going], owner[going], weight[going], now[going]
            if not len(owner):
                break
            acting = np.asarray(assistant.good_action(now))
            self.assistant_answers += len(acting)
            done = steps[owner] == taken
            estimates = self._ask(assistant, now[done], acting[done])
            np.add.at(answers, owner[done], weight[done] * estimates)
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
        """``HowUseful(S, A, I)`` for some questions: 2^-|difference| to a better-informed answer.

        That answer comes from more copies and the longest look ahead.

        Args:
            simulator: see :meth:`how_good`, as for the next three.
            observations: see there.
            actions: see there.
            assistant: see there.
            approvals: the answers given the information, ``(B,)``.
            which: indices of the questions, ``(b,)``.

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
        """The assistant's estimates of ``HowGood``: ``(M,)``."""
        self.assistant_answers += len(actions)
        if not len(actions):
            return np.zeros(0)
        return np.asarray(assistant.how_good(observations, actions), np.float64)
