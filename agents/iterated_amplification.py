"""Iterated Amplification whole: H is asked little, and a model of H does the rest."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ia_gym.agents.evaluation import HeldOut
from ia_gym.agents.learner import AnswerLearner, under
from ia_gym.amplification import Batch, amplify, sample_batch
from ia_gym.assistants import polyak_average
from ia_gym.human_predictor import HumanPredictor, LearnedOverseer
from ia_gym.optimizers import MuonAdamW
from ia_gym.overseers import ScriptedOverseer
from ia_gym.tasks.domain import check_range
from ia_gym.transcript import Symbols, Transcript
from ia_gym.trust import MovingAverages

FEWER = ((0.1, 1.0), (0.01, 0.3), (-1.0, 0.1))
"""H' wrong more often than the first number: the share of ``interaction_rate`` that is asked.

The paper falls to a hundredth, over 100 times as many steps. As X learns, H is told things that H'
has not seen: asked too little by then, H' goes on wrongly, and X with it.
"""
CATCH_UP = 4
"""Updates of H' in a step, as long as it is wrong more than one time in a hundred."""

EVEN = 0.1
"""Share of the mean surprise that every record counts besides its own, when H' is trained."""

SURPRISE = "surprise"
"""Beside the records: how badly H' foretold each when it last saw it."""

PREDICTOR_RATE = 3e-3
"""Learning rate of H'; it stays, since there is always something new to learn from H."""


