"""Questions in reasoning-gym's form: a procedural data set that scores answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, make_dataclass
from typing import Any

from ia_gym.domains import DOMAINS
from ia_gym.domains.answer_parser import AnswerParser
from ia_gym.envs.questions.numbered_questions import BLOCK, KEPT_BLOCKS, NumberedQuestions
from ia_gym.validation import check_range


class QuestionDataset:
    """Questions of an environment with their true answers, as reasoning-gym has its data sets.

    An entry is a dict of ``question`` (a prompt), ``answer`` (the true one, as text) and
    ``metadata``: ``source_dataset`` and ``source_index``, ``question_id``, ``kind``, and
    ``difficulty``, a dict of ``depth`` and ``size``. Entry i of a seed is always the same.

    Args:
        env_id: id of a question environment.
        size: entries, 1..10^9.
        seed: another seed, other questions.
        observation: "prompt" or "text".
        n_names: names in a context, the environment's ``size``; default its own.
        **env_kwargs: the environment's other arguments.

    Raises:
        ValueError: for an argument out of range, or an environment that asks no questions.
    """

    def __init__(
        self,
        env_id: str,
        size: int = 500,
        seed: int = 0,
        observation: str = "prompt",
        n_names: int | None = None,
        **env_kwargs: Any,
    ) -> None:
        self.size = check_range("size", size, 1, 10**9)
        if n_names is not None:
            env_kwargs["size"] = n_names
        self.questions = NumberedQuestions(env_id, seed, observation, **env_kwargs)
        self.domain = self.questions.domain
        self.parser = AnswerParser(self.domain)
        self._source = make_dataset_name(self.domain.name)
        self._known: dict[int, list[tuple[str, str, str, int]]] = {}  # by block

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.__getitem__, range(self.size))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The entry at ``index``, 0 to ``len(self) - 1``.

        Raises:
            IndexError: for another index.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"index must be in 0..{self.size - 1}, got {index}")
        block, place = divmod(index, BLOCK)
        question, answer, kind, depth = self._find_known(block)[place]
        return {
            "question": question,
            "answer": answer,
            "metadata": {
                "source_dataset": self._source,
                "source_index": index,
                "question_id": self.questions.make_id(index),
                "kind": kind,
                "difficulty": {"depth": depth, "size": self.domain.size},
            },
        }

    def _find_known(self, block: int) -> list[tuple[str, str, str, int]]:
        """Text, answer, kind and depth of the questions of a block, found all at once."""
        if block not in self._known:
            if len(self._known) >= KEPT_BLOCKS:
                self._known.clear()
            domain = self.domain
            numbers = range(block * BLOCK, (block + 1) * BLOCK)
            contexts, asked = self.questions.find(numbers)
            asked = asked[:, None]
            answers = map(domain.answer_text, domain.truth(contexts, asked)[:, 0].tolist())
            kinds = [domain.kinds[kind] for kind in domain.kind(asked)[:, 0].tolist()]
            depths = domain.depth(contexts, asked)[:, 0].tolist()
            self._known[block] = list(
                zip(self.questions.describe(numbers), answers, kinds, depths, strict=True)
            )
        return self._known[block]

    def score_answer(self, answer: str | None, entry: dict[str, Any]) -> float:
        """1.0 for a true answer to an entry, else 0.0, also where there is none.

        Every true answer counts, also where a question has several. What is accepted as an answer:
        :mod:`ia_gym.domains.answer_parser`.

        Raises:
            ValueError: for an entry of other questions.
        """
        contexts, asked = self.questions.find(
            self.questions.read_ids([entry["metadata"]["question_id"]])
        )
        if not isinstance(answer, str):
            return 0.0
        answers = self.parser.parse([answer], asked).answers[:, None]
        return float(self.domain.is_correct(contexts, asked[:, None], answers)[0, 0])


def make_dataset_name(domain: str) -> str:
    """The name of a domain's data set: ``ia_shortest_path`` for ShortestPath."""
    return "ia" + "".join(f"_{each.lower()}" if each.isupper() else each for each in domain)


def register_with_reasoning_gym() -> list[str]:
    """Register the five domains with ``reasoning_gym``, and return their names.

    Then ``reasoning_gym.create_dataset("ia_permutation", n_names=16, size=100, seed=42)`` makes
    one, and composite data sets can mix them with others. The arguments are ``size``, ``seed``,
    ``observation`` and ``n_names`` of :class:`QuestionDataset`. A second call changes nothing.

    Raises:
        ModuleNotFoundError: if the package is not installed.
    """
    import reasoning_gym.factory as factory

    names = []
    for domain in DOMAINS:
        name = make_dataset_name(domain)
        if name not in factory.DATASETS:
            config = make_dataclass(
                f"{domain}Config",
                [
                    ("n_names", int, field(default=DOMAINS[domain].base_size)),
                    ("observation", str, field(default="prompt")),
                    ("size", int, field(default=500)),
                    ("seed", "int | None", field(default=None)),
                ],
            )
            factory.register_dataset(name, make_dataset_class(domain), config)
        names.append(name)
    return names


def make_dataset_class(domain: str) -> Any:
    """A subclass of reasoning-gym's ``ProceduralDataset`` for one domain."""
    from reasoning_gym.factory import ProceduralDataset

    class Questions(ProceduralDataset):  # type: ignore[misc]
        """A :class:`QuestionDataset` as one of reasoning-gym's own."""

        def __init__(self, config: Any) -> None:
            super().__init__(config=config, seed=config.seed, size=config.size)
            self.entries = QuestionDataset(
                f"IA-{domain}-v0",
                self.size,
                self.seed % 2**32,
                config.observation,
                config.n_names,
            )

        def __getitem__(self, idx: int) -> dict[str, Any]:
            return self.entries[idx]

        def score_answer(self, answer: str | None, entry: dict[str, Any]) -> float:
            return self.entries.score_answer(answer, entry)

    Questions.__name__ = Questions.__qualname__ = f"{domain}Dataset"
    return Questions
