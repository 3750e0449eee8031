"""The training of the human predictor from a few queries to the overseer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.learner_files import select_prefix
from ia_gym.agents.learners.recorded_interactions import RecordedInteractions
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.batches import Batch
from ia_gym.amplification.moving_averages import MovingAverages
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer, find_base
from ia_gym.amplification.work import read_work
from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_number, check_range

ERRORS = (0.1, 0.01)
"""Errors below which the overseer is queried less often."""
INTERACTION_SHARES = (1.0, 0.3, 0.1)
"""How often above the first of ``ERRORS``, above the second, and below both.

In the paper it falls to a hundredth, over 100 times as many steps. As the agent learns, the
overseer is given answers that the human predictor has not seen; with too few queries by then, the
predictor goes wrong, and the agent with it.
"""
CATCH_UP_UPDATES = 4
"""Updates of the human predictor in a training step while its error is above one in a hundred."""

UNIFORM_SHARE = 0.1
"""Every record's priority includes this share of the mean priority."""

PRIORITY = "priority"
"""Name, beside those of the records, of each record's loss when it was last trained on."""

RECORD_UPDATES = 600
"""Updates on recorded interactions before the first training step."""

LEARNING_RATE = 3e-3
"""Of the human predictor; constant, since there is always something new to learn."""


