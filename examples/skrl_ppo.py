"""skrl's PPO on a native vector: ``python examples/skrl_ppo.py [timesteps]``."""

import sys

import gymnasium as gym
import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import SequentialTrainer
from skrl.utils.model_instantiators.torch import categorical_model, deterministic_model

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
NUM_ENVS, ROLLOUTS = 64, 64

torch.manual_seed(0)
torch.set_num_threads(1)  # small matrices are slower on several
env = wrap_env(gym.make_vec(ENV_ID, NUM_ENVS), wrapper="gymnasium")
spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
layers = [{"name": "net", "input": "OBSERVATIONS", "layers": [64, 64], "activations": "tanh"}]
models = {
    "policy": categorical_model(**spaces, network=layers, output="ACTIONS"),
    "value": deterministic_model(**spaces, network=layers, output="ONE"),
}
cfg = PPO_CFG(
    rollouts=ROLLOUTS,
    learning_epochs=8,
    mini_batches=ROLLOUTS * NUM_ENVS // 256,
    learning_rate=3e-3,
    discount_factor=0.0,  # one question is one episode
    entropy_loss_scale=0.01,
    value_loss_scale=0.5,
    experiment={"write_interval": 0, "checkpoint_interval": 0},
)
agent = PPO(
    cfg=cfg, models=models, memory=RandomMemory(memory_size=ROLLOUTS, num_envs=NUM_ENVS), **spaces
)
steps = {"timesteps": TIMESTEPS // NUM_ENVS, "headless": True, "disable_progressbar": True}
SequentialTrainer(env=env, agents=agent, cfg=steps).train()

test_envs = gym.make_vec(ENV_ID, 4096, reward="truth")  # one question in each
observations, _ = test_envs.reset(seed=1)
with torch.no_grad():
    logits, _ = models["policy"].compute({"observations": torch.as_tensor(observations)})
_, rewards, *_ = test_envs.step(logits.argmax(-1).numpy())
print(f"accuracy {rewards.mean():.1%} after {TIMESTEPS} steps")
