"""Reinforcement learning on approval and imitation in one learner, which the post ends with."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from torch import Tensor
from torch.nn import functional as F

from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.reinforce import Reinforce
from ia_gym.agents.learners.schedules import Weight, check_weight, interpolate
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.domains.transcript import Symbols
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_number, check_range


class Demonstrations(NamedTuple):
    """Questions with the answers that the amplified overseer gave to them.

    Attributes:
        facts: int64 ``(B, F, L)``.
        questions: int64 ``(B, Q, Lq)``.
        targets: int64 ``(B, Q)``, the overseer's answers.
    """

    facts: Symbols
    questions: Symbols
    targets: Symbols


class ReinforceWithDemonstrations(Reinforce):
    """REINFORCE on approval, with demonstrations of the amplified overseer in every batch.

    After Deep Q-learning from Demonstrations (Hester et al., 2018), which the post on RL-based
    Iterated Amplification names. The first steps only imitate and fill a buffer; from then on a
    share of each batch comes from the buffer, with a cross-entropy term. The buffer is short, since
    an older agent helped to make its answers. The post asks for care about how far RL may lead away
    from what was demonstrated: a reference policy learns from the demonstrations alone, and the
    agent's divergence from it can be limited. Arguments that are not listed here are those of
    :class:`~ia_gym.agents.learners.reinforce.Reinforce`.

    Args:
        pretraining_steps: training steps of imitation alone, at first.
        demo_share: demonstrated contexts in a training step as a share of ``n_contexts``, in
            (0, 1].
        buffer_steps: training steps whose demonstrations are kept.
        rl_weight: weight of the approval term after ``pretraining_steps``, at least 0.
        imitation_weight: weight of the cross-entropy with the demonstrations, at least 0; a pair
            gives its values at the beginning and at the end of training, with a straight line in
            between.
        max_drift: Kullback-Leibler divergence from the reference policy that costs nothing, in nats
            a question; None for no limit, and no reference policy.
        drift_coef: weight of the divergence above ``max_drift``, at least 0.

    Attributes:
        buffer: the demonstrations of the last ``buffer_steps`` training steps.
        reference: the network that only imitates; None without ``max_drift``.
    """

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_samples: int | None = 4,
        ent_coef: float = 0.05,
        pretraining_steps: int = 50,
        demo_share: float = 0.25,
        buffer_steps: int = 20,
        rl_weight: float = 1.0,
        imitation_weight: Weight = 1.0,
        max_drift: float | None = None,
        drift_coef: float = 1.0,
        interaction_rate: float | None = None,
        predictor_batch_size: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.0,
        levels: int = 1,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.pretraining_steps = check_range("pretraining_steps", pretraining_steps, 0, 10**9)
        self.demo_share = check_number("demo_share", demo_share, "(0, 1]")
        self.buffer_steps = check_range("buffer_steps", buffer_steps, 1, 10**6)
        self.rl_weight = check_number("rl_weight", rl_weight, "[0, inf)")
        self.imitation_weight = check_weight("imitation_weight", imitation_weight)
        if max_drift is not None:
            check_number("max_drift", max_drift, "[0, inf)")
        self.max_drift = max_drift
        self.drift_coef = check_number("drift_coef", drift_coef, "[0, inf)")
        super().__init__(
            policy,
            env,
            learning_rate,
            n_contexts=n_contexts,
            n_questions=n_questions,
            n_samples=n_samples,
            ent_coef=ent_coef,
            interaction_rate=interaction_rate,
            predictor_batch_size=predictor_batch_size,
            predictor_kwargs=predictor_kwargs,
            assistant_temperature=assistant_temperature,
            assistant_min_probability=assistant_min_probability,
            levels=levels,
            max_grad_norm=max_grad_norm,
            curriculum=curriculum,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    def _setup_training(self) -> None:
        super()._setup_training()
        self.buffer: deque[Demonstrations] = deque(maxlen=self.buffer_steps)
        self.reference: ContextNetwork | None = None
        if self.max_drift is not None:
            self.reference = copy.deepcopy(self.policy.network)
            self.reference_optimizer = MuonAdamW(self.reference.parameters())

    def train_step(self) -> None:
        """Earn approval on fresh questions, and imitate what was demonstrated on earlier ones."""
        batch = self.amplify(judging=True)
        self.buffer.append(Demonstrations(batch.contexts["facts"], batch.questions, batch.targets))
        drawn = self.draw_demonstrations()
        n = self.n_contexts
        facts = np.concatenate([batch.contexts["facts"], drawn.facts])
        questions = np.concatenate([batch.questions, drawn.questions])
        logits = self.compute_logits(facts, questions)
        targets = torch.as_tensor(drawn.targets, device=self.device).flatten()
        imitation = F.cross_entropy(logits[n:].flatten(0, 1), targets)
        loss = interpolate(self.imitation_weight, self._current_progress_remaining) * imitation
        policy_loss = self.compute_policy_loss(batch, logits[:n])
        if self.steps >= self.pretraining_steps:
            loss = loss + self.rl_weight * policy_loss
        if self.reference is not None:
            rows = (torch.as_tensor(each, device=self.device) for each in (facts, questions))
            reference_logits = self.reference(*rows)
            self._train_reference(self.reference, reference_logits[n:], targets)
            loss = loss + self._compute_drift_penalty(logits[:n], reference_logits[:n].detach())
        self.logger.record("train/imitation_loss", imitation.item())
        self.minimize(loss)

    def draw_demonstrations(self) -> Demonstrations:
        """Draw ``demo_share`` times ``n_contexts`` contexts from the buffer."""
        count = max(round(self.demo_share * self.n_contexts), 1)
        steps = self.rng.integers(len(self.buffer), size=count)
        places = self.rng.integers(self.n_contexts, size=count)
        chosen = [
            [part[place] for part in self.buffer[step]]
            for step, place in zip(steps, places, strict=True)
        ]
        return Demonstrations(*(np.stack(parts) for parts in zip(*chosen, strict=True)))

    def _train_reference(self, reference: ContextNetwork, logits: Tensor, targets: Tensor) -> None:
        """One step of the reference policy down the cross-entropy with the demonstrations."""
        for group in self.reference_optimizer.param_groups:
            group["lr"] = self.lr_schedule(self._current_progress_remaining)
        self.reference_optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), targets).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(reference.parameters(), self.max_grad_norm)
        self.reference_optimizer.step()

    def _compute_drift_penalty(self, logits: Tensor, reference_logits: Tensor) -> Tensor:
        """``drift_coef`` times the divergence from the reference policy above ``max_drift``."""
        log_p, log_q = logits.log_softmax(dim=-1), reference_logits.log_softmax(dim=-1)
        divergence = (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()
        self.logger.record("train/drift", divergence.item())
        penalty: Tensor = self.drift_coef * (divergence - (self.max_drift or 0.0)).clamp(min=0)
        return penalty

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        columns = zip(*self.buffer, strict=True)
        for name, steps in zip(Demonstrations._fields, columns, strict=False):
            state[f"buffer/{name}"] = torch.as_tensor(np.stack(steps))
        if self.reference is not None:
            state |= add_prefix(self.reference.state_dict(), "reference")
            state |= add_prefix(self.reference_optimizer.tensors(), "reference_optimizer")
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        buffer = select_prefix(state, "buffer")
        batch_size = self.n_contexts, self.n_questions
        if buffer and buffer["targets"].shape[1:] == batch_size:  # else they were changed at load
            columns = (buffer[name].numpy() for name in Demonstrations._fields)
            self.buffer.extend(Demonstrations(*row) for row in zip(*columns, strict=True))
        saved = select_prefix(state, "reference")
        if self.reference is not None and saved:
            self.reference.load_state_dict(saved)
            optimizer_state = select_prefix(state, "reference_optimizer")
            self.reference_optimizer.load_tensors(optimizer_state)
