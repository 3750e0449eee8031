"""The assistant of an overseer of actions: an agent's policy, and a network for its judgements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn
from torch.nn import functional as F

from ia_gym.agents.assistants.observation_encoder import ObservationEncoder
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.networks.network_assistant import sample_categorical
from ia_gym.validation import check_number, check_range

ASSISTANT = "assistant.safetensors"
"""File of the assistant, beside the model of the agent it was trained with."""

Records = Sequence[dict[str, NDArray[Any]]]


class AnswerHeads(nn.Module):
    """``HowGood`` and ``UsefulInformation`` over a features extractor like the policy's.

    Args:
        policy: whose spaces and kind of features extractor to use.
        n_information: number of ways to inform the overseer.
        net_arch: hidden layers behind the features.

    Raises:
        ValueError: for a policy whose actions are not discrete.
    """

    def __init__(self, policy: BasePolicy, n_information: int, net_arch: Sequence[int]) -> None:
        super().__init__()
        space = policy.action_space
        if not isinstance(space, spaces.Discrete):
            raise ValueError(f"policy must take Discrete actions, got {space}")
        self.sizes = int(space.n), n_information
        self.observation_space = policy.observation_space
        self.extractor = policy.make_features_extractor()
        n_outputs = self.sizes[0] * (1 + n_information)
        features = self.extractor.features_dim
        # Without hidden layers, of one-hot states, it is a table: a bias would tie all states.
        layers = create_mlp(features, n_outputs, list(net_arch), with_bias=len(net_arch) > 0)
        self.net = nn.Sequential(*layers)

    def forward(
        self, observations: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Values ``(M,)`` and logits ``(M, n_information)`` of actions ``(M,)``."""
        seen: Any = preprocess_obs(observations, self.observation_space)
        n_actions, n_information = self.sizes
        out = self.net(self.extractor(seen)).view(-1, n_actions, 1 + n_information)
        row = out[torch.arange(len(actions), device=out.device), actions]
        return row[:, 0], row[:, 1:]


