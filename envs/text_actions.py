"""Wrappers around question environments that are answered in text."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from ia_gym.domains import Domain
from ia_gym.domains.answer_parser import AnswerParser, ParsedAnswers
from ia_gym.domains.transcript import Symbols
from ia_gym.envs.questions.question_env import QuestionEnv
from ia_gym.envs.questions.question_vector_env import QuestionVectorEnv
from ia_gym.validation import check_range

MAX_LENGTH_LIMIT = 10**6


class TextActions(gym.Wrapper[Any, str, Any, Any], RecordConstructorArgs):
    """Answers in text, by the grammar of :mod:`ia_gym.domains.answer_parser`.

    A text without an answer counts as "I don't know". ``info["unparsed"]`` says so after ``step``,
    and ``n_unparsed`` counts them. With ``observation="prompt"`` or "text" an environment is text
    in both directions::

        env = TextActions(gym.make("IA-Permutation-v0", observation="prompt"))
        prompt, _ = env.reset(seed=0)
        _, reward, _, _, info = env.step("σ^2(3) is <answer>4</answer>")

    Args:
        env: a question environment.
        max_length: of a text in the action space, 1..1,000,000 characters. ``step`` takes longer
            ones, and any characters, too.

    Attributes:
        n_unparsed: texts without an answer so far.

    Raises:
        ValueError: for another environment, or a length out of range.
    """

    def __init__(self, env: gym.Env[Any, Any], max_length: int = 256) -> None:
        RecordConstructorArgs.__init__(self, max_length=max_length)
        gym.Wrapper.__init__(self, env)
        if not isinstance(env.unwrapped, QuestionEnv):
            raise ValueError(
                f"env must be a question environment, got {type(env.unwrapped).__name__}"
            )
        self.parser = AnswerParser(env.unwrapped.domain)
        self.action_space = make_answer_space(env.unwrapped.domain, max_length)
        self.n_unparsed = 0

    def step(self, action: str) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Answer the question in text.

        Raises:
            ValueError: for an action that is no string; nothing is changed then.
        """
        read = read_answers(self.parser, self.env.unwrapped, [action])
        observation, reward, terminated, truncated, info = self.env.step(read.answers[0])
        self.n_unparsed += int(not read.parsed[0])
        info["unparsed"] = np.array(not read.parsed[0])
        return observation, reward, terminated, truncated, info


class TextActionsVectorWrapper(VectorWrapper):
    """:class:`TextActions` for native vector environments, in any autoreset mode.

    ``infos["unparsed"]`` stands beside the approvals: in ``infos["final_info"]`` in mode SAME_STEP.

    Args:
        env: a vector question environment.
        max_length: of a text in the action space, 1..1,000,000 characters.

    Attributes:
        n_unparsed: texts without an answer so far.

    Raises:
        ValueError: for another environment, or a length out of range.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], max_length: int = 256) -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, QuestionVectorEnv):
            raise ValueError(
                "env must be a native vector of question environments, got "
                f"{type(env.unwrapped).__name__}"
            )
        self.parser = AnswerParser(env.unwrapped.domain)
        self.single_action_space = make_answer_space(env.unwrapped.domain, max_length)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self.n_unparsed = 0

    def step(self, actions: Sequence[str]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Answer the questions in text; those of environments that reset are ignored.

        Raises:
            ValueError: unless there is a string for each environment; nothing is changed then.
        """
        read = read_answers(self.parser, self.env.unwrapped, actions)
        result = self.env.step(read.answers)
        _, _, terminated, _, infos = result
        unparsed = terminated & ~read.parsed
        self.n_unparsed += int(np.count_nonzero(unparsed))
        answered = infos["final_info"] if self.same_step else infos
        answered["unparsed"], answered["_unparsed"] = unparsed, terminated.copy()
        return result


def make_answer_space(domain: Domain, max_length: int) -> spaces.Text:
    """Texts of printable ASCII and of the characters in the domain's answers, empty ones too.

    Raises:
        ValueError: for a length out of range.
    """
    check_range("max_length", max_length, 1, MAX_LENGTH_LIMIT)
    answers = map(domain.answer_text, range(domain.n_answers))
    characters = set().union(string.printable, *answers)
    return spaces.Text(max_length, min_length=0, charset="".join(sorted(characters)))


def read_answers(parser: AnswerParser, env: Any, texts: Sequence[str]) -> ParsedAnswers:
    """Read the answers to the questions that an environment, or a vector of them, shows.

    Raises:
        gymnasium.error.ResetNeeded: before the first ``reset``.
        ValueError: unless there is a string for each environment.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"actions must be texts, one for each environment, got {texts!r}")
    env.action_masks()  # there must be questions
    questions: Symbols = env.engine.questions
    return parser.parse(texts, questions)
