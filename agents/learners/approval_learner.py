"""What the learners that are rewarded with approval share: answers, and what H thinks of them.

The two updates of the post on RL-based Iterated Amplification are in ``reinforce.py`` and
``answer_search.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.amplification.batches import Batch
from ia_gym.domains.transcript import IDK
from ia_gym.validation import check_range


class ApprovalLearner(AmplifiedLearner):
    """An agent that learns from the amplified overseer's approval, M2("how good is answer a?").

    H, with the help of X's slow copy, takes each question apart once; what comes back serves to
    judge as many answers as there are.

    Args:
        policy: see :class:`~ia_gym.agents.learners.amplified_learner.AmplifiedLearner`, as for all
            that follow but these.
        env: see there.
        n_samples: answers to a question that are judged; None judges all of them, so that nothing
            is left to chance where answers are few.
        **kwargs: see there.
    """

    def __init__(
        self,
        policy: Any = "MultiInputPolicy",
        env: Any = None,
        n_samples: int | None = 4,
        **kwargs: Any,
    ) -> None:
        self.n_samples = None if n_samples is None else check_range("n_samples", n_samples, 1, 1000)
        super().__init__(policy, env, **kwargs)

    def approvals(self, batch: Batch, answers: NDArray[np.int64]) -> Tensor:
        """What H thinks of ``answers (B, Q, S)``: float32 in [0, 1], of the same shape.

        H' approves of an answer that equals its own.
        """
        if self.predictor_trainer is not None:
            judged = (answers == batch.targets[..., None]) & (answers != IDK)
        else:
            case = batch.contexts, batch.questions, batch.transcript
            columns = np.moveaxis(answers, -1, 0)
            judged = np.stack([self.overseer.judge(*case, column) for column in columns], axis=-1)
        self.logger.record("train/approval", judged.mean())
        return torch.as_tensor(judged, dtype=torch.float32, device=self.device)

    def list_answers(self, batch: Batch) -> NDArray[np.int64]:
        """Every answer but idk, to every question: ``(B, Q, n_answers - 1)``."""
        every = np.arange(IDK + 1, self.domain.n_answers)
        return np.tile(every, (*batch.targets.shape, 1))

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "n_samples": self.n_samples}
