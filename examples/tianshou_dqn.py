"""Tianshou's DQN by its high-level interface: ``python examples/tianshou_dqn.py [timesteps]``."""

import sys

import gymnasium as gym
import torch
from tianshou.highlevel.config import OffPolicyTrainingConfig
from tianshou.highlevel.env import EnvFactoryRegistered, VectorEnvType
from tianshou.highlevel.experiment import DQNExperimentBuilder, ExperimentConfig
from tianshou.highlevel.params.algorithm_params import DQNParams

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000

torch.set_num_threads(1)  # small matrices are slower on several
experiment = (
    DQNExperimentBuilder(
        EnvFactoryRegistered(task=ENV_ID, venv_type=VectorEnvType.DUMMY),
        ExperimentConfig(persistence_enabled=False),
        OffPolicyTrainingConfig(
            max_epochs=1,
            epoch_num_steps=TIMESTEPS,
            num_training_envs=10,
            num_test_envs=10,
            test_step_num_episodes=100,
            buffer_size=20_000,
            batch_size=64,
            collection_step_num_env_steps=10,
            update_step_num_gradient_steps_per_sample=0.1,
        ),
    )
    .with_dqn_params(DQNParams(lr=1e-3, gamma=0.0, target_update_freq=500, eps_training=0.1))
    .with_model_factory_default(hidden_sizes=(128, 128))
    .build()
)
result = experiment.run()
algorithm = result.world.algorithm

test = gym.make_vec(ENV_ID, 4096, reward="truth")  # one question in each
observations, _ = test.reset(seed=1)
with torch.no_grad():
    values, _ = algorithm.policy.model(observations)
_, rewards, *_ = test.step(values.argmax(-1).numpy())
print(f"accuracy {rewards.mean():.1%} after {TIMESTEPS} steps")
