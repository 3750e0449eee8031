"""H' as it is taught: H is asked a little, and a model of H learns to stand in for it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.answer_learner import select_prefix
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.batches import Batch
from ia_gym.amplification.moving_averages import MovingAverages
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_number, check_range

FEWER = ((0.1, 1.0), (0.01, 0.3), (-1.0, 0.1))
"""H' wrong more often than the first number: the share of ``interaction_rate`` that is asked.

The paper falls to a hundredth, over 100 times as many steps. As X learns, H is told things that H'
has not seen: asked too little by then, H' goes on wrongly, and X with it.
"""
CATCH_UP = 4
"""Updates of H' in a step, as long as it is wrong more than one time in a hundred."""

EVEN = 0.1
"""Share of the mean surprise that every record counts besides its own, when H' is trained."""

PRIORITY = "priority"
"""Beside the records: how badly H' foretold each when it last saw it."""

PREDICTOR_RATE = 3e-3
"""Learning rate of H'; it stays, since there is always something new to learn from H."""


class HumanPredictorTrainer:
    """H', the human predictor, with the records it learns from.

    Half of the questions put to H are drawn at random, and tell how good H' is; the other half are
    those of the step on which H' was least sure of itself (uncertainty sampling, Lewis and Gale
    1994). H is asked the less the better H' foretells what H does: ``interaction_rate`` questions
    a step, three tenths of it once H' is wrong less than one time in ten, a tenth below one in a
    hundred.

    Args:
        human: H, whose counter goes up by each question put to it.
        rng: for what is asked, and for H's own choices.
        device: of H'.
        interaction_rate: questions put to H in a step, at first.
        batch_size: recorded interactions in an update of H'.
        max_grad_norm: gradients are clipped to this norm.
        **sizes: of H', see :class:`~ia_gym.networks.human_predictor.HumanPredictor`.

    Attributes:
        predictor: H' as it is trained.
        overseer: its Polyak average in the place of H.
        records: interactions with H, one a row, by the names of ``HumanPredictor.loss``'s
            arguments; and ``PRIORITY``.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(
        self,
        human: ScriptedOverseer,
        rng: np.random.Generator,
        device: torch.device,
        interaction_rate: float = 10.0,
        batch_size: int = 64,
        max_grad_norm: float = 1.0,
        **sizes: Any,
    ) -> None:
        self.human = human
        self.rng = rng
        self.interaction_rate = check_number("interaction_rate", interaction_rate, "(0, inf)")
        self.batch_size = check_range("batch_size", batch_size, 1, 10**6)
        self.max_grad_norm = max_grad_norm
        self.predictor = HumanPredictor(human.domain, **sizes).to(device)
        self.optimizer = MuonAdamW(self.predictor.parameters(), lr=PREDICTOR_RATE)
        # Its average asks: a slip in one of a dozen sub-questions spoils the answer.
        self.average = make_polyak_average(self.predictor, polyak_tau=1 / 30)
        average = cast("HumanPredictor", self.average.module)
        self.overseer = LearnedOverseer(human.domain, average)
        self.records: dict[str, NDArray[Any]] = {}
        self.wrong = MovingAverages(1, window=100)
        self.due = 0.0
        self.loss = 0.0

    @property
    def error(self) -> float:
        """How often H' foretold H wrongly of late; 1 until 100 questions have been put to H.

        Wrongly is an interaction in which one sub-question, or the answer, is not H's.
        """
        return float(self.wrong.means[0]) if self.wrong.is_full[0] else 1.0

    def learn(self, batch: Batch, assistant: Assistant) -> None:
        """Put a few questions of ``batch`` to H, and learn to do as H did.

        Args:
            batch: questions that H' has answered last.
            assistant: who answers H's sub-questions.
        """
        share = next(share for above, share in FEWER if self.error > above)
        self.due += self.interaction_rate * share
        pairs = int(self.due) // 2
        if pairs:
            self.due -= 2 * pairs
            at_random = self.rng.integers(batch.targets.size, size=pairs)
            doubtful = np.argsort(self.overseer.confidence, axis=None)[:pairs]
            self.ask_human(batch, assistant, at_random, measuring=True)
            self.ask_human(batch, assistant, doubtful, measuring=False)
            self.overseer.human_interactions = self.human.human_interactions
        if self.records:
            for _ in range(CATCH_UP if self.error > FEWER[1][0] else 1):
                self.train_on_records()

    def ask_human(
        self, batch: Batch, assistant: Assistant, chosen: NDArray[np.int64], measuring: bool
    ) -> None:
        """Put questions to H and record what H does.

        Args:
            batch: where the questions are from.
            assistant: who answers H's sub-questions.
            chosen: their places in it, counted through ``(B, Q)``.
            measuring: note whether H' would have done the same.
        """
        context, question = np.unravel_index(chosen, batch.targets.shape)
        contexts, questions = batch.contexts[context], batch.questions[context, question][:, None]
        transcript = amplify(self.human, assistant, self.rng, contexts, questions, judging=False)
        targets = self.human.answer(contexts, questions, transcript)
        rows = make_records(questions, transcript, targets)
        tensors = {name: self._tensor(row) for name, row in rows.items()}
        if measuring:
            same_questions, same_answer = self.overseer.predictor.match_predictions(**tensors)
            wrong = ~(same_questions.all(dim=1) & same_answer)
            self.wrong.record(np.zeros_like(chosen), wrong.cpu().numpy().astype(float))
        with torch.no_grad():
            rows[PRIORITY] = self.predictor.loss(**tensors).cpu().numpy()
        for name, new in rows.items():
            self.records[name] = np.concatenate([self.records.get(name, new[:0]), new])

    def train_on_records(self) -> None:
        """One gradient step of H' on recorded interactions, the more surprising ones above all.

        As X learns, H comes to do what it rarely did before; drawn evenly, these few records would
        hardly be learned from (prioritized replay, Schaul et al. 2016).
        """
        surprise = self.records[PRIORITY]
        shares = np.cumsum(surprise + EVEN * surprise.mean())
        chosen = np.searchsorted(shares, self.rng.random(self.batch_size) * shares[-1])
        parts = {
            name: self._tensor(rows[chosen])
            for name, rows in self.records.items()
            if name != PRIORITY
        }
        losses = self.predictor.loss(**parts)
        self.optimizer.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.predictor.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.average.update_parameters(self.predictor)
        surprise[chosen] = losses.detach().cpu().numpy()
        self.loss = losses.mean().item()

    def measure(self, held_out: QuestionEvaluator, assistant: Assistant) -> dict[str, float]:
        """How well H' does what H does.

        Returns:
            ``human/target_accuracy``: how often Amplify^H'(X) is right. On transcripts of H's,
            ``human/same_questions``: sub-questions that H' would have asked just so, and
            ``human/same_answers``: final answers that H' gives as H does.
        """
        contexts, questions = held_out.contexts, held_out.questions
        rng = np.random.default_rng(held_out.seed)
        average = self.overseer.predictor
        learned = LearnedOverseer(held_out.domain, average)
        transcript = amplify(learned, assistant, rng, contexts, questions, judging=False)
        targets = learned.answer(contexts, questions, transcript)
        human = ScriptedOverseer(held_out.domain)
        transcript = amplify(human, assistant, rng, contexts, questions, judging=False)
        answers = human.answer(contexts, questions, transcript)
        rows = make_records(questions, transcript, answers)
        same = average.match_predictions(**{name: self._tensor(row) for name, row in rows.items()})
        return {
            "human/target_accuracy": held_out.score(targets)["accuracy"],
            "human/same_questions": float(same[0].float().mean()),
            "human/same_answers": float(same[1].float().mean()),
        }

    def _tensor(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(rows, device=self.predictor.device)

    # ------------------------------------------------------------ save and load

    def tensors(self) -> dict[str, Tensor]:
        """All that :meth:`learn` has changed, a flat dict for a file of tensors."""
        arrays = {**self.records, **self.wrong.state_dict()}
        numbers = {"due": self.due, "loss": self.loss, "answered": self.overseer.assistant_answers}
        parts = {
            "predictor": self.predictor.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.tensors(),
            "human": {**arrays, **numbers},
        }
        return {
            f"{part}/{key}": torch.as_tensor(value)
            for part, values in parts.items()
            for key, value in values.items()
        }

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave."""
        self.predictor.load_state_dict(select_prefix(tensors, "predictor"))
        self.average.load_state_dict(select_prefix(tensors, "average"))
        self.optimizer.load_tensors(select_prefix(tensors, "optimizer"))
        human = {key: value.numpy() for key, value in select_prefix(tensors, "human").items()}
        self.due, self.loss = float(human.pop("due")), float(human.pop("loss"))
        self.overseer.assistant_answers = int(human.pop("answered"))
        self.wrong.load_state_dict({key: human.pop(key) for key in ("values", "counts")})
        self.records = human
        self.overseer.human_interactions = len(human.get("targets", ()))


def make_records(
    questions: Symbols, transcript: Transcript, targets: Symbols
) -> dict[str, NDArray[Any]]:
    """Interactions with H by the names of ``HumanPredictor.loss``'s arguments, one a row.

    Args:
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``.
        targets: ``(B, Q)``, H's answers.
    """
    slots, length = transcript.questions.shape[-2:]
    return {
        "questions": questions.reshape(-1, length),
        "asked": transcript.questions.reshape(-1, slots, length),
        "answers": transcript.answers.reshape(-1, slots),
        "targets": targets.ravel(),
    }
