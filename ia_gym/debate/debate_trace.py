"""One debate as a tree: the claims of each level, what was picked, and where an answer falls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.amplification.trace import TraceNode, make_nodes
from ia_gym.debate.challengers import Challenger
from ia_gym.debate.rules import debate
from ia_gym.domains import Contexts
from ia_gym.domains.domain import Domain
from ia_gym.domains.transcript import Symbols


@dataclass
class DebateNode(TraceNode):
    """A question of a debate, with what is claimed to be its answer.

    Attributes:
        challenged: whether the challenger picked this claim.
        verdict: whether the claims behind it bear it out; None where the debate did not come here.
        last: whether the debate ended here.
    """

    legend: ClassVar[str] = "what the challenger picks, and where the debate ends,"
    challenged: bool = False
    verdict: bool | None = None
    last: bool = False

    @property
    def marks(self) -> list[str]:
        """What is to be marked about it."""
        picked = ["challenged"] if self.challenged else []
        if self.verdict is False:
            return [*picked, "falls: its claims do not bear it out"]
        return [*picked, "stands: the debate ends here"] if self.last else picked


def trace_debate(
    domain: Domain,
    assistant: Assistant,
    challenger: Challenger,
    context: Contexts,
    question: Symbols,
    answer: int,
    depth_limit: int,
    seed: int = 0,
) -> DebateNode:
    """Hold one debate, and tell how it went.

    Args:
        domain: of the question.
        assistant: makes the claims.
        challenger: picks the claim that the debate goes on about.
        context: ``(1,)``.
        question: ``(Lq,)``, a root question.
        answer: the answer under debate.
        depth_limit: levels of the debate.
        seed: of the overseer's and the challenger's choices.

    Returns:
        The root of the tree: below each answer under debate its claims and lookups, of which one,
        the claim that was picked, has others below it in turn. ``target`` is what the overseer
        would answer by the claims.
    """
    overseer, rng = ScriptedOverseer(domain), np.random.default_rng(seed)
    case = context, question[None, None], np.array([[answer]])
    levels = debate(overseer, assistant, challenger, rng, *case, depth_limit)
    (root,) = make_nodes(domain, *case, DebateNode)
    node = root
    for level in levels:
        node.verdict = bool(level.borne_out[0, 0])
        target = overseer.answer(context, level.questions, level.transcript)
        node.target = domain.answer_text(int(target[0, 0]))
        node.target_right = bool(domain.is_correct(context, level.questions, target)[0, 0])
        told = level.transcript[0, 0]
        asked = np.flatnonzero(told.questions[:, 0])
        claims = told.questions[None, asked], told.answers[None, asked]
        children = make_nodes(domain, context, *claims, DebateNode)
        node.children = [*children]
        if level.picked[0, 0] < 0:
            node.last = True
            break
        node = children[int(np.flatnonzero(asked == level.picked[0, 0])[0])]
        node.challenged = True
    return root
