"""The arguments of approval of actions: documented in one place, with their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from ia_gym.actions.overseer import INFORMATION, ActionOverseer, Value, get_environment_reward
from ia_gym.envs.actions.env_copies import Copier
from ia_gym.envs.arguments import RewardMode, refuse_without_effect


@dataclass(frozen=True, kw_only=True)
class ActionApprovalConfig:
    """Arguments of :class:`~ia_gym.envs.ActionApproval` and its vector.

    An argument that would have no effect beside the others is refused.

    Args:
        reward: "approval", or "truth" for the environment's own reward. The overseer then judges
            nothing by itself, but can be asked (an evaluation does).
        simulator: a function ``(env, rng)`` that returns a copy of an environment with its state;
            default ``copy.deepcopy``, or the emulator's saved states for Atari games.
        look_ahead: steps the overseer looks ahead in a "rollout", 0..10,000. 0 leaves it with the
            assistant's estimate alone; with 1 a rollout is the outcome only.
        n_copies: copies that are averaged for each question, 1..10,000.
        discount: factor by which a reward counts less with every step, in [0, 1].
        information: what the overseer can be shown, some of
            :data:`ia_gym.actions.overseer.INFORMATION`. Of several the assistant chooses one.
        n_usefulness_copies: copies by which the usefulness of an information is judged, 1..10,000.
        usefulness_rate: share of the questions, in [0, 1], after which it is judged.
        value: what the overseer values in outcomes, a function of
            :class:`~ia_gym.actions.overseer.Outcomes`; default the environment's own reward.

    Raises:
        ValueError: for a value that is not allowed; the message names it.
    """

    reward: RewardMode = "approval"
    simulator: Copier | None = None
    look_ahead: int = 4
    n_copies: int = 1
    discount: float = 0.99
    information: Sequence[str] = INFORMATION
    n_usefulness_copies: int = 4
    usefulness_rate: float = 0.1
    value: Value | None = None

    def __post_init__(self) -> None:
        if self.reward not in get_args(RewardMode):
            raise ValueError(
                f"reward must be one of {list(get_args(RewardMode))}, got {self.reward!r}"
            )
        if self.simulator is not None and not callable(self.simulator):
            raise ValueError(f"simulator must be a function (env, rng), got {self.simulator!r}")
        self.make_overseer()  # checks the others
        if "rollout" not in self.information:
            refuse_without_effect(self, ("look_ahead",), 'no "rollout" in information')
        if len(self.information) == 1:
            names = ("n_usefulness_copies", "usefulness_rate")
            refuse_without_effect(self, names, "one information, of which there is none to choose")
        if self.usefulness_rate == 0:
            refuse_without_effect(
                self, ("n_usefulness_copies",), "usefulness_rate=0, which judges none"
            )

    def make_overseer(self) -> ActionOverseer:
        """Make the overseer with these arguments."""
        return ActionOverseer(
            look_ahead=self.look_ahead,
            n_copies=self.n_copies,
            discount=self.discount,
            information=self.information,
            n_usefulness_copies=self.n_usefulness_copies,
            usefulness_rate=self.usefulness_rate,
            value=get_environment_reward if self.value is None else self.value,
        )
