"""Actors that draw batches of questions and answer them with the amplified overseer.

The learner trains meanwhile. Every batch is a function of the seed, its number and the weights that
answer it, whichever actor makes it and however often: an actor that dies is started again, and
makes the same batch. Batches are taken in the order of their numbers, so that a training with
workers is as repeatable as one without.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from torch import Tensor

from ia_gym.agents.ray.session import connect
from ia_gym.amplification.amplified_assistants import DecomposingFallbackAssistant
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.batches import Batch, sample_batch
from ia_gym.amplification.overseers import Overseer
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.networks.network_assistant import NetworkAssistant

DEPTH = 2
"""Batches that each actor has been asked for at a time: it makes one while the other waits."""
RESTARTS = 1000
"""How often an actor is started again that has died."""
COUNTERS = ("human_interactions", "assistant_answers")
"""What an overseer counts."""


@dataclass(frozen=True)
class Snapshot:
    """What the actors work with until the next one.

    Attributes:
        network: weights of the averaged network, which answers sub-questions.
        predictor: weights of the human predictor; empty for none.
        difficulty: ``size`` and ``depths`` of the questions.
    """

    network: dict[str, Tensor]
    predictor: dict[str, Tensor]
    difficulty: dict[str, Any]


@dataclass(frozen=True)
class WorkerBatch:
    """What an actor returns.

    Attributes:
        batch: questions and the amplified overseer's answers, without the transcript.
        confidence: of the human predictor, ``(B, Q)``; None without one.
        counts: by how much the overseer's counters went up, by name.
    """

    batch: Batch
    confidence: Any
    counts: dict[str, int]


class AmplificationWorker:
    """Draws and answers batches; an actor of Ray's runs it.

    Args:
        overseer: the overseer or the human predictor in its place; a copy.
        assistant: the averaged network as an assistant; a copy.
        seed: of all batches.
        n_contexts: contexts in a batch.
        n_questions: questions about each context.
        levels: levels of amplification.
    """

    def __init__(
        self,
        overseer: Overseer,
        assistant: NetworkAssistant,
        seed: int,
        n_contexts: int,
        n_questions: int,
        levels: int,
    ) -> None:
        torch.set_num_threads(1)
        self.overseer, self.assistant, self.seed = overseer, assistant, seed
        self.n_contexts, self.n_questions, self.levels = n_contexts, n_questions, levels
        self.version: int | None = None
        self.difficulty: dict[str, Any] = {}

    def load(self, version: int, snapshot: Snapshot) -> None:
        """Work with ``snapshot`` from now on."""
        self.assistant.network.load_state_dict(snapshot.network)
        if isinstance(self.overseer, LearnedOverseer):
            self.overseer.predictor.load_state_dict(snapshot.predictor)
        self.version, self.difficulty = version, snapshot.difficulty

    def make_batch(self, number: int) -> WorkerBatch:
        """Make batch ``number``, by a random stream of its own."""
        words = np.random.SeedSequence([self.seed, number]).generate_state(4)
        rng = np.random.default_rng(words[:3])
        torch.manual_seed(int(words[3]))
        before = [getattr(self.overseer, name) for name in COUNTERS]
        assistant: Assistant = self.assistant
        if self.levels > 1:
            assistant = DecomposingFallbackAssistant(self.overseer, assistant, rng, self.levels - 1)
        batch = sample_batch(
            self.overseer, assistant, rng, self.n_contexts, self.n_questions, **self.difficulty
        )
        # Learners that take workers train on the answers alone.
        stripped = batch.strip()
        after = [getattr(self.overseer, name) for name in COUNTERS]
        counts = {name: b - a for name, a, b in zip(COUNTERS, before, after, strict=True)}
        return WorkerBatch(stripped, getattr(self.overseer, "confidence", None), counts)

    def answer_request(self, number: int, version: int, snapshot: list[Any]) -> WorkerBatch:
        """Make batch ``number`` with the snapshot ``version``, whose reference is in a list."""
        if version != self.version:
            self.load(version, ray.get(snapshot[0]))
        return self.make_batch(number)


class WorkerPool:
    """The actors of a learner, and the batches they have been asked for.

    A batch taken after ``s`` updates was answered with weights of at least ``s - (DEPTH * n_workers
    + period - 1)`` updates: the staleness is bounded.

    Args:
        n_workers: actors, one core each.
        period: updates from one snapshot to the next.
        draw_seed: gives the seed of all batches; called when the first one is taken, unless the
            pool was restored.
        make_worker: gives the arguments of :class:`AmplificationWorker` but the seed, by name.
        take_snapshot: gives the learner's present weights and difficulty.

    Attributes:
        staleness: updates between the weights behind the last batch and now.
        waited: seconds that the learner has waited for batches so far.
    """

    def __init__(
        self,
        n_workers: int,
        period: int,
        draw_seed: Callable[[], int],
        make_worker: Callable[[], dict[str, Any]],
        take_snapshot: Callable[[], Snapshot],
    ) -> None:
        self.n_workers, self.period, self.draw_seed = n_workers, period, draw_seed
        self.make_worker, self.take_snapshot = make_worker, take_snapshot
        self.seed: int | None = None
        self.next_number = 0
        self.asked: deque[tuple[int, int]] = deque()  # numbers and versions, the oldest first
        self.snapshots: dict[int, Snapshot] = {}
        self.staleness, self.waited = 0, 0.0
        self._open: ExitStack | None = None
        self._actors: list[Any] = []
        self._references: dict[int, Any] = {}  # to snapshots in the object store, by version
        self._answers: dict[int, Any] = {}  # to batches to come, by number

    def take(self, step: int) -> WorkerBatch:
        """The next batch.

        Args:
            step: updates of the learner so far.

        Raises:
            RuntimeError: if an actor died more often than ``RESTARTS`` times.
        """
        if self._open is None:
            self._start()
        while len(self.asked) < DEPTH * self.n_workers:
            self._ask(step)
        number, version = self.asked.popleft()
        began = time.perf_counter()
        try:
            answer: WorkerBatch = ray.get(self._answers.pop(number))
        except ray.exceptions.ActorDiedError as error:
            raise RuntimeError(f"a worker died {RESTARTS} times: {error}") from error
        self.waited += time.perf_counter() - began
        self.staleness = step - version
        self._ask(step)
        return answer

    def _ask(self, step: int) -> None:
        """Ask for one more batch, with the snapshot of the present period."""
        latest = max(self.snapshots, default=None)
        if latest is None or step - latest >= self.period:
            latest = step
            self.snapshots[step] = self.take_snapshot()
        self.asked.append((self.next_number, latest))
        self._send(*self.asked[-1])
        self.next_number += 1
        used = {version for _, version in self.asked} | {latest}
        self.snapshots = {v: one for v, one in self.snapshots.items() if v in used}
        self._references = {v: one for v, one in self._references.items() if v in used}

    def _send(self, number: int, version: int) -> None:
        """Send a request to the actor whose turn it is."""
        if version not in self._references:
            self._references[version] = ray.put(self.snapshots[version])
        actor = self._actors[number % self.n_workers]
        request = actor.answer_request.remote(number, version, [self._references[version]])
        self._answers[number] = request

    def _start(self) -> None:
        """Start the actors, and ask again for the batches that were under way."""
        if self.seed is None:
            self.seed = self.draw_seed()
        self._open = ExitStack()
        self._open.enter_context(connect(num_cpus=self.n_workers))
        options = {"num_cpus": 1, "max_restarts": RESTARTS, "max_task_retries": -1}
        remote = ray.remote(**options)(AmplificationWorker)
        arguments = self.make_worker()
        self._actors = [remote.remote(seed=self.seed, **arguments) for _ in range(self.n_workers)]
        for number, version in self.asked:
            self._send(number, version)

    def close(self) -> None:
        """Stop the actors; batches under way are asked for again by the next :meth:`take`."""
        if self._open is None:
            return
        for actor in self._actors:
            ray.kill(actor)
        self._actors, self._references, self._answers = [], {}, {}
        self._open.close()
        self._open = None

    # ------------------------------------------------------------ save and load

    def tensors(self) -> dict[str, Tensor]:
        """All that the batches to come depend on, as a flat dict for a file of tensors."""
        if self.seed is None:
            return {}  # nothing was asked for yet
        found = {
            "seed": torch.tensor(self.seed),
            "next_number": torch.tensor(self.next_number),
            "asked": torch.tensor(list(self.asked), dtype=torch.int64).reshape(-1, 2),
        }
        for version, one in self.snapshots.items():
            for part in ("network", "predictor"):
                for name, value in getattr(one, part).items():
                    found[f"snapshots/{version}/{part}/{name}"] = value
            for name, value in one.difficulty.items():
                if value is not None:
                    found[f"snapshots/{version}/difficulty/{name}"] = torch.tensor(value)
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave."""
        self.seed = int(tensors["seed"])
        self.next_number = int(tensors["next_number"])
        self.asked = deque((int(number), int(version)) for number, version in tensors["asked"])
        parts: dict[int, dict[str, dict[str, Any]]] = {}
        for key, value in tensors.items():
            if key.startswith("snapshots/"):
                _, version, part, name = key.split("/", 3)
                empty: dict[str, dict[str, Any]] = {
                    "network": {},
                    "predictor": {},
                    "difficulty": {"size": None, "depths": None},
                }
                into = parts.setdefault(int(version), empty)
                into[part][name] = value.tolist() if part == "difficulty" else value
        self.snapshots = {version: Snapshot(**found) for version, found in parts.items()}
