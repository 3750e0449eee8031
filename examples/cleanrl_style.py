"""PPO in one file, in the manner of CleanRL, on the plain vector environment.

No callback and no Stable-Baselines3 agent: the network answers the overseer's sub-questions itself,
as ordinary episodes. ``python examples/cleanrl_style.py [total_timesteps]``
"""

import sys
import time

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from ia_gym.agents import FactsExtractor
from ia_gym.optimizers import MuonAdamW

ENV_ID = "IA-Permutation-v0"
SEED = 1
TOTAL_TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
NUM_ENVS = 256
NUM_STEPS = 16  # between two updates, in each environment
UPDATE_EPOCHS = 2
MINIBATCH_SIZE = 2048
LEARNING_RATE = 4e-3
CLIP_COEF = 0.2
ENT_COEF = 0.1
VF_COEF = 0.5
MAX_GRAD_NORM = 0.5


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


def tensors(observations):
    """Observations as torch wants them."""
    return {key: torch.as_tensor(value) for key, value in observations.items()}


torch.manual_seed(SEED)
torch.set_num_threads(1)  # small matrices are slower on several
envs = gym.make_vec(f"ia_gym:{ENV_ID}", num_envs=NUM_ENVS)
agent = Agent(envs)
optimizer = MuonAdamW(agent.parameters(), lr=LEARNING_RATE)
observations, infos = envs.reset(seed=SEED)
start, global_step = time.time(), 0
while global_step < TOTAL_TIMESTEPS:
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - global_step / TOTAL_TIMESTEPS)
    rollout, approvals, truths = [], [], []
    for _ in range(NUM_STEPS):
        batch = tensors(observations)
        with torch.no_grad():
            policy, values = agent(batch)
            actions = policy.sample()
        observations, rewards, _, _, infos = envs.step(actions.numpy())
        rewards = torch.as_tensor(rewards, dtype=torch.float32)
        # One question is one episode: the return is the reward, and nothing is discounted.
        rollout.append((batch, actions, policy.log_prob(actions), rewards, rewards - values))
        final = infos["final_info"]
        root = final["role"] == "root"  # a sub-question earns nothing, and is no mistake
        approvals.append(final["approval"][root])
        truths.append((actions.numpy() == final["truth"])[root])
    global_step += NUM_STEPS * NUM_ENVS
    batches, *rest = zip(*rollout, strict=True)
    facts, questions = (torch.cat([b[key] for b in batches]) for key in ("facts", "question"))
    actions, logprobs, returns, advantages = (torch.cat(parts) for parts in rest)
    for _ in range(UPDATE_EPOCHS):
        for rows in torch.randperm(len(actions)).split(MINIBATCH_SIZE):
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
    if global_step // 100_000 > (global_step - NUM_STEPS * NUM_ENVS) // 100_000:
        print(
            f"{global_step:9,d} steps  approval {np.mean(np.concatenate(approvals)):.3f}  "
            f"truth {np.mean(np.concatenate(truths)):.3f}  {time.time() - start:.0f} s"
        )
