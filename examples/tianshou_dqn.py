"""Tianshou's DQN: ``python examples/tianshou_dqn.py [timesteps]``."""

import sys

import gymnasium as gym
import torch
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
NUM_ENVS = 16

torch.manual_seed(0)
torch.set_num_threads(1)  # small matrices are slower on several
envs = DummyVectorEnv([lambda: gym.make(ENV_ID) for _ in range(NUM_ENVS)])
envs.seed(0)
env = gym.make(ENV_ID)
net = Net(
    state_shape=env.observation_space.shape,
    action_shape=env.action_space.n,
    hidden_sizes=[128, 128],
)
policy = DiscreteQLearningPolicy(model=net, action_space=env.action_space, eps_training=0.1)
algorithm = DQN(
    policy=policy,
    optim=AdamOptimizerFactory(lr=1e-3),
    gamma=0.0,  # one question is one episode
)
buffer = VectorReplayBuffer(20_000, NUM_ENVS)
trainer = OffPolicyTrainerParams(
    training_collector=Collector(algorithm, envs, buffer),
    max_epochs=1,
    epoch_num_steps=TIMESTEPS,
    collection_step_num_env_steps=NUM_ENVS,
    batch_size=128,
    update_step_num_gradient_steps_per_sample=1 / NUM_ENVS,
    show_progress=False,
    verbose=False,
)
algorithm.run_training(trainer)

test_envs = gym.make_vec(ENV_ID, 4096, reward="truth")  # one question in each
observations, _ = test_envs.reset(seed=1)
with torch.no_grad():
    values, _ = net(observations)
_, rewards, *_ = test_envs.step(values.argmax(-1).numpy())
print(f"accuracy {rewards.mean():.1%} after {TIMESTEPS} steps")
