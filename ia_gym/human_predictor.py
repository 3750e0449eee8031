"""H', the human predictor: a sequence model that learns to ask and answer as H does.

Christiano et al. (2018) put few questions to H, train a model on what H did with them, and let the
model stand in for H from then on. Here an interaction is a sequence of events: the question, then
round after round H's sub-questions and the answers to them. From what came before, the model
predicts the tokens of the next sub-question, and in the end H's answer. Each token is either taken
from the vocabulary or copied from a place in an earlier event; copying is what lets a script that
was seen on few names serve for all of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ia_gym.blocks import Block, Memory
from ia_gym.models import MOST, MOST_LAYERS, check_parameters
from ia_gym.tasks.domain import Contexts, Domain, check_range
from ia_gym.tensor_file import read_tensors, write_tensors
from ia_gym.transcript import IDK, Symbols, Transcript


class HumanPredictor(nn.Module):
    """Predicts H's next sub-question, and H's answer.

    Args:
        domain: whose script is learned; gives vocabulary, slots and rounds.
        width: the model's width d.
        heads: attention heads; divides ``width``.
        layers: blocks.

    Raises:
        ValueError: for a size out of range, or if ``heads`` does not divide ``width``.

    Attributes:
        asked_at: of each slot, the event in which its sub-question stands.
        answered_at: of each slot, the event in which the answer stands.
    """

    def __init__(self, domain: Domain, width: int = 64, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        check_range("width", width, 1, MOST)
        check_range("heads", heads, 1, MOST)
        check_range("layers", layers, 0, MOST_LAYERS)
        if width % heads:
            raise ValueError(f"heads must divide width, got heads={heads}, width={width}")
        self.sizes = {"width": width, "heads": heads, "layers": layers}
        self.length, self.n_symbols = domain.question_length, domain.n_symbols
        # Events: the question; of each round the sub-questions, then their answers.
        self.asked_at: list[int] = []
        self.answered_at: list[int] = []
        n_events = 1
        for slots in domain.widths:
            self.asked_at += range(n_events, n_events + slots)
            self.answered_at += range(n_events + slots, n_events + 2 * slots)
            n_events += 2 * slots
        self.n_events, self.n_places = n_events, n_events * self.length
        self.embedding = nn.Embedding(domain.n_symbols, width)
        self.embedding.weight.is_embedding = True  # type: ignore[attr-defined]  # for MuonAdamW
        self.event_in = nn.Linear(self.length * width, width, bias=False)
        # Whether a token stood at some earlier place: names are many, but sameness is one thing.
        self.same_in = nn.Linear(self.length * self.n_places, width, bias=False)
        nn.init.zeros_(self.same_in.weight)
        self.event_place = nn.Embedding(n_events, width)
        self.event_place.weight.is_embedding = True  # type: ignore[attr-defined]
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        # For each token of the event to come: a symbol, or the place to copy one from.
        self.head = nn.Linear(width, self.length * (self.n_symbols + self.n_places))
        self.head.weight.is_embedding = True  # type: ignore[attr-defined]
        self.mask: Tensor
        self.register_buffer(
            "mask", torch.ones(n_events, n_events).triu(1) * -1e9, persistent=False
        )

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return self.embedding.weight.device

    def read(self, tokens: Tensor, memories: list[Memory]) -> tuple[Tensor, list[Memory]]:
        """Read on from the events that ``memories`` hold.

        Args:
            tokens: of the first events, int64 ``(n, m, Lq)``: those that ``memories`` hold, then
                the k that come next.
            memories: a block each; empty at the start.

        Returns:
            Features ``(n, k, d)`` of the events that come next, and memories that hold them too.
        """
        first = memories[0][0].shape[2] if memories else 0
        events = torch.arange(first, tokens.shape[1], device=tokens.device)
        new = tokens[:, first:]
        x = self.event_in(self.embedding(new).flatten(-2)) + self.event_place(events)
        x = x + self.same_in(self._same(tokens, events).flatten(-2))
        mask = self.mask[events, : tokens.shape[1]][None, None]
        grown = []
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            keys, values = block.remember(block.norm_in(x))
            if memories:
                keys = torch.cat([memories[i][0], keys], dim=2)
                values = torch.cat([memories[i][1], values], dim=2)
            x = block(x, (keys, values), mask)
            grown.append((keys, values))
        return self.norm(x), grown

    def _same(self, tokens: Tensor, events: Tensor) -> Tensor:
        """``(n, k, Lq, n_places)``: 1 where a token of ``events (k,)`` stood earlier."""
        new, sources = tokens[:, events, :, None], tokens.flatten(1)
        place = torch.arange(sources.shape[1], device=tokens.device) // self.length
        same = (new == sources[:, None, None]) & (new != 0)
        same = (same & (place < events[:, None])[None, :, None]).float()
        return F.pad(same, (0, self.n_places - sources.shape[1]))

    def predict(self, features: Tensor, events: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities of the tokens of the events that follow.

        Args:
            features: ``(n, k, d)`` of some events, as :meth:`read` gives them.
            events: ``(k,)``, which events these are.
            tokens: of the first events, int64 ``(n, m, Lq)``; what may be copied.

        Returns:
            ``(n, k, Lq, n_symbols)``. After the last event, token 0 is H's answer.
        """
        n, k, _ = features.shape
        scores = self.head(features).view(n, k, self.length, self.n_symbols + self.n_places)
        place = torch.arange(self.n_places, device=tokens.device) // self.length
        scores = scores.clone()
        unseen = (place[None] > events[:, None])[None, :, None]
        scores[..., self.n_symbols :].masked_fill_(unseen, -torch.inf)
        symbols, copies = scores.softmax(-1).split([self.n_symbols, self.n_places], dim=-1)
        sources = tokens.flatten(1)[:, None, None]
        copies = copies[..., : sources.shape[-1]]
        total: Tensor = symbols.scatter_add(-1, sources.expand_as(copies), copies)
        return total.clamp_min(1e-9).log()

    def predict_all(self, questions: Tensor, asked: Tensor, answers: Tensor) -> Tensor:
        """Log-probabilities of all that H says in recorded interactions.

        Args:
            questions: int64 ``(n, Lq)``.
            asked: ``(n, S, Lq)``.
            answers: ``(n, S)``.

        Returns:
            ``(n, S + 1, Lq, n_symbols)``: the sub-questions, and last, at token 0, the answer.
        """
        tokens = torch.zeros(
            len(questions), self.n_events, self.length, dtype=torch.long, device=self.device
        )
        tokens[:, 0] = questions
        tokens[:, self.asked_at] = asked
        tokens[:, self.answered_at, 0] = answers
        features, _ = self.read(tokens, [])
        before = [event - 1 for event in self.asked_at]
        events = torch.tensor([*before, self.n_events - 1], device=self.device)
        return self.predict(features[:, events], events, tokens)

    def loss(self, questions: Tensor, asked: Tensor, answers: Tensor, targets: Tensor) -> Tensor:
        """How badly each recorded interaction is predicted, ``(n,)``, in nats a token.

        Args:
            questions: int64 ``(n, Lq)``.
            asked: ``(n, S, Lq)``.
            answers: ``(n, S)``.
            targets: ``(n,)``, H's answers.
        """
        predicted = self.predict_all(questions, asked, answers)
        of_questions = predicted[:, :-1].gather(-1, asked[..., None])
        of_answers = predicted[:, -1, 0].gather(-1, targets[:, None])
        return -(of_questions.flatten(1).mean(dim=1) + of_answers[:, 0])

    @torch.no_grad()
    def foretold(
        self, questions: Tensor, asked: Tensor, answers: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which sub-questions ``(n, S)`` and final answers ``(n,)`` of H's are foretold exactly.

        Each is foretold from what truly came before it. Arguments as in :meth:`loss`.
        """
        likeliest = self.predict_all(questions, asked, answers).argmax(dim=-1)
        return (likeliest[:, :-1] == asked).all(dim=-1), likeliest[:, -1, 0] == targets


@dataclass
class _Reading:
    """How far H' has come with a batch of questions; its notes on their transcript."""

    reader: LearnedOverseer
    rounds: int  # whose sub-questions have been read
    tokens: Tensor
    features: Tensor
    memories: list[Memory]
    confidence: Tensor  # of all that was said so far

    def read_on(self, predictor: HumanPredictor, tokens: Tensor) -> None:
        """Read the events ``tokens (n, k, Lq)``."""
        self.tokens = torch.cat([self.tokens, tokens], dim=1)
        features, self.memories = predictor.read(self.tokens, self.memories)
        self.features = features[:, -1:]


class LearnedOverseer:
    """H' in place of H: asks what H would ask, answers what H would answer, at no cost to H.

    It approves of an answer that equals its own.

    Args:
        domain: whose questions are asked.
        predictor: H'.
        human_interactions: questions that were put to H for H' to learn from.

    Attributes:
        assistant_answers: sub-questions that an assistant answered so far.
        confidence: of each question answered last, ``(B, Q)``: the probability of the least likely
            token that was said on the way.
    """

    def __init__(
        self, domain: Domain, predictor: HumanPredictor, human_interactions: int = 0
    ) -> None:
        self.domain = domain
        self.predictor = predictor
        self.human_interactions = human_interactions
        self.assistant_answers = 0
        self.confidence: NDArray[np.float32]

    @torch.no_grad()
    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """The likeliest sub-questions of one round, ``(B, Q, width, Lq)``, one after another.

        What is no question of the domain's is not asked, and nothing is in the rounds that only
        the judge of another's answer needs.
        """
        if round >= len(self.domain.widths):
            width = self.domain.judge_widths[round - len(self.domain.widths)]
            return np.zeros((*questions.shape[:2], width, questions.shape[2]), np.int64)
        reading = self._read_to(round, questions, transcript)
        asked = []
        for _ in range(self.domain.widths[round]):
            rows = self._next(reading)
            rows[~self.domain.well_formed(rows)] = 0
            reading.read_on(self.predictor, torch.as_tensor(rows)[:, None].to(reading.tokens))
            asked.append(rows)
        reading.rounds = round + 1
        result = np.stack(asked, axis=1).reshape(*questions.shape[:2], -1, questions.shape[2])
        result *= (questions[..., :1] != 0)[..., None]
        return result

    @torch.no_grad()
    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """The likeliest answer of H's, ``(B, Q)``."""
        reading = self._read_to(len(self.domain.widths), questions, transcript)
        answers = self._next(reading)[:, 0].reshape(questions.shape[:2])
        self.confidence = reading.confidence.cpu().numpy().reshape(questions.shape[:2])
        return np.where(answers < self.domain.n_answers, answers, IDK)

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """1 where ``answers (B, Q)`` are the answer H' gives, else 0; 0 for ``IDK``."""
        own = self.answer(contexts, questions, transcript)
        return np.where((answers == own) & (answers != IDK), 1.0, 0.0)

    # ------------------------------------------------------------ save and load

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write H' to a safetensors file: its weights, and what it was learned from in the header.

        Args:
            path: the file.
        """
        header = {
            "made_for": made_for(self.domain),
            "sizes": self.predictor.sizes,
            "human_interactions": self.human_interactions,
        }
        write_tensors(Path(path), self.predictor.state_dict(), header)

    @classmethod
    def load(cls, path: str | os.PathLike[str], domain: Domain) -> Self:
        """Read what :meth:`save` wrote. Nothing in the file is executed.

        Args:
            path: the file.
            domain: whose questions are to be asked.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no H', or one for another domain or size.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"overseer must name a saved H', found no file {path}")
        try:
            header, state = read_tensors(Path(path))
            found, sizes, asked = (header[k] for k in ("made_for", "sizes", "human_interactions"))
        except (ValueError, KeyError) as error:
            raise ValueError(f"overseer must name a saved H'; {path}: {error}") from error
        if found != made_for(domain):
            raise ValueError(f"overseer must be made for {made_for(domain)}; {path} is for {found}")
        try:
            check_parameters(lambda: HumanPredictor(domain, **sizes))
            predictor = HumanPredictor(domain, **sizes)
            predictor.load_state_dict(state)
            return cls(domain, predictor, int(asked))
        except (TypeError, RuntimeError) as error:
            raise ValueError(f"overseer must name a saved H'; {path}: {error}") from error

    def _next(self, reading: _Reading) -> Symbols:
        """The likeliest tokens ``(n, Lq)`` of the next event."""
        event = torch.tensor([reading.tokens.shape[1] - 1], device=reading.tokens.device)
        predicted = self.predictor.predict(reading.features, event, reading.tokens)
        likeliest, tokens = predicted[:, 0].max(dim=-1)
        if reading.tokens.shape[1] == self.predictor.n_events:  # the answer is one token
            likeliest = likeliest[:, :1]
        sure = likeliest.exp().amin(dim=-1)
        reading.confidence = torch.minimum(reading.confidence, sure)
        said: Symbols = tokens.cpu().numpy()
        return said

    def _read_to(self, rounds: int, questions: Symbols, transcript: Transcript) -> _Reading:
        """Read the question and all of the first rounds; a reading just made goes on."""
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
            slots = self.domain.rounds[round]
            if events <= self.predictor.asked_at[slots.start]:
                asked = transcript.questions[..., slots, :].reshape(n, -1, questions.shape[2])
                reading.read_on(self.predictor, torch.as_tensor(asked).to(reading.tokens))
            if events <= self.predictor.answered_at[slots.start]:
                said = np.zeros((n, slots.stop - slots.start, questions.shape[2]), np.int64)
                said[..., 0] = transcript.answers[..., slots].reshape(n, -1)
                reading.read_on(self.predictor, torch.as_tensor(said).to(reading.tokens))
        transcript.notes = reading
        return reading


def made_for(domain: Domain) -> dict[str, Any]:
    """What two domains must have in common for the same H' to serve both."""
    return {
        "domain": domain.name,
        "n_symbols": domain.n_symbols,
        "question_length": domain.question_length,
        "widths": list(domain.widths),
    }