class IteratedAmplification(AnswerLearner):
    """The loop of Christiano et al. (2018), its four parts in every step.

    1. H answers a few questions with the help of X's slow copy; what H did is recorded.
    2. H', the human predictor, learns from the records to do as H did.
    3. Questions are answered with Amplify^H'(X's slow copy).
    4. X learns to give these answers.

    Half of the questions put to H are drawn at random, and tell how good H' is; the other half are
    those of the step on which H' was least sure of itself (uncertainty sampling, Lewis and Gale
    1994). H is asked the less the better H' foretells what H does: ``interaction_rate`` questions
    a step, three tenths of it once H' is wrong less than one time in ten, a tenth below one in a
    hundred. ``human_interactions`` counts the questions put to H. No truth is involved.

    Args:
        policy: see :class:`~ia_gym.agents.learner.AnswerLearner`, as for all that follow but these.
        env: see there.
        interaction_rate: questions put to H in a step, at first.
        predictor_batch: recorded interactions in an update of H'.
        predictor_kwargs: sizes of H', see :class:`~ia_gym.human_predictor.HumanPredictor`.
        **kwargs: see there.

    Attributes:
        predictor: H' as it is trained; its Polyak average stands in for H.
    """

    def __init__(
        self,
        policy: Any = "MultiInputPolicy",
        env: Any = None,
        interaction_rate: float = 10.0,
        predictor_batch: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not interaction_rate > 0:
            raise ValueError(f"interaction_rate must be above 0, got {interaction_rate}")
        self.interaction_rate = float(interaction_rate)
        self.predictor_batch = check_range("predictor_batch", predictor_batch, 1, 10**6)
        self.predictor_kwargs = predictor_kwargs or {}
        super().__init__(policy, env, **kwargs)

    def _read_domain(self) -> None:
        super()._read_domain()
        self.predictor = HumanPredictor(self.domain, **self.predictor_kwargs).to(self.device)
        self.predictor_optimizer = MuonAdamW(self.predictor.parameters(), lr=PREDICTOR_RATE)
        # Its average asks: a slip in one of a dozen sub-questions spoils the answer.
        self.predictor_average = polyak_average(self.predictor, horizon=30)
        average = cast("HumanPredictor", self.predictor_average.module)
        self.learned = LearnedOverseer(self.domain, average)
        self.records: dict[str, NDArray[Any]] = {}
        self.wrong = MovingAverages(1, window=100)
        self.due = 0.0

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered by X, for H and for H'."""
        return self.overseer.assistant_answers + self.learned.assistant_answers

    @property
    def error(self) -> float:
        """How often H' foretold H wrongly of late; 1 until 100 questions have been put to H.

        Wrongly is an interaction in which one sub-question, or the answer, is not H's.
        """
        return float(self.wrong.means[0]) if self.wrong.full[0] else 1.0

    def train_step(self) -> None:
        """Teach X what Amplify^H'(X) answers, ask H a little, and learn to do as H does."""
        sizes = self.n_contexts, self.n_questions
        at = self.difficulty()
        batch = sample_batch(self.learned, self.assistant, self.rng, *sizes, **at)
        self.fit(batch.contexts, batch.questions, batch.targets)
        share = next(share for above, share in FEWER if self.error > above)
        self.due += self.interaction_rate * share
        pairs = int(self.due) // 2
        if pairs:
            self.due -= 2 * pairs
            at_random = self.rng.integers(batch.targets.size, size=pairs)
            doubtful = np.argsort(self.learned.confidence, axis=None)[:pairs]
            self.ask_human(batch, at_random, telling=True)
            self.ask_human(batch, doubtful, telling=False)
        if self.records:
            for _ in range(CATCH_UP if self.error > FEWER[1][0] else 1):
                self.fit_predictor()
        self.logger.record("human/error", self.error)

    def ask_human(self, batch: Batch, chosen: NDArray[np.int64], telling: bool) -> None:
        """Put questions to H and record what H does.

        Args:
            batch: where the questions are from.
            chosen: their places in it, counted through ``(B, Q)``.
            telling: note whether H' would have done the same.
        """
        context, question = np.unravel_index(chosen, batch.targets.shape)
        contexts, questions = batch.contexts[context], batch.questions[context, question][:, None]
        parts = self.overseer, self.assistant, self.rng, contexts, questions
        transcript = amplify(*parts, judging=False)
        targets = self.overseer.answer(contexts, questions, transcript)
        rows = record(questions, transcript, targets)
        tensors = {name: self._tensor(row) for name, row in rows.items()}
        if telling:
            same_questions, same_answer = self.learned.predictor.foretold(**tensors)
            wrong = ~(same_questions.all(dim=1) & same_answer)
            self.wrong.record(np.zeros_like(chosen), wrong.cpu().numpy().astype(float))
        with torch.no_grad():
            rows[SURPRISE] = self.predictor.loss(**tensors).cpu().numpy()
        for name, new in rows.items():
            self.records[name] = np.concatenate([self.records.get(name, new[:0]), new])

    def fit_predictor(self) -> None:
        """One gradient step of H' on recorded interactions, the more surprising ones above all.

        As X learns, H comes to do what it rarely did before; drawn evenly, these few records would
        hardly be learned from (prioritized replay, Schaul et al. 2016).
        """
        surprise = self.records[SURPRISE]
        shares = np.cumsum(surprise + EVEN * surprise.mean())
        chosen = np.searchsorted(shares, self.rng.random(self.predictor_batch) * shares[-1])
        parts = {
            name: self._tensor(rows[chosen])
            for name, rows in self.records.items()
            if name != SURPRISE
        }
        losses = self.predictor.loss(**parts)
        self.predictor_optimizer.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.predictor.parameters(), self.max_grad_norm)
        self.predictor_optimizer.step()
        self.predictor_average.update_parameters(self.predictor)
        surprise[chosen] = losses.detach().cpu().numpy()
        self.logger.record("human/loss", losses.mean().item())

    def measure(self, held_out: HeldOut) -> dict[str, float]:
        """See the base class; besides, how well H' does what H does.

        Returns:
            ``human/target_accuracy``: how often Amplify^H'(X) is right. On transcripts of H's,
            ``human/same_questions``: sub-questions that H' would have asked just so, and
            ``human/same_answers``: final answers that H' gives as H does.
        """
        contexts, questions = held_out.contexts, held_out.questions
        rng = np.random.default_rng(held_out.seed)
        average = self.learned.predictor
        learned = LearnedOverseer(self.domain, average)
        transcript = amplify(learned, self.assistant, rng, contexts, questions, judging=False)
        targets = learned.answer(contexts, questions, transcript)
        human = ScriptedOverseer(self.domain)
        transcript = amplify(human, self.assistant, rng, contexts, questions, judging=False)
        answers = human.answer(contexts, questions, transcript)
        rows = record(questions, transcript, answers)
        same = average.foretold(**{name: self._tensor(row) for name, row in rows.items()})
        return {
            **super().measure(held_out),
            "human/target_accuracy": held_out.score(targets)["accuracy"],
            "human/same_questions": float(same[0].float().mean()),
            "human/same_answers": float(same[1].float().mean()),
        }

    def _tensor(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(rows, device=self.device)

    # ------------------------------------------------------------ save and load

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "interaction_rate": self.interaction_rate,
            "predictor_batch": self.predictor_batch,
            "predictor_kwargs": self.predictor_kwargs,
        }

    def _progress(self) -> dict[str, Tensor]:
        progress = super()._progress()
        for key, value in self.predictor.state_dict().items():
            progress[f"predictor/{key}"] = value
        for key, value in self.predictor_average.state_dict().items():
            progress[f"predictor_average/{key}"] = value
        for key, value in self.predictor_optimizer.tensors().items():
            progress[f"predictor_optimizer/{key}"] = value
        arrays = {**self.records, **self.wrong.state_dict()}
        numbers = {"due": self.due, "answered": self.learned.assistant_answers}
        for key, array in {**arrays, **numbers}.items():
            progress[f"human/{key}"] = torch.as_tensor(array)
        return progress

    def _go_on_from(self, progress: dict[str, Tensor]) -> None:
        super()._go_on_from(progress)
        self.predictor.load_state_dict(under(progress, "predictor"))
        self.predictor_average.load_state_dict(under(progress, "predictor_average"))
        self.predictor_optimizer.load_tensors(under(progress, "predictor_optimizer"))
        human = {key: value.numpy() for key, value in under(progress, "human").items()}
        self.due = float(human.pop("due"))
        self.learned.assistant_answers = int(human.pop("answered"))
        self.wrong.load_state_dict({key: human.pop(key) for key in ("values", "counts")})
        self.records = human


def record(questions: Symbols, transcript: Transcript, targets: Symbols) -> dict[str, NDArray[Any]]:
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
