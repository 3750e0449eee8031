"""The protocol of evaluators, and the labels and examples that they give."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.amplification.trace import TraceNode

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_STREAM = 2_018_1810
"""Spawns the evaluation's random stream, which no training seed gives."""


@dataclass(frozen=True)
class Column:
    """A measurement that tables show beside the score.

    Attributes:
        tag: its TensorBoard tag, such as "overseer/approval".
        heading: its heading in a table.
        form: "percent" for a share in [0, 1], "number" for any other.
    """

    tag: str
    heading: str
    form: Literal["percent", "number"]


@dataclass(frozen=True)
class Labels:
    """Names and labels of what an evaluation measures, for tables, plots and messages.

    Attributes:
        title: heading of a list of such environments.
        unit: what is evaluated on, in the plural: "questions" or "episodes".
        trained_on: what a timestep of training is, in the plural: "questions" or "steps".
        score: tag of the score, a share in [0, 1].
        score_label: what the score is: "accuracy", "share of the best return".
        approval_is_share: whether the overseer's approval is on the scale of the score, so that
            one plot can hold both.
        overapproval: approval less what it should equal.
        has_depths: whether the score is also given by kind and depth of question.
        columns: the other measurements that tables show.
        references: reference scores that plots draw; see :meth:`Evaluator.references`.
    """

    title: str
    unit: str
    trained_on: str
    score: str
    score_label: str
    approval_is_share: bool
    overapproval: Column
    has_depths: bool
    columns: tuple[Column, ...]
    references: tuple[str, ...]

    @property
    def score_name(self) -> str:
        """The score's tag without "eval/": its name in tables and among the references."""
        return self.score.removeprefix("eval/")


@dataclass(frozen=True)
class Example:
    """One evaluated question or episode, to look at.

    Attributes:
        title: which one it is.
        context: what it is about, in words; "" if there is nothing to say.
        body: a tree or a table that ``rich`` prints.
        summary: one line about it; "" for none.
        draw: draws a picture of it, ``(height, width, 3)`` uint8; None if there is none.
        trace: the tree of questions; None where no questions are asked.
    """

    title: str
    context: str
    body: Any
    summary: str = ""
    draw: Callable[[], NDArray[np.uint8]] | None = None
    trace: TraceNode | None = None

    def to_text(self, width: int = 100) -> str:
        """The body as plain text, at most ``width`` characters wide."""
        from rich.console import Console

        console = Console(width=width, record=True, file=io.StringIO())
        console.print(self.body)
        return console.export_text()


class Evaluator(Protocol):
    """Evaluates agents on one environment, always on the same held-out problems.

    :func:`~ia_gym.agents.evaluation.make_evaluator.make_evaluator` gives the one that fits an
    environment; what is known without building the environment is on its class, see
    :func:`~ia_gym.agents.evaluation.make_evaluator.find_evaluator_class`.

    Attributes:
        env_id: the environment.
        labels: what is measured, in words.
        layout: charts of TensorBoard's custom-scalars page, as ``add_custom_scalars`` takes them.
        counters: names of the overseer's counters that are logged with an evaluation.
        n_problems: held-out problems, in ``labels.unit``.
    """

    env_id: str
    labels: ClassVar[Labels]
    counters: ClassVar[tuple[str, ...]]

    @property
    def n_problems(self) -> int:
        """Held-out problems, in ``labels.unit``."""
        ...

    @property
    def layout(self) -> dict[str, Any]:
        """Charts of TensorBoard's custom-scalars page."""
        ...

    def evaluate(self, model: PolicyPredictor, assistant: Any = None) -> dict[str, float]:
        """Measure ``model``; no random state of training is touched.

        Args:
            model: the agent: an SB3 model or policy, or anything that predicts as they do.
            assistant: answers the overseer's questions when it judges; default the one attached
                to the model's environments, or the model itself where it can answer them.

        Returns:
            Measurements by TensorBoard tag, ``labels.score`` among them.
        """
        ...

    def references(self) -> dict[str, dict[str, float]]:
        """Reference scores, by name and by tag without "eval/": of random answers, for example."""
        ...

    @classmethod
    def headline(cls, row: Mapping[str, float]) -> str:
        """One line about an evaluation.

        Args:
            row: what :meth:`evaluate` returned, and the overseer's counters by tag.
        """
        ...

    def showing(
        self,
        model: PolicyPredictor,
        assistant: Any = None,
        number: int | None = None,
        levels: int | None = None,
        unfold: bool = False,
    ) -> Example:
        """Show what ``model`` does with one held-out problem; no random state is touched.

        Args:
            model: the agent.
            assistant: as for :meth:`evaluate`.
            number: of the problem; default the first that the agent gets wrong, or 0.
            levels: how many levels of sub-questions to show; for questions only.
            unfold: show sub-questions without an error too; for questions only.

        Raises:
            ValueError: for a number out of range, or an argument that has no effect here.
        """
        ...

    def load_assistant(
        self, path: Path, model: Any, answering: Mapping[str, Any] | None
    ) -> Any | None:
        """Load the assistant that a training has saved beside its model, for :meth:`evaluate`.

        Args:
            path: its file.
            model: the agent that was trained with it.
            answering: as in ``AmplificationCallback``.

        Returns:
            None if there is none, or where the model answers for itself.

        Raises:
            ValueError: if the file does not fit the model.
        """
        ...

    @classmethod
    def describe(cls, env_id: str) -> dict[str, str]:
        """What the list of environments (``ia-gym envs``) says of one, by heading."""
        ...

    @classmethod
    def overseer_kwargs(cls, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The ``env_kwargs`` of a training that its evaluation needs too."""
        ...

    @classmethod
    def read_curve(cls, env_id: str, curve: pd.DataFrame) -> pd.DataFrame:
        """Give a stored curve, one row an evaluation, the tags that are logged today."""
        ...


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Restore afterwards the global random states of NumPy and torch, which training draws from."""
    state = np.random.get_state()  # noqa: NPY002  (SB3's DQN explores by it)
    with torch.random.fork_rng():
        yield
    np.random.set_state(state)  # noqa: NPY002


def format_count(number: float) -> str:
    """A count in at most six characters: 940, 12.3k, 2.0M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"
