"""A curriculum: from shallow questions to deep ones, then from small contexts to large ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.moving_averages import MovingAverages
from ia_gym.domains.domain import RARE, Domain
from ia_gym.domains.transcript import Symbols
from ia_gym.validation import check_number, check_range


class Curriculum:
    """Raises depth, then size, whenever approval is high on the worst of the common classes.

    One object serves all environments of a run. It uses approval (or agreement with the target),
    never the truth. It does not wait for classes that are rare (less than 1 % of the answers) or
    trivial in their domain. The paper's curriculum goes by all classes together instead
    (``by_class=False``), starts with all depths, and raises the size from 8 by 1.

    Args:
        domain: the domain of the questions.
        threshold: what the average approval of the worst class must exceed, in (0, 1).
        window: answers in the average of each class, at least 1. Averages start anew after each
            rise.
        start_depth: depth of the deepest questions at first, 1..``end_depth``; None for
            ``end_depth``, so that only the size rises.
        end_depth: depth of the deepest questions in the end; default ``domain.max_depth``.
        start_size: names in a context at first, 2..``domain.size``; default ``domain.size``, so
            that only the depth rises.
        growth: factor by which the size rises, at least 1; it rises by at least one name.
        by_class: False to go by the average approval of all questions together, whatever their
            class. The suite's learners then leave out questions whose target is "I don't know".

    Attributes:
        max_depth: depth of the deepest questions now.
        size: names in a context now.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        domain: Domain,
        threshold: float = 0.85,
        window: int = 1000,
        start_depth: int | None = 1,
        end_depth: int | None = None,
        start_size: int | None = None,
        growth: float = 1.0,
        by_class: bool = True,
    ) -> None:
        self.domain = domain
        self.growth = check_number("growth", growth, "[1, inf)")
        self.threshold = check_number("threshold", threshold, "(0, 1)")
        self.by_class = by_class
        n_classes = domain.n_classes if by_class else 1
        self.averages = MovingAverages(n_classes, check_range("window", window, 1, 10**7))
        self.end_depth = domain.max_depth
        if end_depth is not None:
            self.end_depth = check_range("end_depth", end_depth, 1, domain.max_depth)
        self.max_depth = self.end_depth
        if start_depth is not None:
            self.max_depth = check_range("start_depth", start_depth, 1, self.end_depth)
        # A level ends below each common depth; the rare depths after that belong to it.
        common = (np.unique(domain.merged_into[1:]) - 1) % domain.max_depth + 1
        self.levels = np.unique([*(common[common > 1] - 1), self.end_depth])
        self.size = domain.size
        if start_size is not None:
            self.size = check_range("start_size", start_size, 2, domain.size)

    @property
    def finished(self) -> bool:
        """Whether depth and size have reached their ends."""
        return self.max_depth == self.end_depth and self.size == self.domain.size

    @property
    def depths(self) -> range:
        """Depths of the questions to ask now."""
        return range(1, self.max_depth + 1)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all that :meth:`record` changes, for a checkpoint."""
        level = {"max_depth": np.array(self.max_depth), "size": np.array(self.size)}
        return {**self.averages.state_dict(), **level}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.averages.load_state_dict(state)
        self.max_depth, self.size = int(state["max_depth"]), int(state["size"])

    def record(self, classes: Symbols, approvals: NDArray[np.float64]) -> bool:
        """Add approvals of answers to root questions.

        Questions that are deeper than ``max_depth``, drawn before, do not count.

        Args:
            classes: ``(n,)``, classes of the questions.
            approvals: ``(n,)``.

        Returns:
            Whether the depth or the size rose.
        """
        if self.finished:
            return False
        asked = (classes - 1) % self.domain.max_depth < self.max_depth
        recorded = classes[asked] if self.by_class else np.zeros_like(classes[asked])
        self.averages.record(recorded, approvals[asked])
        means = self.averages.means
        if self.by_class:
            counts = self.averages.counts
            means = means[(counts > RARE * counts.sum()) & ~self.domain.trivial_classes]
        if not len(means) or np.min(means) <= self.threshold:
            return False
        if self.max_depth < self.end_depth:
            self.max_depth = int(self.levels[self.levels > self.max_depth][0])
        else:
            larger = max(self.size + 1, int(self.size * self.growth))
            self.size = min(larger, self.domain.size)
        self.averages.clear()
        return True
