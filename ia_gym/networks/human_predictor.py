"""The human predictor: a sequence model that learns to ask and answer as the overseer does.

Christiano et al. (2018, section 3) train it on a few queries to the human overseer and use it in
the overseer's place. Here a query is a sequence of events: the question, then in each round the
sub-questions and the answers to them. From the events before, the model predicts the tokens of the
next sub-question and, at the end, the overseer's answer. A token is either taken from the
vocabulary or copied from a place in an earlier event, so that a script seen with few names applies
to all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ia_gym.domains.domain import Domain
from ia_gym.networks.answer_network import MAX_LAYERS, MAX_NETWORK_SIZE
from ia_gym.networks.blocks import Block, Memory
from ia_gym.networks.optimizers import AdamWParameter
from ia_gym.validation import check_range


class HumanPredictor(nn.Module):
    """Predicts the overseer's next sub-question, and its answer.

    Args:
        domain: the domain of the script: its vocabulary and its rounds.
        width: the model's width d.
        heads: attention heads; divides ``width``.
        layers: blocks.

    Raises:
        ValueError: for a size out of range, or if ``heads`` does not divide ``width``.

    Attributes:
        asked_at: for each slot of a transcript, the event that is its sub-question.
        answered_at: for each slot, the event that is the answer.
    """

    def __init__(self, domain: Domain, width: int = 64, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        check_range("width", width, 1, MAX_NETWORK_SIZE)
        check_range("heads", heads, 1, MAX_NETWORK_SIZE)
        check_range("layers", layers, 0, MAX_LAYERS)
        if width % heads:
            raise ValueError(f"heads must divide width, got heads={heads}, width={width}")
        self.sizes = {"width": width, "heads": heads, "layers": layers}
        self.length, self.n_symbols = domain.question_length, domain.n_symbols
        # Events: the question; of each round the sub-questions, then their answers.
        self.asked_at: list[int] = []
        self.answered_at: list[int] = []
        n_events = 1
        for slots in domain.subquestions_per_round:
            self.asked_at += range(n_events, n_events + slots)
            self.answered_at += range(n_events + slots, n_events + 2 * slots)
            n_events += 2 * slots
        self.n_events, self.n_places = n_events, n_events * self.length
        self.embedding = nn.Embedding(domain.n_symbols, width)
        self.embedding.weight = AdamWParameter(self.embedding.weight.data)
        self.event_in = nn.Linear(self.length * width, width, bias=False)
        # Whether a token occurred at each earlier place, whatever the name.
        self.same_in = nn.Linear(self.length * self.n_places, width, bias=False)
        nn.init.zeros_(self.same_in.weight)
        self.event_place = nn.Embedding(n_events, width)
        self.event_place.weight = AdamWParameter(self.event_place.weight.data)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        # For each token of the event to come: a symbol, or the place to copy one from.
        self.head = nn.Linear(width, self.length * (self.n_symbols + self.n_places))
        self.head.weight = AdamWParameter(self.head.weight.data)
        self.mask: Tensor
        self.register_buffer(
            "mask", torch.ones(n_events, n_events).triu(1) * -1e9, persistent=False
        )

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.embedding.weight.device

    def read(self, tokens: Tensor, memories: list[Memory]) -> tuple[Tensor, list[Memory]]:
        """Read the events after those that ``memories`` hold.

        Args:
            tokens: int64 ``(n, m, Lq)``, the events that ``memories`` hold and the next k.
            memories: one for each block; empty at the start.

        Returns:
            Features ``(n, k, d)`` of the next k events, and memories that hold these too.
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
            keys, values = block.project_memory(block.norm_in(x))
            if memories:
                keys = torch.cat([memories[i][0], keys], dim=2)
                values = torch.cat([memories[i][1], values], dim=2)
            x = block(x, (keys, values), mask)
            grown.append((keys, values))
        return self.norm(x), grown

    def _same(self, tokens: Tensor, events: Tensor) -> Tensor:
        """``(n, k, Lq, n_places)``: 1 where a token of ``events (k,)`` occurred earlier."""
        new, sources = tokens[:, events, :, None], tokens.flatten(1)
        place = torch.arange(sources.shape[1], device=tokens.device) // self.length
        same = (new == sources[:, None, None]) & (new != 0)
        same = (same & (place < events[:, None])[None, :, None]).float()
        return F.pad(same, (0, self.n_places - sources.shape[1]))

    def predict(self, features: Tensor, events: Tensor, tokens: Tensor) -> Tensor:
        """Predict the tokens of the events that follow some events.

        Args:
            features: ``(n, k, d)`` of some events, as :meth:`read` gives them.
            events: ``(k,)``, which events these are.
            tokens: int64 ``(n, m, Lq)``, the first m events, from which tokens may be copied.

        Returns:
            Log-probabilities ``(n, k, Lq, n_symbols)``. After the last event, token 0 is the
            overseer's answer.
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
        """Predict all sub-questions and answers of the overseer in recorded queries.

        Args:
            questions: int64 ``(n, Lq)``.
            asked: ``(n, S, Lq)``.
            answers: ``(n, S)``.

        Returns:
            Log-probabilities ``(n, S + 1, Lq, n_symbols)``: the sub-questions and, last, the
            answer at token 0.
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
        """Cross-entropy of each recorded query, ``(n,)``, in nats a token.

        Args:
            questions: int64 ``(n, Lq)``.
            asked: ``(n, S, Lq)``.
            answers: ``(n, S)``.
            targets: ``(n,)``, the overseer's answers.
        """
        predicted = self.predict_all(questions, asked, answers)
        of_questions = predicted[:, :-1].gather(-1, asked[..., None])
        of_answers = predicted[:, -1, 0].gather(-1, targets[:, None])
        return -(of_questions.flatten(1).mean(dim=1) + of_answers[:, 0])

    @torch.no_grad()
    def match_predictions(
        self, questions: Tensor, asked: Tensor, answers: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compare the likeliest predictions with recorded queries.

        Each is predicted from the recorded events before it. Arguments as in :meth:`loss`.

        Returns:
            Which sub-questions, bool ``(n, S)``, and which answers, bool ``(n,)``, are predicted
            exactly.
        """
        likeliest = self.predict_all(questions, asked, answers).argmax(dim=-1)
        return (likeliest[:, :-1] == asked).all(dim=-1), likeliest[:, -1, 0] == targets
