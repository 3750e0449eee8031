"""The training of a reward model from the overseer's judgements."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.domains import Domain
from ia_gym.domains.renaming import draw_renamings, rename
from ia_gym.domains.transcript import Symbols
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.networks.reward_model import RewardModel, compute_judgement_loss, compute_margins

HELD_OUT = 8
"""Of so many contexts judged, the judgements of one are never trained on."""
LEARNING_RATE = 3e-3
"""Of the reward model; constant, since new judgements come with each level."""
POLYAK_TAU = 1 / 30
"""Of the reward model's average, which gives the rewards."""


class Judgements(NamedTuple):
    """What the overseer said of answers, or of pairs of answers.

    Attributes:
        facts: int64 ``(B, F, L)``.
        questions: int64 ``(B, Q, Lq)``.
        first: int64 ``(B, Q, K)``, answers.
        second: int64 ``(B, Q, K)``, those they were compared with; ``IDK`` for mere approval.
        verdicts: float32 ``(B, Q, K)`` in [0, 1]: approval of the first answer; or 1 if it was
            preferred, 0 if the second was, 1/2 if neither.
        counted: bool ``(B, Q, K)``: which of them are judgements, and not padding.
    """

    facts: Symbols
    questions: Symbols
    first: Symbols
    second: Symbols
    verdicts: NDArray[np.float32]
    counted: NDArray[np.bool_]

    def select(self, rows: NDArray[Any]) -> Judgements:
        """The judgements about the contexts at ``rows``, an index by NumPy's rules."""
        parts: Any = (part[rows] for part in self)
        return Judgements(*parts)


class RewardModelTrainer:
    """Trains a reward model on recorded judgements, and holds some of them out.

    Args:
        network: the reward model's; see :class:`~ia_gym.networks.reward_model.RewardModel`.
        domain: the domain of the questions.
        rng: random numbers for the choice of judgements.
        batch_size: contexts in an update.
        rename: show each context with the interchangeable symbols of the domain exchanged at
            random, anew in every update.
        max_grad_norm: gradients are clipped to this norm.

    Attributes:
        model: the reward model that is trained.
        judgements: recorded since the last :meth:`forget`; None if there are none.
        loss: of the last update.
    """

    def __init__(
        self,
        network: ContextNetwork,
        domain: Domain,
        rng: np.random.Generator,
        batch_size: int,
        rename: bool,
        max_grad_norm: float,
    ) -> None:
        self.domain, self.rng = domain, rng
        self.batch_size, self.rename, self.max_grad_norm = batch_size, rename, max_grad_norm
        self.model = RewardModel(network)
        self.average = make_polyak_average(self.model, POLYAK_TAU)
        self.optimizer = MuonAdamW(self.model.parameters(), lr=LEARNING_RATE)
        self.judgements: Judgements | None = None
        self.loss = 0.0

    def record(self, new: Judgements) -> None:
        """Add judgements to those that are trained on, and those held out."""
        if self.judgements is not None:
            parts: Any = zip(self.judgements, new, strict=True)
            new = Judgements(*map(np.concatenate, parts))
        self.judgements = new

    def forget(self) -> None:
        """Drop all judgements: whoever helped the overseer with them has been replaced."""
        self.judgements = None

    def train(self) -> None:
        """One gradient step on judgements drawn at random; none while there are none."""
        if self.judgements is None:
            return
        places = np.flatnonzero(~self._held_out())
        if not len(places):
            return
        drawn = self.rng.choice(places, size=self.batch_size)
        batch = self.judgements.select(drawn)
        if self.rename:
            names = draw_renamings(self.domain, self.rng, self.batch_size)
            batch = batch._replace(
                facts=rename(names, batch.facts),
                questions=rename(names, batch.questions),
                first=rename(names, batch.first),
                second=rename(names, batch.second),
            )
        margins, verdicts, counted = self._compute_margins(self.model, batch)
        loss = compute_judgement_loss(margins, verdicts, counted)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.loss = loss.item()

    @torch.no_grad()
    def measure_agreement(self) -> float:
        """How often the reward model is on the overseer's side in the judgements held out.

        It is the mean over those with a verdict above 1/2 and those with one below it, however many
        there are of each: a model that approves of nothing gets 1/2. 0 if one of them is missing.
        """
        if self.judgements is None:
            return 0.0
        held = self._held_out()
        batch = self.judgements.select(held)
        if not len(batch.facts):
            return 0.0
        margins, verdicts, counted = self._compute_margins(self.average, batch)
        shares = []
        for right, side in ((margins > 0, verdicts > 0.5), (margins < 0, verdicts < 0.5)):
            n = int((side & counted).sum())
            if n == 0:
                return 0.0
            shares.append(int((right & side & counted).sum()) / n)
        return sum(shares) / len(shares)

    @torch.no_grad()
    def compute_scores(self, facts: Symbols, questions: Symbols) -> Tensor:
        """Scores ``(B, Q, n_answers)`` by the averaged model, without gradients.

        Args:
            facts: ``(B, F, L)``.
            questions: ``(B, Q, Lq)``.
        """
        scores: Tensor = self.average(self._to_tensor(facts), self._to_tensor(questions))
        return scores

    def _held_out(self) -> NDArray[np.bool_]:
        """Which contexts are held out, ``(B,)``."""
        assert self.judgements is not None
        held: NDArray[np.bool_] = np.arange(len(self.judgements.facts)) % HELD_OUT == HELD_OUT - 1
        return held

    def _compute_margins(
        self, model: torch.nn.Module, batch: Judgements
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Margins of the judgements in a batch, the verdicts, and which of them count."""
        facts, questions, first, second, verdicts, counted = map(self._to_tensor, batch)
        return compute_margins(model(facts, questions), first, second), verdicts, counted

    def _to_tensor(self, array: Any) -> Tensor:
        return torch.as_tensor(array, device=self.model.device)

    # ------------------------------------------------------------ save and load

    def tensors(self) -> dict[str, Tensor]:
        """All that training has changed, as a flat dict for a file of tensors."""
        found = {
            **add_prefix(self.model.state_dict(), "model"),
            **add_prefix(self.average.state_dict(), "average"),
            **add_prefix(self.optimizer.tensors(), "optimizer"),
            "loss": torch.tensor(self.loss, dtype=torch.float64),
        }
        if self.judgements is not None:
            arrays = self.judgements._asdict().items()
            rows = {name: torch.as_tensor(array) for name, array in arrays}
            found |= add_prefix(rows, "judgements")
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave."""
        self.model.load_state_dict(select_prefix(tensors, "model"))
        self.average.load_state_dict(select_prefix(tensors, "average"))
        self.optimizer.load_tensors(select_prefix(tensors, "optimizer"))
        self.loss = float(tensors["loss"])
        saved = select_prefix(tensors, "judgements")
        self.judgements = None
        if saved:
            arrays = (saved[name].numpy() for name in Judgements._fields)
            self.judgements = Judgements(*arrays)
