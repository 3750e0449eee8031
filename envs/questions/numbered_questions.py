"""Endless questions of an environment, each known by its number alone."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import Symbols
from ia_gym.envs.questions.config import QuestionConfig
from ia_gym.envs.questions.observations import ObservationEncoding
from ia_gym.envs.questions.question_env import QuestionEnv
from ia_gym.envs.questions.texts import TEXT_MODES
from ia_gym.validation import check_range

CONTEXTS, QUESTIONS = 256, 8
"""Contexts in a block, and questions about each. Neighbours in number are of different contexts."""
BLOCK = CONTEXTS * QUESTIONS

KEPT_BLOCKS = 64
"""Blocks that are kept in memory, those used last."""

NUMBERED_STREAM = 0x4E554D
"""Sets the random streams of blocks apart from all others of a seed."""


class Block(NamedTuple):
    """The questions of ``BLOCK`` numbers."""

    contexts: Contexts  # (CONTEXTS,)
    questions: Symbols  # (CONTEXTS, QUESTIONS, Lq)
    texts: Sequence[str]  # by number


class NumberedQuestions:
    """Question ``number`` of a seed is always the same, whoever asks for it, and in any order.

    So a data set need not be stored, and a question can be judged wherever its id turns up: in
    another process, or after a training was resumed. The distribution is that of the environment.

    Args:
        env_id: id of a question environment.
        seed: 0..2^32 - 1; another seed, other questions.
        observation: "prompt" or "text", see
            :class:`~ia_gym.envs.questions.observations.ObservationEncoding`.
        **env_kwargs: the environment's other arguments.

    Attributes:
        config: the environment's arguments.
        domain: of the questions.

    Raises:
        ValueError: for an argument out of range, or an environment that asks no questions.
    """

    def __init__(
        self, env_id: str, seed: int = 0, observation: str = "prompt", **env_kwargs: Any
    ) -> None:
        self.seed = check_range("seed", seed, 0, 2**32 - 1)
        if observation not in TEXT_MODES:
            raise ValueError(f"observation must be one of {list(TEXT_MODES)}, got {observation!r}")
        needed = f"env_id must be of an environment that asks questions, got {env_id!r}"
        try:
            env = gym.make(env_id, observation=observation, **env_kwargs).unwrapped
        except TypeError as error:  # an argument that it does not take
            raise ValueError(f"{needed}: {error}") from error
        if not isinstance(env, QuestionEnv):
            raise ValueError(needed)
        self.env_id = env_id
        self.config: QuestionConfig = env.config
        self.domain: Domain = env.domain
        self.encoding: ObservationEncoding = env.encoding
        arguments = {"max_size": self.domain.max_size, **self.config.domain_kwargs}
        described = json.dumps(arguments, sort_keys=True, default=str)
        self._prefix = f"{self.domain.name}-N{self.domain.size} {described} seed {seed} #"
        self._blocks: OrderedDict[int, Block] = OrderedDict()

    def find(self, numbers: Sequence[int] | NDArray[np.integer]) -> tuple[Contexts, Symbols]:
        """The contexts ``(n,)`` and questions ``(n, Lq)`` of ``n`` numbers."""
        blocks, places, entries = self._locate(numbers)
        contexts = np.empty(len(blocks), self._get(0).contexts.dtype)
        questions = np.empty((len(blocks), self.domain.question_length), np.int64)
        for number in np.unique(blocks).tolist():
            here, block = blocks == number, self._get(number)
            contexts[here] = block.contexts[places[here]]
            questions[here] = block.questions[places[here], entries[here]]
        return contexts, questions

    def describe(self, numbers: Iterable[int]) -> list[str]:
        """The questions of some numbers as text, with their contexts."""
        last = -1  # neighbours are of one block, mostly
        texts: Sequence[str] = ()
        found: list[str] = []
        for block, place in map(divmod, numbers, repeat(BLOCK)):
            if block != last:
                last, texts = block, self._get(block).texts
            found.append(texts[place])
        return found

    def make_id(self, number: int) -> str:
        """An id that says, beside the number, which questions it counts."""
        return f"{self._prefix}{number}"

    def read_ids(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The numbers ``(n,)`` of ids that :meth:`make_id` has made.

        Raises:
            ValueError: for an id of other questions: of another domain, size or seed.
        """
        numbers = np.empty(len(ids), np.int64)
        for i, each in enumerate(ids):
            number = each.removeprefix(self._prefix) if isinstance(each, str) else ""
            if number == each or not number.isdecimal():
                raise ValueError(f"question_id must begin with {self._prefix!r}, got {each!r}")
            numbers[i] = int(number)
        return numbers

    def _locate(
        self, numbers: Sequence[int] | NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Block, context and question of each number."""
        blocks, rest = np.divmod(np.asarray(numbers, np.int64), BLOCK)
        entries, places = np.divmod(rest, CONTEXTS)
        return blocks, places, entries

    def _get(self, number: int) -> Block:
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= KEPT_BLOCKS:
                self._blocks.popitem(last=False)
            block = self._blocks[number] = self._draw(number)
        else:
            self._blocks.move_to_end(number)
        return block

    def _draw(self, number: int) -> Block:
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(NUMBERED_STREAM, number))
        )
        contexts = self.domain.sample_contexts(rng, CONTEXTS)
        questions = self.domain.sample_questions(rng, contexts, QUESTIONS)
        in_order = questions.swapaxes(0, 1).reshape(BLOCK, -1)
        texts = self.encoding.describer.describe(contexts["facts"], in_order)
        return Block(contexts, questions, texts)
