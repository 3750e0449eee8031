"""Times trainings whose batches 0, 1 and 2 other processes make, beside what planning expects.

`python examples/time_workers.py IA-Permutation-v0 imitation --workers 0 1 2`, on a machine with
nothing else to do; needs `pip install "ia-gym[ray]"`. See docs/scaling.md.
"""

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import torch
from plan_workers import measure_costs, plan_rate
from stable_baselines3.common.callbacks import BaseCallback

from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.experiments import tuned

AIM = 0.95


class Stopwatch(BaseCallback):
    """Notes the time of every step, and how long workers were waited for until then, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []
        self.waited: list[float] = []

    def _on_step(self) -> bool:
        self.times.append(time.perf_counter())
        self.waited.append(60 * self.model.waited_minutes)
        return True


def train(
    env_id: str, agent: str, workers: int, timesteps: int | None = None, seed: int = 0
) -> dict[str, float]:
    """Train as tuned, and say how fast it went and how well it was learned.

    The time of evaluations counts in the minutes alone.
    """
    recipe = tuned(agent, env_id)
    kwargs = {**recipe.model_kwargs, "workers": workers}
    model = recipe.model_class(env=recipe.make_env(), seed=seed, **kwargs)
    timesteps = timesteps or recipe.n_timesteps
    evaluation = EvaluationCallback(recipe.make_evaluator(2048), timesteps // 40)
    before, after = Stopwatch(), Stopwatch()
    model.learn(timesteps, [before, evaluation, after])
    # From the end of the first step, for actors have started by then.
    seconds = sum(b - a for a, b in zip(after.times, before.times[1:], strict=False))
    there = [row["time/minutes"] for row in evaluation.history if row["eval/accuracy"] >= AIM]
    return {
        "steps/s": (len(before.times) - 1) / seconds,
        "waiting": (before.waited[-1] - before.waited[0]) / seconds,
        "minutes to aim": there[0] if there else float("nan"),
        "accuracy": evaluation.history[-1]["eval/accuracy"],
    }


def main() -> None:
    """Print a row for each number of workers."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("env_id", nargs="?", default="IA-Permutation-v0")
    parser.add_argument("agent", nargs="?", default="imitation")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--timesteps", type=int, help="questions of a training; default as tuned")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    costs = measure_costs(given.agent, given.env_id)
    print(f"workers  steps/s  expected  waiting  minutes to {AIM:.0%}  accuracy")
    for n in given.workers:
        found = train(given.env_id, given.agent, n, given.timesteps, given.seed)
        print(
            f"{n:7} {found['steps/s']:8.2f} {plan_rate(costs, n, 2):9.2f} {found['waiting']:8.1%} "
            f"{found['minutes to aim']:15.2f} {found['accuracy']:9.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
