"""An agent with its tuned settings, in code of your own: what ``ia-gym train`` would train."""

from typing import Annotated

import torch
import typer

from ia_gym.experiments import tuned


def main(
    agent: str = "ppo",
    env_id: str = "IA-Permutation-v0",
    timesteps: Annotated[int | None, typer.Option(min=1, help="Default as tuned.")] = None,
    seed: int = 0,
    save_to: str = "runs/tuned_agent",
) -> None:
    """Train an agent, print its held-out accuracy, and save it."""
    torch.set_num_threads(1)
    recipe = tuned(agent, env_id)
    model = recipe.model_class(env=recipe.make_env(), seed=seed, **recipe.model_kwargs)
    model.learn(timesteps or recipe.n_timesteps, recipe.make_callbacks())
    print(f"accuracy {recipe.evaluate(model):.1%}")
    model.save(save_to)


if __name__ == "__main__":
    typer.run(main)
