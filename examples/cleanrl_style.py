"""PPO in one file, in the manner of CleanRL: ``python examples/cleanrl_style.py [timesteps]``.

No callback: the network answers the overseer's sub-questions itself, as ordinary episodes. One
question is one episode, so that the return is the reward, and nothing is discounted.
"""

import sys

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from ia_gym.agents import FactsExtractor
from ia_gym.networks.optimizers import MuonAdamW

TOTAL_TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
NUM_ENVS, NUM_STEPS, UPDATE_EPOCHS, MINIBATCH_SIZE = 64, 64, 2, 2048
LEARNING_RATE, CLIP_COEF, ENT_COEF, VF_COEF, MAX_GRAD_NORM = 4e-3, 0.2, 0.1, 0.5, 0.5


class Agent(nn.Module):
    """Answers and values from the features of a question about facts."""

    def __init__(self, envs):
        super().__init__()
        sizes = {"relational": True, "fact_layers": 3, "question_layers": 3}
        self.features = FactsExtractor(envs.single_observation_space, **sizes)
        self.actor = nn.Linear(self.features.features_dim, int(envs.single_action_space.n))
        self.critic = nn.Linear(self.features.features_dim, 1)
        nn.init.zeros_(self.actor.weight)  # a fresh policy tries everything

    def forward(self, observations):
        """Policy and values of a batch of questions."""
        features = self.features(observations)
        return Categorical(logits=self.actor(features)), self.critic(features)[:, 0]


torch.manual_seed(1)
torch.set_num_threads(1)  # small matrices are slower on several
envs = gym.make_vec("ia_gym:IA-Permutation-v0", NUM_ENVS, questions_per_context=64)
agent = Agent(envs)
optimizer = MuonAdamW(agent.parameters(), lr=LEARNING_RATE)
observations, _ = envs.reset(seed=1)
for update in range(updates := -(-TOTAL_TIMESTEPS // (NUM_ENVS * NUM_STEPS))):
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / updates)
    rollout, approvals, truths = [], [], []
    for _ in range(NUM_STEPS):
        batch = {key: torch.as_tensor(value) for key, value in observations.items()}
        with torch.no_grad():
            policy, values = agent(batch)
            actions = policy.sample()
        observations, rewards, _, _, infos = envs.step(actions.numpy())
        rewards = torch.as_tensor(rewards, dtype=torch.float32)
        rollout.append((batch, actions, policy.log_prob(actions), rewards, rewards - values))
        root = infos["final_info"]["is_root"]  # a sub-question earns nothing
        approvals.append(infos["final_info"]["approval"][root])
        truths.append((actions.numpy() == infos["final_info"]["truth"])[root])
    batches, *rest = zip(*rollout, strict=True)
    facts, questions = (torch.cat([b[key] for b in batches]) for key in ("facts", "question"))
    actions, logprobs, returns, advantages = (torch.cat(parts) for parts in rest)
    for rows in (
        r for _ in range(UPDATE_EPOCHS) for r in torch.randperm(len(actions)).split(MINIBATCH_SIZE)
    ):
        policy, values = agent({"facts": facts[rows], "question": questions[rows]})
        ratio = (policy.log_prob(actions[rows]) - logprobs[rows]).exp()
        clipped = ratio.clamp(1 - CLIP_COEF, 1 + CLIP_COEF)
        gain = torch.minimum(ratio * advantages[rows], clipped * advantages[rows]).mean()
        value_loss = 0.5 * (values - returns[rows]).square().mean()
        loss = -gain - ENT_COEF * policy.entropy().mean() + VF_COEF * value_loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), MAX_GRAD_NORM)
        optimizer.step()
    if update % 10 == 9 or update + 1 == updates:
        shares = [np.concatenate(parts).mean() for parts in (approvals, truths)]
        print(f"{(update + 1) * len(actions):9,d} steps  approval, truth {np.round(shares, 3)}")
