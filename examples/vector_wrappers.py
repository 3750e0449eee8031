"""gymnasium's episode statistics, and a table: ``python examples/vector_wrappers.py [timesteps]``.

There is no network: a table keeps the answers that the overseer approves of. Sub-questions are
answered from it too, so that approval spreads from easy questions to hard ones.
"""

import sys

import gymnasium as gym
import numpy as np
from gymnasium.wrappers.vector import RecordEpisodeStatistics

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
NUM_ENVS = 64

# Of the vector wrappers, those that change observations refuse SAME_STEP, the native vector's mode:
# `observation="flat"` makes FlattenObservation needless.
envs = gym.make_vec(ENV_ID, NUM_ENVS, observation="flat")
envs = RecordEpisodeStatistics(envs, buffer_length=100 * NUM_ENVS)
envs.action_space.seed(0)
table: dict[bytes, int] = {}

questions, infos = envs.reset(seed=0)
for step in range(1, TIMESTEPS // NUM_ENVS + 1):
    keys = [question.tobytes() for question in questions]
    guesses = envs.action_space.sample(tuple(infos["action_mask"]))  # of the kind asked for
    answers = np.array([table.get(key, guess) for key, guess in zip(keys, guesses, strict=True)])
    questions, rewards, _, _, infos = envs.step(answers)
    root = infos["final_info"]["is_root"]  # of the questions just answered
    for i in np.flatnonzero(root):
        if rewards[i]:
            table[keys[i]] = answers[i]
        else:  # once approved of by way of a wrong sub-answer
            table.pop(keys[i], None)
    if step % 200 == 0:  # sub-questions count in the mean, with a return of 0
        print(
            f"{step * NUM_ENVS:7,d} steps  mean return {np.mean(envs.return_queue):.2f}"
            f"  root questions {root.mean():.2f}  answers in the table {len(table)}"
        )

test_envs = gym.make_vec(ENV_ID, 4096, observation="flat", reward="truth")  # one question in each
questions, _ = test_envs.reset(seed=1)
answers = np.array([table.get(question.tobytes(), 0) for question in questions])
_, rewards, *_ = test_envs.step(answers)
print(f"accuracy {rewards.mean():.1%}")
