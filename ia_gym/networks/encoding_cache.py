"""Encoded facts kept from one batch to the next."""

from __future__ import annotations

from itertools import chain
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ia_gym.networks.answer_network import trim_padding
from ia_gym.networks.context_network import ContextNetwork

Network = TypeVar("Network", bound=ContextNetwork)


class EncodingCache(Generic[Network]):
    """Keeps the encoded facts of the last batch, and encodes only the rows that have changed.

    It is for batches whose row i mostly holds the facts that row i held before: an environment
    asks many questions about a context, and an overseer asks about the same contexts in each round.
    What it returns is what the network would return now: all parameters and buffers are compared
    with what they were, bit by bit, so that updates that PyTorch does not count are noticed too
    (those of ``parameter.data``, as in Stable-Baselines3's ``polyak_update``).

    Args:
        network: the network that encodes. Use it without gradients.
        trim: leave out rows of padding. How many rows are left depends on the whole batch, so
            that a change of one row has the whole batch encoded again.
    """

    def __init__(self, network: Network, trim: bool = False) -> None:
        self.network = network
        self.trim = trim
        self._facts: Tensor | None = None
        self._encoded: Any
        self._weights: Tensor
        self._settings: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or what is unpickled, starts empty, with the copied network."""
        return EncodingCache, (self.network, self.trim)

    def has_shape(self, shape: torch.Size) -> bool:
        """Whether the last batch of facts had this shape."""
        return self._facts is not None and self._facts.shape == shape

    def encode(self, facts: Tensor, passes: int | None = None) -> Any:
        """What ``network.encode`` gives for ``facts``; valid until the next call.

        Args:
            facts: int64 ``(B, F, L)``.
            passes: times they go through their blocks; default the network's own number.
        """
        # What is kept would become part of the graph; and hooks are to be called each time.
        if is_tracing() or has_hooks(self.network):
            return self._encode(facts, passes)
        settings = self._list_settings(facts, passes)
        weights = read_weights(self.network)
        kept = self._facts
        if kept is None or settings != self._settings or not torch.equal(weights, self._weights):
            changed = torch.ones(len(facts), dtype=torch.bool, device=facts.device)
        else:
            changed = (facts != kept).flatten(1).any(dim=1)
            if not changed.any():
                return self._encoded
        if kept is None or self.trim or changed.all():
            self._facts, self._encoded = facts.clone(), self._encode(facts, passes)
        else:
            kept[changed] = facts[changed]
            new = self._encode(facts[changed], passes)
            for part, new_part in zip(self._encoded.tensors(), new.tensors(), strict=True):
                part[changed] = new_part
        self._weights, self._settings = weights, settings
        return self._encoded

    def _encode(self, facts: Tensor, passes: int | None) -> Any:
        return self.network.encode(trim_padding(facts) if self.trim else facts.clone(), passes)

    def _list_settings(self, facts: Tensor, passes: int | None) -> tuple[Any, ...]:
        """All but facts and weights that the encoding depends on."""
        device, weight = facts.device.type, next(self.network.parameters())
        return (
            (facts.shape, facts.device, weight.device, weight.dtype, passes),
            (self.network.training, self.network.fact_passes),
            (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)),
            torch.is_inference_mode_enabled(),
        )


def read_weights(network: nn.Module) -> Tensor:
    """A copy of the bits of all parameters and buffers of a network: one row of int64."""
    tensors = chain(network.parameters(), network.buffers())
    octets = [tensor.detach().reshape(-1).view(torch.uint8) for tensor in tensors]
    padding = octets[0].new_zeros(-sum(map(len, octets)) % 8)
    return torch.cat([*octets, padding]).view(torch.int64)  # of bytes, it takes long to compare


def has_hooks(network: nn.Module) -> bool:
    """Whether a forward hook is registered somewhere in a network: it may change what it gives."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def is_tracing() -> bool:
    """Whether a graph is recorded: by ``torch.jit.trace``, compilation or export."""
    if torch.compiler.is_compiling():
        return True
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]
