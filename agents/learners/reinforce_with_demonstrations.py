"""RL on approval and imitation in one learner, which the post ends with."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ia_gym.agents.learners.answer_learner import select_prefix
from ia_gym.agents.learners.reinforce import Reinforce
from ia_gym.domains.transcript import Symbols
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_number, check_range


class Demonstrations(NamedTuple):
    """What Amplify^H(X) answered in one step: ``(B, F, L)``, ``(B, Q, Lq)`` and ``(B, Q)``."""

    facts: Symbols
    questions: Symbols
    targets: Symbols


class ReinforceWithDemonstrations(Reinforce):
    """REINFORCE on approval, with demonstrations of the amplified overseer in every batch.

    After Deep Q-learning from Demonstrations (Hester et al., 2018), which the post names: the first
    steps only imitate and fill a buffer; from then on a share of each batch comes from the buffer,
    with a cross-entropy term. The buffer is short, for an older X's help made its answers. The post
    asks for care about how far RL may lead away from what was demonstrated: a reference policy
    learns from the demonstrations alone, and the divergence from it can be limited.

    Args:
        policy: see :class:`~ia_gym.agents.learners.reinforce.Reinforce`, as for all that follow but these.
        env: see there.
        pretraining_steps: steps of imitation alone, at first.
        demo_share: demonstrated contexts in a step, as a share of ``n_contexts``.
        buffer_steps: steps whose demonstrations are kept.
        rl_weight: of the approval term, once the buffer is seeded.
        imitation_weight: of the cross-entropy with the demonstrations; a pair gives its values at
            the beginning and at the end of training, with a straight line in between.
        max_drift: Kullback-Leibler divergence, in nats a question, that X may have from the
            reference policy; None for no limit, and no reference.
        drift_coef: weight of what exceeds ``max_drift``.
        **kwargs: see there.

    Attributes:
        reference: the policy that only imitates; None without ``max_drift``.
    """

    def __init__(
        self,
        policy: Any = "MultiInputPolicy",
        env: Any = None,
        pretraining_steps: int = 50,
        demo_share: float = 0.25,
        buffer_steps: int = 20,
        rl_weight: float = 1.0,
        imitation_weight: float | tuple[float, float] = 1.0,
        max_drift: float | None = None,
        drift_coef: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_number("demo_share", demo_share, "(0, 1]")
        check_number("rl_weight", rl_weight, "[0, inf)")
        check_number("drift_coef", drift_coef, "[0, inf)")
        both = imitation_weight  # a checkpoint gives a list
        for weight in both if isinstance(both, list | tuple) and len(both) == 2 else [both]:
            check_number("imitation_weight", weight, "[0, inf)")
        if max_drift is not None:
            check_number("max_drift", max_drift, "[0, inf)")
        self.pretraining_steps = check_range("pretraining_steps", pretraining_steps, 0, 10**9)
        self.buffer_steps = check_range("buffer_steps", buffer_steps, 1, 10**6)
        self.demo_share = demo_share
        self.rl_weight = rl_weight
        self.imitation_weight = imitation_weight
        self.max_drift = max_drift
        self.drift_coef = drift_coef
        super().__init__(policy, env, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        self.buffer: deque[Demonstrations] = deque(maxlen=self.buffer_steps)
        self.reference: AnswerNetwork | None = None
        if self.max_drift is not None:
            self.reference = copy.deepcopy(self.policy.network)
            self.reference_optimizer = MuonAdamW(self.reference.parameters())

    def train_step(self) -> None:
        """Earn approval on fresh questions, and imitate what was demonstrated on earlier ones."""
        batch = self.amplify(judging=True)
        self.buffer.append(Demonstrations(batch.contexts["facts"], batch.questions, batch.targets))
        shown = self.draw_demonstrations()
        n = len(batch.contexts)
        facts = np.concatenate([batch.contexts["facts"], shown.facts])
        questions = np.concatenate([batch.questions, shown.questions])
        logits = self.compute_logits(facts, questions)
        wanted = torch.as_tensor(shown.targets, device=self.device).flatten()
        imitation = F.cross_entropy(logits[n:].flatten(0, 1), wanted)
        loss = self._scheduled(self.imitation_weight) * imitation
        approval = self.compute_policy_loss(batch, logits[:n])
        if self.steps >= self.pretraining_steps:
            loss = loss + self.rl_weight * approval
        if self.reference is not None:
            loss = loss + self._drift(self.reference, facts, questions, logits, wanted)
        self.logger.record("train/imitation_loss", imitation.item())
        self.update(loss)

    def draw_demonstrations(self) -> Demonstrations:
        """``demo_share`` times ``n_contexts`` contexts out of the buffer."""
        count = max(round(self.demo_share * self.n_contexts), 1)
        steps = self.rng.integers(len(self.buffer), size=count)
        places = self.rng.integers(self.n_contexts, size=count)
        chosen = [
            [part[place] for part in self.buffer[step]]
            for step, place in zip(steps, places, strict=True)
        ]
        return Demonstrations(*(np.stack(parts) for parts in zip(*chosen, strict=True)))

    def _scheduled(self, weight: float | tuple[float, float]) -> float:
        """A weight as it is now; SB3 keeps track of the share of training that remains."""
        if isinstance(weight, int | float):
            return float(weight)
        start, end = weight
        return end + (start - end) * self._current_progress_remaining

    def _drift(
        self,
        reference: AnswerNetwork,
        facts: Symbols,
        questions: Symbols,
        logits: Tensor,
        wanted: Tensor,
    ) -> Tensor:
        """Teach the reference the demonstrations, which come last; what X has drifted too far."""
        rows = (torch.as_tensor(each, device=self.device) for each in (facts, questions))
        imitated = reference(*rows)
        n = self.n_contexts
        self.reference_optimizer.param_groups[0]["lr"] = self.lr_schedule(
            self._current_progress_remaining
        )
        self.reference_optimizer.zero_grad()
        F.cross_entropy(imitated[n:].flatten(0, 1), wanted).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(reference.parameters(), self.max_grad_norm)
        self.reference_optimizer.step()
        log_p = logits[:n].log_softmax(dim=-1)
        other = imitated[:n].detach().log_softmax(dim=-1)
        divergence = (log_p.exp() * (log_p - other)).sum(dim=-1).mean()
        self.logger.record("train/drift", divergence.item())
        excess: Tensor = self.drift_coef * (divergence - (self.max_drift or 0.0)).clamp(min=0)
        return excess

    # ------------------------------------------------------------ save and load

    def _arguments(self) -> dict[str, Any]:
        names = (
            *("pretraining_steps", "demo_share", "buffer_steps", "rl_weight", "imitation_weight"),
            *("max_drift", "drift_coef"),
        )
        return {**super()._arguments(), **{name: getattr(self, name) for name in names}}

    def _collect_training_state(self) -> dict[str, Tensor]:
        progress = super()._collect_training_state()
        for name, parts in zip(
            Demonstrations._fields, zip(*self.buffer, strict=True), strict=False
        ):
            progress[f"buffer/{name}"] = torch.as_tensor(np.stack(parts))
        if self.reference is not None:
            for key, value in self.reference.state_dict().items():
                progress[f"reference/{key}"] = value
            for key, value in self.reference_optimizer.tensors().items():
                progress[f"reference_optimizer/{key}"] = value
        return progress

    def _restore_training_state(self, progress: dict[str, Tensor]) -> None:
        super()._restore_training_state(progress)
        buffer = select_prefix(progress, "buffer")
        if buffer:
            columns = (buffer[name].numpy() for name in Demonstrations._fields)
            self.buffer.extend(Demonstrations(*row) for row in zip(*columns, strict=True))
        if self.reference is not None:
            self.reference.load_state_dict(select_prefix(progress, "reference"))
            self.reference_optimizer.load_tensors(select_prefix(progress, "reference_optimizer"))
