"""The tree of an amplified overseer's sub-questions about one question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer
from ia_gym.domains import Contexts
from ia_gym.domains.domain import Domain
from ia_gym.domains.transcript import Symbols


@dataclass
class TraceNode:
    """A question of the tree, with its answers.

    Attributes:
        question: as text.
        answer: the assistant's answer, or the overseer's for a primitive question.
        truth: a correct answer.
        right: whether ``answer`` is correct; that to a primitive question always is.
        looked_up: whether the question is primitive.
        target: the overseer's answer, from the answers to its sub-questions; None where it asked
            none.
        target_right: whether the target is correct.
        children: the sub-questions, in order.
    """

    legend: ClassVar[str] = "where an error begins"
    """What is marked in the tree, in words."""
    question: str
    answer: str
    truth: str
    right: bool
    looked_up: bool
    target: str | None = None
    target_right: bool = True
    children: list[TraceNode] = field(default_factory=list)

    @property
    def is_origin(self) -> bool:
        """Whether an error originates here: the answer is wrong, its sub-answers are not."""
        rest_right = all(child.right for child in self.children)
        return not self.right and self.target is not None and rest_right

    @property
    def marks(self) -> list[str]:
        """What is to be marked about it."""
        return ["an error begins here"] if self.is_origin else []

    def walk(self) -> Iterator[TraceNode]:
        """Yield this node and all below it, each before its children."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


Node = TypeVar("Node", bound=TraceNode)


def trace(
    domain: Domain,
    assistant: Assistant,
    context: Contexts,
    question: Symbols,
    levels: int = 10,
    max_nodes: int = 10_000,
    seed: int = 0,
    overseer: Overseer | None = None,
) -> TraceNode:
    """Decompose a question, the sub-questions that the assistant answers, and so on.

    The overseer uses the assistant's answers. The children of each show what the overseer would
    answer with the assistant's help, so that an error can be followed to its origin.

    Args:
        domain: the domain.
        assistant: answers the sub-questions; a deterministic one.
        context: ``(1,)``.
        question: ``(Lq,)``, a root question.
        levels: how many levels to decompose.
        max_nodes: with so many nodes, no further level is decomposed.
        seed: of the overseer's choices.
        overseer: who decomposes; default the domain's script.

    Returns:
        The root of the tree.
    """
    rng = np.random.default_rng(seed)
    judging = overseer is None  # another overseer's own questions are enough
    overseer = overseer or ScriptedOverseer(domain)
    questions = question[None, None]
    answers = assistant.answer(context, questions)
    nodes = make_nodes(domain, context, questions, answers, TraceNode)
    root, count = nodes[0], 1
    for _ in range(levels):
        if not nodes or count >= max_nodes:
            break
        transcript = amplify(overseer, assistant, rng, context, questions, judging=judging)
        targets = overseer.answer(context, questions, transcript)
        right = domain.is_correct(context, questions, targets)
        for i, node in enumerate(nodes):
            node.target = domain.answer_text(int(targets[0, i]))
            node.target_right = bool(right[0, i])
        parents, slots = np.nonzero(transcript.questions[0, ..., 0])
        asked = transcript.questions[0, parents, slots][None]
        answers = transcript.answers[0, parents, slots][None]
        children = make_nodes(domain, context, asked, answers, TraceNode)
        for parent, child in zip(parents, children, strict=True):
            nodes[parent].children.append(child)
        count += len(children)
        decomposed = ~domain.is_primitive(asked)[0]
        questions = asked[:, decomposed]
        nodes = [child for child, use in zip(children, decomposed, strict=True) if use]
    return root


def make_nodes(
    domain: Domain,
    context: Contexts,
    questions: Symbols,
    answers: Symbols,
    node_class: type[Node],
) -> list[Node]:
    """Make a node for each of ``questions (1, Q, Lq)``, with its answer of ``answers (1, Q)``."""
    if not questions.shape[1]:
        return []
    truths = domain.truth(context, questions)[0]
    seen = domain.is_primitive(questions)[0]
    right = domain.is_correct(context, questions, answers)[0] | seen
    return [
        node_class(
            domain.question_text(question),
            domain.answer_text(int(answer)),
            domain.answer_text(int(truth)),
            bool(good),
            bool(looked_up),
        )
        for question, answer, truth, good, looked_up in zip(
            questions[0], answers[0], truths, right, seen, strict=True
        )
    ]
