"""Evaluation of agents that decompose questions: truth, approval, and how much they ask."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import PolicyPredictor

import ia_gym  # noqa: F401  (registers the ids)
from ia_gym.agents.assistants.observation_encoder import find_model_encoder
from ia_gym.agents.evaluation.evaluator import (
    EVALUATION_STREAM,
    Column,
    Evaluator,
    Example,
    Labels,
    preserve_random_state,
)
from ia_gym.agents.evaluation.question_evaluator import average_by_part
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.envs import DecompositionVectorEnv
from ia_gym.envs.questions.config import find_script
from ia_gym.validation import check_range

if TYPE_CHECKING:
    import pandas as pd


class DecompositionEvaluator(Evaluator):
    """Evaluates agents on held-out questions to decompose, always the same ones, of all depths.

    The assistant and the judge are those of the environment. The score is the share of questions
    whose final answer is true.

    Args:
        env_id: "IA-Decompose-<Domain>-v0".
        n_questions: to decompose, 1..100,000.
        seed: another seed, other questions; whatever it is, no training seed gives them.
        **env_kwargs: the environment's arguments; ``max_depth`` is left out.

    Raises:
        ValueError: for an argument out of range, or another kind of environment.
    """

    labels = Labels(
        title="decomposition of questions",
        unit="questions",
        trained_on="steps",
        score="eval/accuracy",
        score_label="accuracy",
        approval_is_share=True,
        overapproval=Column("overseer/overapproval", "approval less accuracy, %", "percent"),
        has_depths=True,
        columns=(
            Column("overseer/approval", "approval, %", "percent"),
            Column("eval/reward", "reward", "number"),
            Column("eval/n_questions", "questions to the assistant", "number"),
            Column("eval/n_rounds", "sub-questions", "number"),
        ),
        references=("novice", "scripted"),
    )
    counters: ClassVar[tuple[str, ...]] = ("human_interactions", "assistant_answers")

    def __init__(
        self, env_id: str, n_questions: int = 1024, seed: int = 0, **env_kwargs: Any
    ) -> None:
        if not asks_for_decomposition(env_id):
            raise ValueError(f"env_id must be IA-Decompose-<Domain>-v0, got {env_id!r}")
        self.env_id = env_id
        self.n_questions = check_range("n_questions", n_questions, 1, 10**5)
        check_range("seed", seed, 0, 2**32 - 1)
        kwargs = {**env_kwargs, "questions_per_context": 1, "max_depth": None}
        vec: Any = gym.make_vec(env_id, n_questions, **kwargs).unwrapped
        self.venv: DecompositionVectorEnv = vec
        stream = np.random.SeedSequence(seed, spawn_key=(EVALUATION_STREAM,))
        self.seed = int(np.random.default_rng(stream).integers(2**31))

    @property
    def domain(self) -> Domain:
        """The domain of the questions."""
        return self.venv.domain

    @property
    def n_problems(self) -> int:
        """Held-out questions."""
        return self.n_questions

    @property
    def layout(self) -> dict[str, Any]:
        """See :class:`~ia_gym.agents.evaluation.evaluator.Evaluator`."""
        return {
            "Truth": {"accuracy": ["Multiline", ["eval/accuracy$", "reference/.*"]]},
            "Overseer": {
                "approval": ["Multiline", ["overseer/approval$"]],
                "approval less accuracy": ["Multiline", ["overseer/overapproval$"]],
            },
            "Decomposition": {
                "reward": ["Multiline", ["eval/reward$"]],
                "sub-questions": ["Multiline", ["eval/n_questions$", "eval/n_rounds$"]],
            },
        }

    def evaluate(
        self, model: PolicyPredictor, assistant: Assistant | None = None
    ) -> dict[str, float]:
        """Let ``model`` decompose all questions by its best actions.

        Args:
            model: the agent.
            assistant: answers the sub-questions, the judge's too; default the environment's.

        Returns:
            By TensorBoard tag: ``eval/accuracy``, also by kind and class such as
            ``eval/accuracy_depth_3``; ``eval/reward`` (approval less all costs),
            ``eval/n_questions`` (sub-questions that the assistant answered) and ``eval/n_rounds``
            (all of them), each a mean over the questions; ``overseer/approval`` and
            ``overseer/overapproval`` (approval less accuracy).
        """
        with preserve_random_state():
            return self._play(model, assistant)[0]

    def _play(
        self, model: PolicyPredictor, assistant: Assistant | None
    ) -> tuple[dict[str, float], Transcript, Symbols]:
        """Measurements, transcripts and answers."""
        vec, n = self.venv, self.n_questions
        encoder = find_model_encoder(model, vec.single_observation_space)
        takes_masks = "action_masks" in inspect.signature(model.predict).parameters
        engine, own = vec.engine, vec.engine.assistant
        if assistant is not None:
            engine.assistant = assistant
        vec.reset(seed=self.seed)
        going, answers = np.ones(n, bool), np.zeros(n, np.int64)
        sums = np.zeros(2)  # rewards, approvals
        while going.any():
            shown = encoder(vec._observe())
            masks: dict[str, Any] = {"action_masks": vec.action_masks()} if takes_masks else {}
            actions = model.predict(shown, deterministic=True, **masks)[0]
            rows = np.flatnonzero(going)
            outcome = engine.step(rows, np.asarray(actions, np.int64)[rows])
            sums += [outcome.rewards.sum(), outcome.approvals.sum()]
            answers[rows] = outcome.answers
            going[rows] = ~outcome.ended
        engine.assistant = own
        reward, approval = (sums / n).tolist()
        scores = self._score(answers)
        accuracy = scores[self.labels.score_name]
        measured = {
            **{f"eval/{tag}": share for tag, share in scores.items()},
            "eval/reward": reward,
            "eval/n_questions": float(engine.n_questions.mean()),
            "eval/n_rounds": float(engine.n_rounds.mean()),
            "overseer/approval": approval,
            "overseer/overapproval": approval - accuracy,
        }
        return measured, engine.transcript, answers

    def references(self) -> dict[str, dict[str, float]]:
        """Scores of the ``novice`` and of the domain's own script (``scripted``).

        Each decomposes the same questions, with the environment's assistant.
        """
        self.venv.reset(seed=self.seed)
        scores = {}
        for name in self.labels.references:
            scores[name] = self._score(self._follow(name)[0])
        return scores

    def _score(self, answers: Symbols) -> dict[str, float]:
        """The share of ``answers (n,)`` that are true, also by kind and class."""
        domain, (contexts, questions) = self.domain, self._batch
        right = domain.is_correct(contexts, questions, answers[:, None])
        classes = domain.merged_into[domain.classes(contexts, questions)]
        return average_by_part(domain, domain.kind(questions), classes, right)

    @property
    def _batch(self) -> tuple[Any, Symbols]:
        """Contexts ``(n,)`` and questions ``(n, 1, Lq)``."""
        return self.venv.engine.contexts, self.venv.engine.questions[:, None]

    def _follow(self, script: str) -> tuple[Symbols, Transcript]:
        """Answers ``(n,)`` and transcripts ``(n,)`` of an overseer that follows a script."""
        cls = find_script(self.venv.config.domain, script)
        sizes = {"size": self.domain.size, "max_size": self.domain.max_size}
        overseer = ScriptedOverseer(cls(**sizes, **self.venv.config.domain_kwargs))
        rng = np.random.default_rng(self.seed)
        transcript = amplify(overseer, self.venv.engine.assistant, rng, *self._batch, judging=False)
        return overseer.answer(*self._batch, transcript)[:, 0], transcript[:, 0]

    @classmethod
    def headline(cls, row: Mapping[str, float]) -> str:
        """See :class:`~ia_gym.agents.evaluation.evaluator.Evaluator`."""
        return (
            f"accuracy {row['eval/accuracy']:6.1%}  approval {row['overseer/approval']:6.1%}"
            f"  reward {row['eval/reward']:5.2f}  questions {row['eval/n_questions']:.2f}"
        )

    def showing(
        self,
        model: PolicyPredictor,
        assistant: Assistant | None = None,
        number: int | None = None,
        levels: int | None = None,
        unfold: bool = False,
    ) -> Example:
        """A question, as the novice decomposes it and as the agent does, side by side.

        Args:
            model: the agent.
            assistant: as for :meth:`evaluate`.
            number: of the question, 0 to ``n_problems - 1``; default the first that is answered
                wrongly, or 0.
            levels: None; only one level is shown.
            unfold: False, likewise.

        Raises:
            ValueError: for a number out of range, or ``levels`` or ``unfold``.
        """
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        for name, given in (("levels", levels), ("unfold", unfold or None)):
            if given is not None:
                raise ValueError(
                    f"{name} is for environments that ask questions, got {given} for {self.env_id}"
                )
        with preserve_random_state():
            _, transcript, answers = self._play(model, assistant)
        domain, (contexts, questions) = self.domain, self._batch
        right = domain.is_correct(contexts, questions, answers[:, None])[:, 0]
        number = int((~right).argmax()) if number is None else number
        check_range("number", number, 0, self.n_problems - 1)
        novice_answers, novice_transcript = self._follow("novice")
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("novice")
        table.add_column("agent")
        lines = [
            describe_decomposition(domain, asked[number], int(answered[number]))
            for asked, answered in ((novice_transcript, novice_answers), (transcript, answers))
        ]
        for i in range(max(map(len, lines))):
            table.add_row(*(each[i] if i < len(each) else "" for each in lines))
        truth = domain.truth(contexts, questions)[number, 0]
        return Example(
            title=f"{self.env_id}, held-out question {number}: "
            f"{domain.question_text(questions[number, 0])}",
            context=domain.context_text(contexts[number]),
            body=table,
            summary=f"truth {domain.answer_text(int(truth))}",
        )

    def load_assistant(
        self, path: Path, model: Any, answering: Mapping[str, Any] | None
    ) -> Assistant | None:
        """None: the environment has its assistant."""
        return None

    @classmethod
    def describe(cls, env_id: str) -> dict[str, str]:
        """Names in a context, tokens of an observation, and actions."""
        env: Any = gym.make(env_id, reward="truth").unwrapped
        return {
            "names": str(env.domain.size),
            "tokens": str(env.observation_space.shape[0]),
            "actions": str(env.action_space.n),
        }

    @classmethod
    def overseer_kwargs(cls, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All of them, since they say who answers and who judges."""
        return dict(env_kwargs)

    @classmethod
    def read_curve(cls, env_id: str, curve: pd.DataFrame) -> pd.DataFrame:
        """The curve as it is."""
        return curve


def asks_for_decomposition(env_id: str) -> bool:
    """Whether an environment is one of decomposition, by its entry point."""
    spec = gym.registry.get(str(env_id).removeprefix("ia_gym:"))
    return spec is not None and spec.entry_point == "ia_gym.envs:DecompositionEnv"


def describe_decomposition(domain: Domain, transcript: Transcript, answer: int) -> list[str]:
    """The sub-questions of one transcript (batch shape ``()``) and the answer, a line each."""
    lines = []
    rows: NDArray[Any] = transcript.questions
    for row, said in zip(rows, transcript.answers, strict=True):
        if row[0]:
            looked_up = " (looked up)" if domain.is_primitive(row) else ""
            text = f"{domain.question_text(row)} = {domain.answer_text(int(said))}"
            lines.append(text + looked_up)
    return [*lines, f"answer {domain.answer_text(answer)}"]
