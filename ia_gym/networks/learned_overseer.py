"""The human predictor in the place of the overseer."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.networks.blocks import Memory
from ia_gym.networks.context_network import check_parameters
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.network_assistant import sample_categorical
from ia_gym.networks.tensor_files import read_tensors, write_tensors
from ia_gym.validation import check_number


@dataclass
class _Reading:
    """What a learned overseer has read of a batch of transcripts, kept from round to round."""

    reader: LearnedOverseer
    rounds: int  # how many rounds of sub-questions have been read
    tokens: Tensor
    features: Tensor
    memories: list[Memory]
    confidence: Tensor  # of all predictions so far
    drawn: list[Symbols] = field(default_factory=list)  # rows (n, Lq) for each slot

    def read_on(self, predictor: HumanPredictor, tokens: Tensor) -> None:
        """Read more events, ``tokens (n, k, Lq)``."""
        self.tokens = torch.cat([self.tokens, tokens], dim=1)
        features, self.memories = predictor.read(self.tokens, self.memories)
        self.features = features[:, -1:]


class LearnedOverseer:
    """Asks and answers what the overseer would, by a human predictor, without further queries.

    It approves of answers that equal its own.

    Args:
        domain: the domain of the questions.
        predictor: the human predictor.
        human_interactions: queries to the overseer that the predictor was trained on.
        temperature: 0 to ask and answer what is likeliest; above 0 tokens are drawn, from the
            predicted distribution at this temperature.
        may_ask_root: whether the question itself may be among its sub-questions: the scripts of the
            graph domains ask for the assistant's own guess. One that learns to decompose must not,
            since it would pass every question on.

    Attributes:
        assistant_answers: sub-questions that an assistant has answered so far.
        drawn: all tokens predicted in the last transcript that was answered: the sub-questions
            ``(B, Q, S, Lq)``, also those not asked since they are none, and the answers
            ``(B, Q)``.
        confidence: for each question of the last call of :meth:`answer`, ``(B, Q)``: the smallest
            probability of a token in the sub-questions and the answer.
        lookups: work of the overseer that the predictor was trained on, see
            :mod:`ia_gym.amplification.work`; as the next two.
        combinations: see there.
        verdicts: see there.
    """

    def __init__(
        self,
        domain: Domain,
        predictor: HumanPredictor,
        human_interactions: int = 0,
        temperature: float = 0.0,
        may_ask_root: bool = True,
    ) -> None:
        self.domain = domain
        self.predictor = predictor
        self.human_interactions = human_interactions
        self.assistant_answers = 0
        self.lookups = self.combinations = self.verdicts = 0
        self.temperature = check_number("temperature", temperature, "[0, inf)")
        self.may_ask_root = may_ask_root
        self.confidence: NDArray[np.float32]
        self.drawn: tuple[Symbols, Symbols]

    @torch.no_grad()
    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """Predict the sub-questions of one round, one after another: int64 ``(B, Q, n, Lq)``.

        Arguments as in :class:`~ia_gym.amplification.overseers.Overseer`, also of the next two.

        Rows that are no questions of the domain are not asked, nor is anything in the rounds that
        only judging needs.
        """
        if round >= len(self.domain.subquestions_per_round):
            width = self.domain.judge_subquestions_per_round[
                round - len(self.domain.subquestions_per_round)
            ]
            return np.zeros((*questions.shape[:2], width, questions.shape[2]), np.int64)
        reading = self._read_to(round, questions, transcript)
        asked = []
        roots = questions.reshape(-1, questions.shape[2])
        for _ in range(self.domain.subquestions_per_round[round]):
            rows = self._next(reading)
            reading.drawn.append(rows.copy())
            none = ~self.domain.is_well_formed(rows)
            if not self.may_ask_root:
                none |= (rows == roots).all(axis=-1)
            rows[none] = 0
            reading.read_on(self.predictor, torch.as_tensor(rows)[:, None].to(reading.tokens))
            asked.append(rows)
        reading.rounds = round + 1
        result = np.stack(asked, axis=1).reshape(*questions.shape[:2], -1, questions.shape[2])
        result *= (questions[..., :1] != 0)[..., None]
        return result

    @torch.no_grad()
    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """Predict the overseer's answer: int64 ``(B, Q)``, symbols in ``0..n_answers - 1``."""
        reading = self._read_to(len(self.domain.subquestions_per_round), questions, transcript)
        answers = self._next(reading)[:, 0].reshape(questions.shape[:2])
        self.confidence = reading.confidence.cpu().numpy().reshape(questions.shape[:2])
        if len(reading.drawn) == sum(self.domain.subquestions_per_round):
            rows = np.stack(reading.drawn, axis=1)
            self.drawn = rows.reshape(*questions.shape[:2], *rows.shape[1:]), answers
        return np.where(answers < self.domain.n_answers, answers, IDK)

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """1.0 where ``answers (B, Q)`` are the predicted ones and not ``IDK``, else 0.0."""
        own = self.answer(contexts, questions, transcript)
        return np.where((answers == own) & (answers != IDK), 1.0, 0.0)

    # ------------------------------------------------------------ save and load

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the weights to a safetensors file, with sizes and domain in its header.

        Args:
            path: the file.
        """
        header = {
            "made_for": describe_domain(self.domain),
            "steps": self.domain.steps,
            "sizes": self.predictor.sizes,
            "human_interactions": self.human_interactions,
            "may_ask_root": self.may_ask_root,
        }
        write_tensors(Path(path), self.predictor.state_dict(), header)

    @classmethod
    def load(cls, path: str | os.PathLike[str], domain: Domain) -> Self:
        """Read what :meth:`save` wrote. Nothing in the file is executed.

        Args:
            path: the file.
            domain: the domain of the questions. The overseer's own is this one, or this one
                :meth:`~ia_gym.domains.Domain.with_steps` for a model of a person.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no human predictor, or one for another domain or size.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"overseer must name a saved human predictor, found no file {path}"
            )
        try:
            header, state = read_tensors(Path(path))
            found, sizes, asked = (header[k] for k in ("made_for", "sizes", "human_interactions"))
            if header.get("steps") is not None:
                domain = domain.with_steps(header["steps"])
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"overseer must name a saved human predictor; {path}: {error}"
            ) from error
        if found != describe_domain(domain):
            raise ValueError(
                f"overseer must be made for {describe_domain(domain)}; {path} is for {found}"
            )
        try:
            check_parameters(lambda: HumanPredictor(domain, **sizes))
            predictor = HumanPredictor(domain, **sizes)
            predictor.load_state_dict(state)
            may_ask_root = bool(header.get("may_ask_root", True))
            return cls(domain, predictor, int(asked), may_ask_root=may_ask_root)
        except (TypeError, RuntimeError) as error:
            raise ValueError(
                f"overseer must name a saved human predictor; {path}: {error}"
            ) from error

    def _next(self, reading: _Reading) -> Symbols:
        """Predict, or draw, the tokens ``(n, Lq)`` of the next event."""
        event = torch.tensor([reading.tokens.shape[1] - 1], device=reading.tokens.device)
        predicted = self.predictor.predict(reading.features, event, reading.tokens)
        tokens = sample_categorical(predicted[:, 0], self.temperature)
        likeliest = predicted[:, 0].gather(-1, tokens[..., None])[..., 0]
        if reading.tokens.shape[1] == self.predictor.n_events:  # the answer is one token
            likeliest = likeliest[:, :1]
        sure = likeliest.exp().amin(dim=-1)
        reading.confidence = torch.minimum(reading.confidence, sure)
        said: Symbols = tokens.cpu().numpy()
        return said

    def _read_to(self, rounds: int, questions: Symbols, transcript: Transcript) -> _Reading:
        """Read the question and the first rounds, from where the last call stopped if it can."""
        reading = transcript.notes
        if (
            not isinstance(reading, _Reading)
            or reading.reader is not self
            or reading.rounds > rounds
        ):
            tokens = torch.as_tensor(questions.reshape(-1, 1, questions.shape[2]))
            tokens = tokens.to(self.predictor.device)
            sure = torch.ones(len(tokens), device=tokens.device)
            reading = _Reading(self, 0, tokens[:, :0], tokens, [], sure)
            reading.read_on(self.predictor, tokens)
        n, events = len(reading.tokens), reading.tokens.shape[1]
        for round in range(rounds):
            slots = self.domain.round_slots[round]
            if events <= self.predictor.asked_at[slots.start]:
                asked = transcript.questions[..., slots, :].reshape(n, -1, questions.shape[2])
                reading.read_on(self.predictor, torch.as_tensor(asked).to(reading.tokens))
            if events <= self.predictor.answered_at[slots.start]:
                said = np.zeros((n, slots.stop - slots.start, questions.shape[2]), np.int64)
                said[..., 0] = transcript.answers[..., slots].reshape(n, -1)
                reading.read_on(self.predictor, torch.as_tensor(said).to(reading.tokens))
        transcript.notes = reading
        return reading


def describe_domain(domain: Domain) -> dict[str, Any]:
    """Describe what two domains must have in common to use the same human predictor."""
    return {
        "domain": domain.name,
        "n_symbols": domain.n_symbols,
        "question_length": domain.question_length,
        "subquestions_per_round": list(domain.subquestions_per_round),
    }
