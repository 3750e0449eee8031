"""Times trainings whose batches 0, 1 and 2 other processes make, beside what planning expects.

`python examples/time_workers.py IA-Permutation-v0 imitation --workers 0 1 2`, on a machine with
nothing else to do; needs `pip install "ia-gym[ray]"`. See docs/scaling.md.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import torch
from plan_workers import measure_costs, simulate

from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.experiments import tuned

AIM = 0.95


def train(env_id: str, agent: str, workers: int, timesteps: int | None = None) -> dict[str, float]:
    """Train as tuned, and say how fast it went and how well it was learned."""
    recipe = tuned(agent, env_id)
    kwargs = {**recipe.model_kwargs, "workers": workers}
    model = recipe.model_class(env=recipe.make_env(), seed=0, **kwargs)
    timesteps = timesteps or recipe.n_timesteps
    evaluation = EvaluationCallback(recipe.make_evaluator(2048), timesteps // 40)
    model.learn(timesteps, evaluation)
    history = evaluation.history
    first, last = history[0], history[-1]  # actors have started by the first
    minutes = last["time/minutes"] - first["time/minutes"]
    steps = (last["timesteps"] - first["timesteps"]) / (model.n_contexts * model.n_questions)
    there = [row["time/minutes"] for row in history if row["eval/accuracy"] >= AIM]
    return {
        "steps/s": steps / minutes / 60,
        "waiting": model.waited_minutes / last["time/minutes"],
        "minutes to aim": there[0] if there else float("nan"),
        "accuracy": last["eval/accuracy"],
    }


def main() -> None:
    """Print a row for each number of workers."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("env_id", nargs="?", default="IA-Permutation-v0")
    parser.add_argument("agent", nargs="?", default="imitation")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--timesteps", type=int, help="questions of a training; default as tuned")
    given = parser.parse_args()
    torch.set_num_threads(1)
    costs = measure_costs(given.agent, given.env_id)
    print(f"workers  steps/s  expected  waiting  minutes to {AIM:.0%}  accuracy")
    for n in given.workers:
        found = train(given.env_id, given.agent, n, given.timesteps)
        print(
            f"{n:7} {found['steps/s']:8.2f} {simulate(costs, n, 2):9.2f} {found['waiting']:8.1%} "
            f"{found['minutes to aim']:15.2f} {found['accuracy']:9.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
