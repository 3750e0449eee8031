"""H', the human predictor: a sequence model that learns to ask and answer as H does.

Christiano et al. (2018) put few questions to H, train a model on what H did with them, and let the
model stand in for H from then on. Here an interaction is a sequence of events: the question, then
round after round H's sub-questions and the answers to them. From what came before, the model
predicts the tokens of the next sub-question, and in the end H's answer. Each token is either taken
from the vocabulary or copied from a place in an earlier event; copying is what lets a script that
was seen on few names serve for all of them.
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
        # Whether a token stood at some earlier place: names are many, but sameness is one thing.
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
            keys, values = block.project_memory(block.norm_in(x))
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
    def match_predictions(
        self, questions: Tensor, asked: Tensor, answers: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which sub-questions ``(n, S)`` and final answers ``(n,)`` of H's are foretold exactly.

        Each is foretold from what truly came before it. Arguments as in :meth:`loss`.
        """
        likeliest = self.predict_all(questions, asked, answers).argmax(dim=-1)
        return (likeliest[:, :-1] == asked).all(dim=-1), likeliest[:, -1, 0] == targets
