"""What the amplified overseer did with one question: the tree of its sub-questions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Contexts
from ia_gym.domains.domain import Domain
from ia_gym.domains.transcript import Symbols


@dataclass
class TraceNode:
    """A question, and what was made of it.

    Attributes:
        question: in words.
        answer: what H was told: X's answer, or what H saw in the context.
        truth: a right answer.
        right: whether ``answer`` is right; what H sees for itself always is.
        looked_up: whether H found the answer itself.
        target: what H makes of the answers to its sub-questions; None where it asked none.
        target_right: whether that is right.
        children: H's sub-questions, in order.
    """

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
        """Whether an error comes in here: X is wrong, and all that H asks about it is right."""
        told_right = all(child.right for child in self.children)
        return not self.right and self.target is not None and told_right

    def walk(self) -> Iterator[TraceNode]:
        """This node and all below it, from the top, each before its children."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def trace(
    domain: Domain,
    assistant: Assistant,
    context: Contexts,
    question: Symbols,
    levels: int = 10,
    max_nodes: int = 10_000,
    seed: int = 0,
) -> TraceNode:
    """Take a question apart, and the sub-questions X answered, and so on.

    X's answer is what counts in a tree; its children show what H, with X's help, makes of the same
    question, so that an error can be followed to where it came in.

    Args:
        domain: the domain.
        assistant: X; give it a deterministic one.
        context: ``(1,)``.
        question: ``(Lq,)``, a root question.
        levels: how often to take questions apart.
        max_nodes: after so many no further ones are taken apart.
        seed: of H's own choices.

    Returns:
        The root.
    """
    overseer, rng = ScriptedOverseer(domain), np.random.default_rng(seed)
    questions = question[None, None]
    answers = assistant.answer(context, questions)
    nodes = make_nodes(domain, context, questions, answers)
    root, count = nodes[0], 1
    for _ in range(levels):
        if not nodes or count >= max_nodes:
            break
        transcript = amplify(overseer, assistant, rng, context, questions)
        targets = overseer.answer(context, questions, transcript)
        right = domain.is_correct(context, questions, targets)
        for i, node in enumerate(nodes):
            node.target = domain.answer_text(int(targets[0, i]))
            node.target_right = bool(right[0, i])
        parents, slots = np.nonzero(transcript.questions[0, ..., 0])
        asked = transcript.questions[0, parents, slots][None]
        told = transcript.answers[0, parents, slots][None]
        children = make_nodes(domain, context, asked, told)
        for parent, child in zip(parents, children, strict=True):
            nodes[parent].children.append(child)
        count += len(children)
        apart = ~domain.is_primitive(asked)[0]
        questions = asked[:, apart]
        nodes = [child for child, one in zip(children, apart, strict=True) if one]
    return root


def make_nodes(
    domain: Domain, context: Contexts, questions: Symbols, answers: Symbols
) -> list[TraceNode]:
    """A node for each of ``questions (1, Q, Lq)`` with its answer of ``answers (1, Q)``."""
    if not questions.shape[1]:
        return []
    truths = domain.truth(context, questions)[0]
    seen = domain.is_primitive(questions)[0]
    right = domain.is_correct(context, questions, answers)[0] | seen
    return [
        TraceNode(
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
