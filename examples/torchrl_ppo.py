"""TorchRL's PPO with masked answers: ``python examples/torchrl_ppo.py [timesteps]``."""

import sys

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import ActionMask, Compose, DTypeCastTransform, GymWrapper, TransformedEnv
from torchrl.modules import MLP, MaskedCategorical, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
NUM_ENVS, FRAMES_PER_BATCH, EPOCHS, MINIBATCH_SIZE = 64, 4096, 8, 256


def make_env(num_envs, **kwargs):
    """A native vector, with its infos as entries, and the answers of the wrong kind masked."""
    envs = gym.make_vec(ENV_ID, num_envs, autoreset_mode="Disabled", **kwargs)
    wrapped = GymWrapper(envs, categorical_action_encoding=True)
    to_bool = DTypeCastTransform(torch.int8, torch.bool, in_keys=["action_mask"])
    return TransformedEnv(wrapped.auto_register_info_dict(), Compose(to_bool, ActionMask()))


torch.manual_seed(0)
torch.set_num_threads(1)  # small matrices are slower on several
env = make_env(NUM_ENVS)
sizes = {"in_features": env.observation_spec["observation"].shape[-1], "num_cells": [64, 64]}
actor = ProbabilisticActor(
    TensorDictModule(MLP(**sizes, out_features=env.action_spec.n), ["observation"], ["logits"]),
    in_keys={"logits": "logits", "mask": "action_mask"},
    distribution_class=MaskedCategorical,
    return_log_prob=True,
)
critic = ValueOperator(MLP(**sizes, out_features=1), ["observation"])
advantage = GAE(gamma=0.0, lmbda=0.0, value_network=critic)  # one question is one episode
loss_module = ClipPPOLoss(actor, critic)
optimizer = torch.optim.Adam(loss_module.parameters(), lr=3e-3)
collector = Collector(env, actor, frames_per_batch=FRAMES_PER_BATCH, total_frames=TIMESTEPS)
for batch in collector:
    with torch.no_grad():
        advantage(batch)
    flat = batch.reshape(-1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(flat)).split(MINIBATCH_SIZE):
            losses = loss_module(flat[rows])
            loss = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
collector.shutdown()

test_envs = make_env(4096, reward="truth")  # one question in each
questions = actor(test_envs.reset())
answered = test_envs.step(questions.set("action", questions["logits"].argmax(-1)))
print(f"accuracy {answered['next', 'reward'].mean():.1%} after {TIMESTEPS} steps")