class HumanPredictorTrainer:
    """Trains a human predictor on recorded interactions with the overseer.

    After Christiano et al. (2018), section 2.2. Half of the queries to the overseer are drawn at
    random and tell how good the predictor is; the other half are the questions of the training step
    on which it was least certain (uncertainty sampling, Lewis and Gale, 1994). The number of
    queries falls with the predictor's error.

    Args:
        human: the overseer to learn from, with its counters.
        rng: random numbers for the choice of queries, and for the overseer.
        device: where the human predictor is computed.
        interaction_rate: queries to the overseer in a training step, at first; above 0. None, with
            ``records``, to learn from these alone.
        batch_size: recorded interactions in an update.
        max_grad_norm: gradients are clipped to this norm.
        width: see :class:`~ia_gym.networks.human_predictor.HumanPredictor`.
        heads: see there.
        layers: see there.
        first_interactions: queries in the first training steps, beside those of
            ``interaction_rate``; 0..1,000,000. A step has at most two for each of its questions.
        records: interactions that were recorded before, or the file of such
            (:class:`~ia_gym.agents.learners.recorded_interactions.RecordedInteractions`): the
            predictor learns from these first, and asks as the recorded people did, one sub-question
            at a time. The queries to ``human`` come in addition. None for queries alone.
        record_updates: updates on ``records`` before the first training step, 0..1,000,000.
        interaction_shares: parts of ``interaction_rate``, in [0, inf), to query while the error is
            above 0.1, while it is above 0.01, and below that.

    Attributes:
        predictor: the human predictor that is trained.
        overseer: its Polyak average as an overseer.
        domain: that of ``human``, or the same with steps if there are recorded interactions.
        n_recorded: interactions that were recorded before.
        updates_due: updates on these that are still to be made.
        records: interactions with the overseer, one a row, by the names of the arguments of
            ``HumanPredictor.loss``; and ``PRIORITY``.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(
        self,
        human: Overseer,
        rng: np.random.Generator,
        device: torch.device,
        interaction_rate: float | None = 10.0,
        batch_size: int = 64,
        max_grad_norm: float = 1.0,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        first_interactions: int = 0,
        interaction_shares: Sequence[float] = INTERACTION_SHARES,
        records: RecordedInteractions | str | os.PathLike[str] | None = None,
        record_updates: int = RECORD_UPDATES,
    ) -> None:
        if not isinstance(interaction_shares, Sequence) or len(interaction_shares) != 3:
            raise ValueError(
                f"interaction_shares must be three numbers, got {interaction_shares!r}"
            )
        self.interaction_shares = tuple(
            check_number("interaction_shares", share, "[0, inf)") for share in interaction_shares
        )
        self.human = human
        self.rng = rng
        if interaction_rate is None:
            if records is None:
                raise ValueError("interaction_rate must be a number without records, got None")
            self.interaction_rate = 0.0
        else:
            self.interaction_rate = check_number("interaction_rate", interaction_rate, "(0, inf)")
        self.batch_size = check_range("batch_size", batch_size, 1, 10**6)
        self.max_grad_norm = check_number("max_grad_norm", max_grad_norm, "(0, inf)")
        self.domain = human.domain
        if records is not None:
            if not isinstance(records, RecordedInteractions):
                records = RecordedInteractions.load(records, human.domain)
            of_script = sum(human.domain.subquestions_per_round) if self.interaction_rate else 0
            self.domain = human.domain.with_steps(max(records.steps, of_script))
        self.predictor = HumanPredictor(self.domain, width, heads, layers).to(device)
        self.optimizer = MuonAdamW(self.predictor.parameters(), lr=LEARNING_RATE)
        # The average acts: a slip in one of a dozen sub-questions spoils the answer.
        self.average = make_polyak_average(self.predictor, polyak_tau=1 / 30)
        average = cast("HumanPredictor", self.average.module)
        self.overseer = LearnedOverseer(self.domain, average)
        self.records: dict[str, NDArray[Any]] = {}
        self.n_recorded = 0
        self.updates_due = 0
        if records is not None:
            self._start_with(records, check_range("record_updates", record_updates, 0, 10**6))
        self.recent_errors = MovingAverages(1, window=100)
        self.queries_due = float(check_range("first_interactions", first_interactions, 0, 10**6))
        self.loss = 0.0

    @property
    def error(self) -> float:
        """Share of the last 100 randomly drawn queries that were predicted wrongly; 1 before that.

        A query is predicted wrongly if one sub-question, or the answer, is not the overseer's.
        """
        return float(self.recent_errors.means[0]) if self.recent_errors.is_full[0] else 1.0

    def _start_with(self, records: RecordedInteractions, updates: int) -> None:
        """Take over recorded interactions."""
        wider = self.domain.subquestions_per_round
        more = len(wider) - records.steps
        rows = {
            "questions": records.questions,
            "asked": np.pad(records.asked, [(0, 0), (0, more), (0, 0)]),
            "answers": np.pad(records.answers, [(0, 0), (0, more)]),
            "targets": records.targets,
        }
        self.n_recorded = len(records.targets)
        self.records = {**rows, PRIORITY: np.ones(self.n_recorded, np.float32)}
        self.overseer.human_interactions = self.n_recorded
        self.updates_due = updates

    def prepare(self) -> None:
        """Learn from recorded interactions, if there are any and it has not been done yet.

        People make slips, and a slip is never predicted well: drawn by priority, the slips would be
        learned most of all. So the records are drawn uniformly.
        """
        for _ in range(self.updates_due):
            self._train_on(self.rng.integers(len(self.records[PRIORITY]), size=self.batch_size))
        self.updates_due = 0

    def learn(self, batch: Batch, assistant: Assistant) -> None:
        """Query the overseer about a few questions of ``batch``, and train on the records.

        Args:
            batch: the questions that the human predictor has answered last.
            assistant: who answers the overseer's sub-questions.
        """
        n_questions = batch.targets.size  # the predictor has answered them before it learns
        below = sum(self.error <= limit for limit in ERRORS)
        self.queries_due += self.interaction_rate * self.interaction_shares[below]
        pairs = min(int(self.queries_due) // 2, batch.targets.size)
        if pairs:
            self.queries_due -= 2 * pairs
            at_random = self.rng.integers(n_questions, size=pairs)
            uncertain = np.argsort(self.overseer.confidence, axis=None)[:pairs]
            self.query_overseer(batch, assistant, at_random, measuring=True)
            self.query_overseer(batch, assistant, uncertain, measuring=False)
            self.overseer.human_interactions = self.human.human_interactions + self.n_recorded
            vars(self.overseer).update(read_work(self.human))
        if self.records:
            for _ in range(CATCH_UP_UPDATES if self.error > ERRORS[1] else 1):
                self.train_on_records()

    def query_overseer(
        self, batch: Batch, assistant: Assistant, chosen: NDArray[np.int64], measuring: bool
    ) -> None:
        """Query the overseer about questions, and record what it asks and answers.

        Args:
            batch: where the questions are from.
            assistant: who answers the overseer's sub-questions.
            chosen: ``(n,)``, indices of the questions in the flattened ``(B, Q)``.
            measuring: count in ``error`` whether the human predictor would have done the same.
        """
        context, question = np.unravel_index(chosen, batch.depths.shape)
        contexts, questions = batch.contexts[context], batch.questions[context, question][:, None]
        transcript = amplify(self.human, assistant, self.rng, contexts, questions, judging=False)
        targets = self.human.answer(contexts, questions, transcript)
        rows = self._make_records(questions, transcript, targets)
        if measuring:
            tensors = {name: self._to_tensor(row) for name, row in rows.items()}
            same_questions, same_answer = self.overseer.predictor.match_predictions(**tensors)
            wrong = ~(same_questions.all(dim=1) & same_answer)
            self.recent_errors.record(np.zeros_like(chosen), wrong.cpu().numpy().astype(float))
        self.add_records(rows)

    def add_records(self, rows: dict[str, NDArray[Any]]) -> None:
        """Add interactions with the overseer, see :func:`make_records`, to learn from."""
        with torch.no_grad():
            tensors = {name: self._to_tensor(row) for name, row in rows.items()}
            losses = self.predictor.loss(**tensors).cpu().numpy()
        for name, new in {**rows, PRIORITY: losses}.items():
            self.records[name] = np.concatenate([self.records.get(name, new[:0]), new])

    def train_on_records(self) -> None:
        """One gradient step of the human predictor on records drawn by priority.

        As the agent learns, the overseer comes to do what it rarely did before; drawn uniformly,
        these few records would hardly be learned (prioritized replay, Schaul et al., 2016).
        """
        priority = self.records[PRIORITY]
        cumulated = np.cumsum(priority + UNIFORM_SHARE * priority.mean())
        chosen = np.searchsorted(cumulated, self.rng.random(self.batch_size) * cumulated[-1])
        self._train_on(chosen)

    def _train_on(self, chosen: NDArray[np.int64]) -> None:
        """One gradient step on some records, given their indices."""
        parts = {
            name: self._to_tensor(rows[chosen])
            for name, rows in self.records.items()
            if name != PRIORITY
        }
        losses = self.predictor.loss(**parts)
        self.minimize(losses.mean())
        self.records[PRIORITY][chosen] = losses.detach().cpu().numpy()
        self.loss = losses.mean().item()

    def minimize(self, loss: Tensor) -> None:
        """Take one gradient step of the human predictor on ``loss``, and update its average."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.predictor.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.average.update_parameters(self.predictor)

    def measure(self, evaluator: QuestionEvaluator, assistant: Assistant) -> dict[str, float]:
        """Measure how often the human predictor asks and answers as the overseer does.

        Args:
            evaluator: questions to measure on; nothing is learned from them.
            assistant: who answers the sub-questions.

        Returns:
            ``human/target_accuracy``: how often the answer is true that the human predictor gives
            with this assistant. Where the overseer follows the domain's script, which costs nothing
            to ask, also ``human/same_questions``: the share of its sub-questions that the predictor
            would have asked, and ``human/same_answers``: the share of its answers that it would
            have given, each after what the overseer did before.
        """
        contexts, questions = evaluator.contexts, evaluator.questions
        rng = np.random.default_rng(evaluator.seed)
        average = self.overseer.predictor
        learned = LearnedOverseer(self.domain, average)
        transcript = amplify(learned, assistant, rng, contexts, questions, judging=False)
        targets = learned.answer(contexts, questions, transcript)
        measured = {"human/target_accuracy": evaluator.score(targets)["accuracy"]}
        if type(find_base(self.human)) is ScriptedOverseer:
            script = ScriptedOverseer(self.human.domain)
            transcript = amplify(script, assistant, rng, contexts, questions, judging=False)
            answers = script.answer(contexts, questions, transcript)
            rows = self._make_records(questions, transcript, answers)
            same = average.match_predictions(
                **{name: self._to_tensor(row) for name, row in rows.items()}
            )
            measured["human/same_questions"] = float(same[0].float().mean())
            measured["human/same_answers"] = float(same[1].float().mean())
        return measured

    def _make_records(
        self, questions: Symbols, transcript: Transcript, targets: Symbols
    ) -> dict[str, NDArray[Any]]:
        """:func:`make_records`, with the sub-questions as the predictor reads them."""
        if self.domain.steps is not None:
            transcript = transcript.in_steps(self.domain.steps)
        return make_records(questions, transcript, targets)

    def _to_tensor(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(rows, device=self.predictor.device)

    # ------------------------------------------------------------ save and load

    def tensors(self) -> dict[str, Tensor]:
        """All that :meth:`learn` has changed, as a flat dict for a file of tensors."""
        arrays = {**self.records, **self.recent_errors.state_dict()}
        numbers = {
            "queries_due": self.queries_due,
            "updates_due": self.updates_due,
            "loss": self.loss,
            "assistant_answers": self.overseer.assistant_answers,
        }
        parts = {
            "predictor": self.predictor.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.tensors(),
            "records": {**arrays, **numbers},
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
        records = {key: value.numpy() for key, value in select_prefix(tensors, "records").items()}
        self.queries_due = float(records.pop("queries_due"))
        self.updates_due = int(records.pop("updates_due", 0))  # absent before version 0.3
        self.loss = float(records.pop("loss"))
        self.overseer.assistant_answers = int(records.pop("assistant_answers"))
        self.recent_errors.load_state_dict({key: records.pop(key) for key in ("values", "counts")})
        self.records = records
        self.overseer.human_interactions = len(records.get("targets", ()))


def make_records(
    questions: Symbols, transcript: Transcript, targets: Symbols
) -> dict[str, NDArray[Any]]:
    """Arrange interactions with the overseer as arguments of ``HumanPredictor.loss``.

    Args:
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``.
        targets: ``(B, Q)``, the overseer's answers.

    Returns:
        Arrays with ``B * Q`` rows.
    """
    slots, length = transcript.questions.shape[-2:]
    return {
        "questions": questions.reshape(-1, length),
        "asked": transcript.questions.reshape(-1, slots, length),
        "answers": transcript.answers.reshape(-1, slots),
        "targets": targets.ravel(),
    }


def train_on_recorded(
    domain: Domain,
    records: RecordedInteractions | str | os.PathLike[str],
    seed: int = 0,
    device: torch.device | str = "cpu",
    record_updates: int = RECORD_UPDATES,
    **sizes: Any,
) -> LearnedOverseer:
    """Train a human predictor on recorded interactions alone.

    Args:
        domain: the domain of the questions.
        records: the interactions, or the file of such.
        seed: of the predictor and of the order of the records.
        device: where to compute.
        record_updates: updates, 0..1,000,000.
        **sizes: ``width``, ``heads`` and ``layers`` of the predictor.

    Returns:
        The predictor as an overseer, to be saved (``save``) or set in an environment
        (``set_overseer``).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for records of another domain, or a number out of range.
    """
    device = torch.device(device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        trainer = HumanPredictorTrainer(
            ScriptedOverseer(domain),  # is not queried
            np.random.default_rng(seed),
            device,
            interaction_rate=None,
            records=records,
            record_updates=record_updates,
            **sizes,
        )
        trainer.prepare()
    return trainer.overseer
