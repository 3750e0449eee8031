"""PPO in one file, in the manner of CleanRL: ``python examples/cleanrl_style.py [timesteps]``.

Nothing of the suite's but the environment. The network answers the overseer's sub-questions itself,
as ordinary episodes. One question is one episode, so that nothing is discounted or bootstrapped.
"""

import sys

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
TOTAL_TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
NUM_ENVS, NUM_STEPS, UPDATE_EPOCHS, MINIBATCH_SIZE = 64, 64, 8, 256
LEARNING_RATE, CLIP_COEF, ENT_COEF, VF_COEF, MAX_GRAD_NORM = 3e-3, 0.2, 0.01, 0.5, 0.5


def make_mlp(inputs, outputs):
    """A network of two hidden layers."""
    return nn.Sequential(
        *(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))
    )


torch.manual_seed(1)
torch.set_num_threads(1)  # small matrices are slower on several
envs = gym.make_vec(ENV_ID, NUM_ENVS)
n_inputs, n_actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
actor, critic = make_mlp(n_inputs, n_actions), make_mlp(n_inputs, 1)
parameters = [*actor.parameters(), *critic.parameters()]
optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
observations, _ = envs.reset(seed=1)
for update in range(updates := -(-TOTAL_TIMESTEPS // (NUM_ENVS * NUM_STEPS))):
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / updates)
    rollout = []
    for _ in range(NUM_STEPS):
        batch = torch.as_tensor(observations)
        with torch.no_grad():
            policy, values = Categorical(logits=actor(batch)), critic(batch)[:, 0]
            actions = policy.sample()
        observations, rewards, _, _, infos = envs.step(actions.numpy())
        rewards = torch.as_tensor(rewards, dtype=torch.float32)
        root = torch.as_tensor(infos["final_info"]["is_root"])  # a sub-question earns nothing
        rollout.append((batch, actions, policy.log_prob(actions), rewards, values, root))
    questions, actions, logprobs, returns, values, root = map(torch.cat, zip(*rollout, strict=True))
    advantages = returns - values
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    for _ in range(UPDATE_EPOCHS):
        for rows in torch.randperm(len(actions)).split(MINIBATCH_SIZE):
            policy = Categorical(logits=actor(questions[rows]))
            ratio = (policy.log_prob(actions[rows]) - logprobs[rows]).exp()
            clipped = ratio.clamp(1 - CLIP_COEF, 1 + CLIP_COEF)
            gain = torch.minimum(ratio * advantages[rows], clipped * advantages[rows]).mean()
            value_loss = 0.5 * (critic(questions[rows])[:, 0] - returns[rows]).square().mean()
            loss = -gain - ENT_COEF * policy.entropy().mean() + VF_COEF * value_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
            optimizer.step()
    if update % 10 == 9 or update + 1 == updates:
        steps, approval = (update + 1) * len(actions), returns[root].mean()
        print(f"{steps:9,d} steps  approval of the last rollout's answers {approval:.3f}")

test_envs = gym.make_vec(ENV_ID, 4096, reward="truth")  # one question in each
observations, _ = test_envs.reset(seed=2)
with torch.no_grad():
    answers = actor(torch.as_tensor(observations)).argmax(-1)
_, rewards, *_ = test_envs.step(answers.numpy())
print(f"accuracy {rewards.mean():.1%}")
