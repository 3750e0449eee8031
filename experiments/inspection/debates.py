"""The debate about one held-out question that ``ia-gym debate`` prints."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.evaluation.question_evaluator import QUESTIONS_PER_CONTEXT, QuestionEvaluator
from ia_gym.agents.evaluation.question_trace import to_tree
from ia_gym.agents.learners.debate_learner import DebateLearner
from ia_gym.debate.debate_trace import DebateNode, trace_debate
from ia_gym.domains.transcript import IDK
from ia_gym.experiments.inspection.evaluation import load_for_evaluation
from ia_gym.experiments.inspection.trace_page import render_page
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.files import write_text
from ia_gym.validation import check_range


def print_debate(
    model: str | os.PathLike[str],
    env_id: str,
    number: int | None = None,
    falsehood: bool = False,
    html: str | os.PathLike[str] | None = None,
    console: Console | None = None,
) -> None:
    """Hold the debate about one held-out question, print it, and if wanted write the page.

    Args:
        model: a trained ``debate`` or ``consultancy`` agent, see
            :func:`~ia_gym.experiments.saved_agents.load_agent`.
        env_id: the environment.
        number: of the question; default the first that is answered wrongly, or 0.
        falsehood: argue for the false answer that the agent finds likeliest, not for its own.
        html: file for a page.
        console: where to print.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is no such agent, or one for another environment; for a number out of
            range.
    """
    agent, _, evaluator = load_for_evaluation(model, env_id)
    if not isinstance(agent, DebateLearner) or not isinstance(evaluator, QuestionEvaluator):
        raise ValueError(
            f"model must hold a debate or consultancy agent, got a {type(agent).__name__}"
        )
    domain, contexts, questions = evaluator.domain, evaluator.contexts, evaluator.questions
    own = PolicyAssistant(agent, deterministic=True, domain=domain).answer(contexts, questions)
    if number is None:
        number = int((~domain.is_correct(contexts, questions, own)).argmax())
    check_range("number", number, 0, evaluator.n_problems - 1)
    row, column = divmod(number, QUESTIONS_PER_CONTEXT)
    context, question = contexts[row : row + 1], questions[row, column]
    answer = own[row, column]
    if falsehood:
        answer = evaluator.find_falsehoods(agent)[row, column]
    judge = agent.make_debate_judge(domain)
    sides = judge.assistant, judge.challenger, context, question, int(answer)
    root = trace_debate(domain, *sides, judge.depth_limit)
    console = console or TerminalConsole()
    title = f"{env_id}, held-out question {number}: a debate"
    console.print(title, highlight=False, markup=False)
    text = domain.context_text(context[0])
    console.print(text, highlight=False, markup=False)
    console.print(to_tree(root, unfold=True))
    debated = (node for node in root.walk() if isinstance(node, DebateNode))
    stands = all(node.verdict is not False for node in debated)
    said = "stands" if stands and answer != IDK else "falls"
    console.print(f"the answer {said}, and is {'true' if root.right else 'false'}", markup=False)
    if html is not None:
        write_text(Path(html), render_page(root, f"{root.question}: {title}", text))
        console.print(f"page: {html}", soft_wrap=True, markup=False, highlight=False)
