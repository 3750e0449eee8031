"""An SB3 agent with default settings: no callback, and the agent is its own assistant.

It answers the overseer's sub-questions in episodes of their own, which look like any other. With
``--no-trust``, the overseer builds on the answers of classes that have not proved themselves.
"""

from typing import Annotated, Literal

import gymnasium as gym
import torch
import typer
from stable_baselines3 import A2C, DQN, PPO

import ia_gym  # noqa: F401  (registers the ids)
from ia_gym.agents import EvaluationCallback, FactsExtractor, QuestionEvaluator

ALGORITHMS = {"A2C": A2C, "DQN": DQN, "PPO": PPO}


def main(
    env_id: str = "IA-Permutation-v0",
    algorithm: Literal["A2C", "DQN", "PPO"] = "PPO",
    timesteps: Annotated[int, typer.Option(min=1)] = 100_000,
    trust: bool = True,
    seed: int = 0,
    log_dir: str = "runs/plain_sb3",
) -> None:
    """Train an agent, and print its evaluations."""
    torch.set_num_threads(1)
    env = gym.make(env_id, **({} if trust else {"trust": None}))
    policy_kwargs = {"features_extractor_class": FactsExtractor}
    model = ALGORITHMS[algorithm](
        "MultiInputPolicy", env, policy_kwargs=policy_kwargs, seed=seed, tensorboard_log=log_dir
    )

    def report(row: dict[str, float]) -> None:
        print(
            f"{row['timesteps']:>9.0f} steps  {row['time/minutes']:5.1f} min"
            f"  accuracy {row['eval/accuracy']:6.1%}  approval {row['overseer/approval']:6.1%}",
            flush=True,
        )

    every = max(timesteps // 20, 2048)
    evaluation = EvaluationCallback(QuestionEvaluator(env_id), every, on_evaluation=report)
    name = f"{algorithm}_{'with' if trust else 'without'}_trust_gate"
    model.learn(timesteps, callback=evaluation, tb_log_name=name)


if __name__ == "__main__":
    typer.run(main)