class LearnedActionAssistant:
    """Answers ``GoodAction`` by a policy, and the overseer's other questions by a network.

    ``HowGood`` learns by imitation: regression on the overseer's judgements.
    ``UsefulInformation`` learns by RL, with the REINFORCE update of the post on RL-based
    amplification: the overseer's ``HowUseful(S, A, I)`` times the gradient of ``log p(I)``. Answers
    come from the network's Polyak average.

    Args:
        policy: answers ``GoodAction``; a slow copy of the agent's, kept up to date by its owner.
        information: what the overseer can be shown, ``ActionOverseer.information``.
        deterministic: take the policy's best action instead of sampling one.
        learning_rate: of Adam, above 0.
        n_epochs: passes through the records in a call of :meth:`learn`.
        batch_size: records in a step of Adam.
        polyak_tau: weight of the latest network in the average at each call of :meth:`learn`, in
            (0, 1].
        ent_coef: weight of the entropy of ``UsefulInformation``, at least 0.
        net_arch: hidden layers.
        encoder: shows states to the policy as its environments' wrappers do; default as they are.

    Raises:
        ValueError: for a number out of range, or a policy whose actions are not discrete.
    """

    def __init__(
        self,
        policy: BasePolicy,
        information: Sequence[str],
        deterministic: bool = False,
        learning_rate: float = 1e-3,
        n_epochs: int = 4,
        batch_size: int = 64,
        polyak_tau: float = 0.5,
        ent_coef: float = 0.01,
        net_arch: Sequence[int] = (64, 64),
        encoder: ObservationEncoder | None = None,
    ) -> None:
        self.policy = policy
        self.encoder = encoder or ObservationEncoder()
        self.information = tuple(information)
        self.deterministic = deterministic
        self.n_epochs = check_range("n_epochs", n_epochs, 1, 10_000)
        self.batch_size = check_range("batch_size", batch_size, 1, 10**7)
        self.ent_coef = check_number("ent_coef", ent_coef, "[0, inf)")
        self.heads = AnswerHeads(policy, len(information), net_arch).to(policy.device)
        self.average = make_polyak_average(self.heads, polyak_tau)
        rate = check_number("learning_rate", learning_rate, "(0, inf)")
        self.optimizer = torch.optim.Adam(self.heads.parameters(), lr=rate)

    def gather_modules(self, policy: nn.Module) -> nn.ModuleDict:
        """What to save and load: the networks, with the slow copy of the agent's policy."""
        return nn.ModuleDict({"policy": policy, "heads": self.heads, "answers": self.average})

    # ---------------------------------------------------------------- answering

    def good_action(self, observations: NDArray[Any]) -> NDArray[np.int64]:
        """See :class:`~ia_gym.actions.overseer.ActionAssistant`."""
        shown = self.encoder(observations)
        actions, _ = self.policy.predict(shown, deterministic=self.deterministic)
        return actions.astype(np.int64)

    def how_good(self, observations: NDArray[Any], actions: NDArray[np.int64]) -> Any:
        """See :class:`~ia_gym.actions.overseer.ActionAssistant`."""
        return self._answer(observations, actions)[0].cpu().numpy().astype(np.float64)

    def useful_information(
        self, observations: NDArray[Any], actions: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """See :class:`~ia_gym.actions.overseer.ActionAssistant`; sampled."""
        answers: NDArray[np.int64] = (
            sample_categorical(self._answer(observations, actions)[1], 1).cpu().numpy()
        )
        return answers

    @torch.no_grad()
    def _answer(self, observations: NDArray[Any], actions: NDArray[np.int64]) -> Any:
        device = self.policy.device
        return self.average(
            torch.as_tensor(self.encoder(observations), device=device),
            torch.as_tensor(actions, device=device),
        )

    # ----------------------------------------------------------------- learning

    def learn(self, records: Records) -> dict[str, float]:
        """Learn from the overseer's judgements, as ``ActionApproval.take_records`` gives them.

        Args:
            records: judgements, one batch per entry.

        Returns:
            ``loss`` (mean squared error of ``HowGood``), ``usefulness`` (mean, where it was judged)
            and ``shown_<information>``, the share of judgements that were made on it; nothing
            without records.
        """
        if not records:
            return {}
        device = self.policy.device
        whole = {key: np.concatenate([record[key] for record in records]) for key in records[0]}
        inputs = {**whole, "observations": self.encoder(whole["observations"])}
        data = {key: torch.as_tensor(value, device=device) for key, value in inputs.items()}
        n, losses = len(whole["actions"]), []
        for _ in range(self.n_epochs):
            for part in torch.split(torch.randperm(n, device=device), self.batch_size):
                losses.append(self._step({key: value[part] for key, value in data.items()}))
        self.average.update_parameters(self.heads)
        shown, useful = whole["information"], whole["usefulness"]
        shares = {
            f"shown_{name}": float(np.mean(shown == i)) for i, name in enumerate(self.information)
        }
        said = {"usefulness": float(np.nanmean(useful))} if np.isfinite(useful).any() else {}
        return {"loss": float(np.mean(losses)), **said, **shares}

    def _step(self, batch: dict[str, torch.Tensor]) -> float:
        """Make a step of Adam on both questions; return the mean squared error of ``HowGood``."""
        values, logits = self.heads(batch["observations"], batch["actions"])
        error = F.mse_loss(values, batch["approvals"].float())
        loss = error
        judged = batch["usefulness"].isfinite()
        if judged.any():
            log_p = logits[judged].log_softmax(dim=1)
            chosen = log_p.gather(1, batch["information"][judged, None])[:, 0]
            said = batch["usefulness"][judged].float()
            advantage = said - said.mean()
            entropy = -(log_p.exp() * log_p).sum(dim=1)
            loss = loss - (advantage * chosen + self.ent_coef * entropy).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(error.detach())
