"""A Minari dataset of random answers: ``python examples/minari_dataset.py [answers]``.

The overseer, whose assistant answers truly here, approves of about one in five. The network learns
from those alone, offline.
"""

import os
import sys
import tempfile

import gymnasium as gym
import numpy as np
import torch
from torch import nn

os.environ.setdefault("MINARI_DATASETS_PATH", tempfile.mkdtemp())  # read when minari is imported
import minari

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
ANSWERS = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000

torch.manual_seed(0)
torch.set_num_threads(1)  # small matrices are slower on several
env = minari.DataCollector(gym.make(ENV_ID, assistant="oracle"))
env.action_space.seed(0)
go_on = {"minari_autoseed": False}  # or Minari seeds every reset, and all starts afresh
for number in range(ANSWERS):
    _, info = env.reset(seed=None if number else 0, options=go_on)
    env.step(env.action_space.sample(info["action_mask"]))
dataset = env.create_dataset("ia-permutation-n4/random-v0", algorithm_name="random answers")

approved = [episode for episode in dataset.iterate_episodes() if episode.rewards[0] == 1]
questions = torch.as_tensor(np.stack([episode.observations[0] for episode in approved]))
answers = torch.as_tensor(np.stack([episode.actions[0] for episode in approved]))
n_inputs, n_actions = questions.shape[1], int(env.action_space.n)
network = nn.Sequential(nn.Linear(n_inputs, 128), nn.ReLU(), nn.Linear(128, n_actions))
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
for _ in range(200):
    loss = nn.functional.cross_entropy(network(questions), answers)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

test_envs = gym.make_vec(ENV_ID, 4096, reward="truth")  # one question in each
observations, _ = test_envs.reset(seed=1)
with torch.no_grad():
    predictions = network(torch.as_tensor(observations)).argmax(-1)
_, rewards, *_ = test_envs.step(predictions.numpy())
print(f"accuracy {rewards.mean():.1%} from {len(approved)} approved of {ANSWERS} answers")
