"""Expert iteration on games: play by tree search, imitate the search, and search better."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import check_for_correct_spaces
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv
from torch import Tensor
from torch.nn import functional as F

from ia_gym.actions.tree_search import TreeSearch
from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.learners.learner_files import select_prefix
from ia_gym.agents.learners.schedules import WarmupLinear
from ia_gym.agents.learners.training_loop import TrainingLoop
from ia_gym.envs.actions.env_copies import CopiedEnvs
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_number, check_range


class Positions(NamedTuple):
    """States that were searched, and what the search said of them.

    Attributes:
        observations: ``(n, ...)``.
        visits: float32 ``(n, A)``, the share of the simulations that began with each action.
        values: float32 ``(n,)``, the mean of the search's value and of the return that followed.
    """

    observations: NDArray[Any]
    visits: NDArray[np.float32]
    values: NDArray[np.float32]


class TreeExpertIteration(TrainingLoop):
    """The agent imitates a tree search in copies of the game, which it guides itself.

    Expert iteration (Anthony et al., 2017; AlphaZero, Silver et al., 2017) for one player. In each
    training step a whole episode is played in every environment. The expert is a search
    (:mod:`ia_gym.actions.tree_search`) with the agent's policy as prior and its value estimate at
    the leaves; the action is drawn by the visits of the root's actions. Then the agent, the
    apprentice, is trained to predict the visits, and the mean of the search's value and the return
    that followed. It predicts, and is evaluated, without a search.

    It trains on the environment's own reward, the truth, and has no overseer. One timestep is a
    step of a game; steps in copies are counted apart, as ``simulated_steps``.

    Args:
        policy: "MlpPolicy", or a subclass of SB3's ``ActorCriticPolicy``.
        env: an environment whose actions are approved of, such as "IA-CartPole-v0", with
            ``reward="truth"``; None for a model that only predicts.
        learning_rate: as for
            :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.
        n_simulations: of the search before each step, 1..100,000.
        exploration: the constant of PUCT, at least 0.
        discount: factor by which a reward counts less with every step, in [0, 1].
        noise_share: share of Dirichlet noise in the priors of the root, in [0, 1].
        noise_concentration: of that noise, above 0.
        rollout_iterations: training steps at first in which the search values new nodes by random
            play, as long as the agent cannot; at least 0.
        rollout_steps: steps of such a rollout, 1..100,000.
        value_scale: unit of the network's value estimates, above 0: about the largest return.
        buffer_size: positions, the last ones, that are trained on, at least 1.
        n_updates: gradient steps in a training step, at least 1.
        batch_size: positions in a gradient step, at least 1.
        max_grad_norm: gradients are clipped to this norm.
        policy_kwargs: arguments of the policy, such as ``net_arch``.
        tensorboard_log: folder for TensorBoard; None for no log.
        verbose: 0 for no output, 1 for messages and the logged table.
        seed: seed of all random numbers.
        device: "cpu", "cuda" or "auto", as in SB3.
        _init_setup_model: whether to build the networks now, as in SB3.

    Attributes:
        positions: what is trained on; None before the first training step.
        simulated_steps: steps taken in copies so far.
        expert_return: mean return of the episodes of the last training step, played by the search.

    Raises:
        ValueError: for an argument out of range, or an environment that does not fit.
    """

    uses_truth: ClassVar[bool] = True
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": ActorCriticPolicy}
    policy: ActorCriticPolicy  # type: ignore[assignment]
    human_interactions = 0
    """There is no overseer."""
    assistant_answers = 0
    """There is no overseer."""

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy] = "MlpPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_simulations: int = 16,
        exploration: float = 1.25,
        discount: float = 0.99,
        noise_share: float = 0.25,
        noise_concentration: float = 0.5,
        rollout_iterations: int = 0,
        rollout_steps: int = 50,
        value_scale: float = 1.0,
        buffer_size: int = 10_000,
        n_updates: int = 50,
        batch_size: int = 256,
        max_grad_norm: float = 1.0,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        if policy_kwargs is not None and not isinstance(policy_kwargs, dict):
            raise ValueError(
                f"policy_kwargs must be None or a dict of arguments, got {policy_kwargs!r}"
            )
        if not callable(learning_rate):
            learning_rate = check_number("learning_rate", learning_rate, "[0, inf)")
        own: Any = self.policy_aliases.get(policy, policy) if isinstance(policy, str) else policy
        super().__init__(
            own,
            env,
            learning_rate,
            policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=None if seed is None else check_range("seed", seed, 0, 2**32 - 1),
        )
        self.n_simulations, self.exploration = n_simulations, exploration
        self.discount = discount
        self.noise_share, self.noise_concentration = noise_share, noise_concentration
        self.search = TreeSearch(
            n_simulations, exploration, discount, noise_share, noise_concentration
        )
        self.rollout_iterations = check_range("rollout_iterations", rollout_iterations, 0, 10**9)
        self.rollout_steps = check_range("rollout_steps", rollout_steps, 1, 10**5)
        self.value_scale = check_number("value_scale", value_scale, "(0, inf)")
        self.buffer_size = check_range("buffer_size", buffer_size, 1, 10**8)
        self.n_updates = check_range("n_updates", n_updates, 1, 10**6)
        self.batch_size = check_range("batch_size", batch_size, 1, 10**6)
        self.max_grad_norm = check_number("max_grad_norm", max_grad_norm, "(0, inf)")
        self._saved_state = {}
        self._schedule_is_lost = False
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        actions = cast("spaces.Discrete", self.action_space)
        if not isinstance(actions, spaces.Discrete):
            raise ValueError(f"env must have Discrete actions, got {actions}")
        shown = self.observation_space, actions
        arguments = {"optimizer_class": MuonAdamW, **self.policy_kwargs}
        self.rng = np.random.default_rng()
        self.set_random_seed(self.seed)
        rate = self.learning_rate
        self.lr_schedule = rate if callable(rate) else WarmupLinear(rate)
        policy = self.policy_class(*shown, self.lr_schedule, **arguments)
        self.policy = cast("ActorCriticPolicy", policy.to(self.device))
        self.positions: Positions | None = None
        self.simulated_steps, self.n_played, self.expert_return = 0, 0, 0.0
        if self.env is not None:
            self.set_env(self.env)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Take the games from an environment; it is neither reset nor stepped itself.

        Args:
            env: see the class.
            force_reset: as in SB3; without effect.

        Raises:
            ValueError: for other spaces, an environment without actions to approve of, or one with
                an overseer.
        """
        env = self._wrap_env(env, self.verbose)
        check_for_correct_spaces(env, self.observation_space, self.action_space)
        check_games(env)
        self.n_envs = env.num_envs
        super().set_env(env, force_reset)
        if self._saved_state:
            self._restore_training_state(self._saved_state)
            self._saved_state = {}

    # ------------------------------------------------------------------ training

    @property
    def timesteps_per_step(self) -> int:
        """Steps of all games in the last training step."""
        return self.n_played

    def train_step(self) -> None:
        """Play an episode in each environment by tree search, and imitate the search."""
        new = self.play()
        if self.positions is not None:
            parts = zip(self.positions, new, strict=True)
            new = Positions(*(np.concatenate(pair)[-self.buffer_size :] for pair in parts))
        self.positions = new
        for _ in range(self.n_updates):
            self.imitate()
        self.logger.record("expert/return", self.expert_return)

    def play(self) -> Positions:
        """Play one episode in each environment, and return all states with what was found."""
        assert self.env is not None
        games: list[gym.Env[Any, Any]] = self.env.get_attr("inner_env")
        copiers = self.env.get_attr("copier")
        n = len(games)
        rollout_steps = self.rollout_steps if self.steps < self.rollout_iterations else 0
        seeds = self.rng.integers(2**31, size=n).tolist()
        observations = [
            np.asarray(game.reset(seed=s)[0]) for game, s in zip(games, seeds, strict=True)
        ]
        playing, last_values = list(range(n)), np.zeros(n)
        seen: list[list[NDArray[Any]]] = [[] for _ in games]
        visits: list[list[NDArray[Any]]] = [[] for _ in games]
        values: list[list[float]] = [[] for _ in games]
        rewards: list[list[float]] = [[] for _ in games]
        while playing:
            roots = [games[i] for i in playing], [copiers[i] for i in playing], [self.rng] * n
            now = np.stack([observations[i] for i in playing])
            found = self.search.run(
                partial(CopiedEnvs, *roots),
                now,
                self.evaluate_states,
                self.rng,
                rollout_steps,
            )
            self.simulated_steps += found.n_steps
            shares = found.visits / self.n_simulations
            draws = self.rng.random(len(playing))[:, None]
            actions = (shares.cumsum(axis=1) < draws).sum(axis=1)
            still = []
            for place, i in enumerate(playing):
                seen[i].append(now[place])
                visits[i].append(shares[place])
                values[i].append(float(found.values[place]))
                action = min(int(actions[place]), shares.shape[1] - 1)
                observation, reward, terminated, truncated, _ = games[i].step(action)
                observations[i] = np.asarray(observation)
                rewards[i].append(float(reward))
                if not terminated and not truncated:
                    still.append(i)
                elif not terminated:
                    last_values[i] = self.evaluate_states(observations[i][None])[1][0]
            playing = still
        targets = [
            (compute_returns(*game, self.discount) + np.array(own)) / 2
            for game, own in zip(zip(rewards, last_values, strict=True), values, strict=True)
        ]
        self.n_played = sum(map(len, rewards))
        self.expert_return = float(np.mean([sum(each) for each in rewards]))
        return Positions(
            np.concatenate([np.stack(each) for each in seen]),
            np.concatenate([np.stack(each) for each in visits]).astype(np.float32),
            np.concatenate(targets).astype(np.float32),
        )

    def imitate(self) -> None:
        """Take one gradient step towards the visits and values of positions drawn at random."""
        assert self.positions is not None
        drawn = self.rng.integers(len(self.positions.values), size=self.batch_size)
        observations, visits, values = (part[drawn] for part in self.positions)
        logits, estimates = self._compute(observations)
        wanted = torch.as_tensor(visits, device=self.device)
        targets = torch.as_tensor(values, device=self.device) / self.value_scale
        policy_loss = F.cross_entropy(logits, wanted)
        value_loss = F.mse_loss(estimates, targets)
        self.policy.optimizer.zero_grad()
        (policy_loss + value_loss).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        self.logger.record("train/policy_loss", policy_loss.item())
        self.logger.record("train/value_loss", value_loss.item())

    @torch.no_grad()
    def evaluate_states(
        self, observations: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The agent's policy ``(M, A)`` and value estimates ``(M,)`` of states, for the search."""
        logits, values = self._compute(observations)
        found = logits.softmax(dim=-1), values * self.value_scale
        policy, scaled = (each.cpu().numpy().astype(np.float64) for each in found)
        return policy, scaled

    def _compute(self, observations: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Logits of the actions ``(M, A)``, and values ``(M,)`` in units of ``value_scale``."""
        policy = self.policy
        shown, _ = policy.obs_to_tensor(observations)
        features = policy.extract_features(shown)
        for_actions, for_values = policy.mlp_extractor(features)
        return policy.action_net(for_actions), policy.value_net(for_values)[:, 0]

    def measure(self, evaluator: Evaluator) -> dict[str, float]:
        """Measure what evaluations log besides the agent's own return.

        Args:
            evaluator: not used.

        Returns:
            ``expert/return``, the mean return of the last episodes played by the search, and
            ``work/teraflop``.
        """
        return {"expert/return": self.expert_return, "work/teraflop": self.flops / 1e12}

    # ------------------------------------------------------------ save and load

    def _answering_network(self) -> torch.nn.Module:
        return self.policy

    def _read_answering_network(self, tensors: dict[str, Tensor]) -> None:
        self.policy.load_state_dict(tensors)

    def _describe_spaces(self) -> dict[str, Any]:
        return {"observation": describe_space(self.observation_space), "n_actions": self._n_actions}

    def _read_spaces(self, described: dict[str, Any]) -> None:
        self.observation_space = make_space(**described["observation"])
        self.action_space = spaces.Discrete(described["n_actions"])

    @property
    def _n_actions(self) -> int:
        return int(cast("spaces.Discrete", self.action_space).n)

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        numbers = [self.simulated_steps, self.n_played, self.expert_return]
        state["games"] = torch.tensor(numbers, dtype=torch.float64)
        if self.positions is not None:
            for name, part in self.positions._asdict().items():
                state[f"positions/{name}"] = torch.as_tensor(part)
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        simulated, played, self.expert_return = state["games"].tolist()
        self.simulated_steps, self.n_played = int(simulated), int(played)
        saved = select_prefix(state, "positions")
        if saved:
            self.positions = Positions(*(saved[name].numpy() for name in Positions._fields))


def check_games(env: VecEnv) -> None:
    """Refuse an environment in whose copies no games can be searched.

    Raises:
        ValueError: naming what is wrong.
    """
    if isinstance(env.unwrapped, SubprocVecEnv):
        raise ValueError(
            "env must run in this process for its games to be copied: "
            "take make_sb3_vec_env or DummyVecEnv, not SubprocVecEnv"
        )
    if not (env.has_attr("inner_env") and env.has_attr("copier")):
        raise ValueError(
            "env must be one whose actions can be approved of, such as IA-CartPole-v0 or one in "
            f"ActionApproval, got {env.observation_space}"
        )
    if set(env.get_attr("reward_mode")) != {"truth"}:
        raise ValueError(
            'reward of env must be "truth" for TreeExpertIteration, which has no overseer, got '
            '"approval"'
        )


def compute_returns(rewards: Sequence[float], last_value: float, discount: float) -> Any:
    """Discounted returns ``(n,)`` from each step of an episode on.

    Args:
        rewards: of its ``n`` steps.
        last_value: of the state after them; 0 if the episode has terminated there.
        discount: factor by which a reward counts less with every step.
    """
    returns = np.zeros(len(rewards))
    value = last_value
    for step in range(len(rewards) - 1, -1, -1):
        value = rewards[step] + discount * value
        returns[step] = value
    return returns


def describe_space(space: gym.Space[Any]) -> dict[str, Any]:
    """A ``Box``, ``Discrete`` or ``MultiDiscrete`` as JSON can hold it."""
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "sizes": [int(space.n)]}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "sizes": space.nvec.tolist()}
    assert isinstance(space, spaces.Box)
    bounds = {name: [str(x) for x in getattr(space, name).ravel()] for name in ("low", "high")}
    return {"kind": "Box", "sizes": list(space.shape), "dtype": str(space.dtype), **bounds}


def make_space(kind: str, sizes: list[int], dtype: str = "", **bounds: list[str]) -> Any:
    """The space that :func:`describe_space` described."""
    if kind == "Discrete":
        return spaces.Discrete(sizes[0])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(sizes)
    if kind != "Box":
        raise LookupError(f"unknown space {kind!r}")
    low, high = (np.array(bounds[name]).astype(dtype).reshape(sizes) for name in ("low", "high"))
    return spaces.Box(low, high, dtype=np.dtype(dtype).type)
