"""Measures what a batch costs a learner, and from that how far more workers would help.

`python examples/plan_workers.py IA-Permutation-v0 imitation`; one core is enough. See
docs/scaling.md.
"""

import pickle
import sys
import time
from collections.abc import Callable

import torch

from ia_gym.agents.learners.amplified_learner import BROADCAST_PERIOD, AmplifiedLearner
from ia_gym.amplification.batches import sample_batch
from ia_gym.experiments import tuned

STEPS = 15
WORKERS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def measure(action: Callable[[], object]) -> float:
    """Processor seconds of an action: other programs on the machine do not count."""
    began = time.process_time()
    action()
    return time.process_time() - began


def measure_costs(agent: str, env_id: str) -> dict[str, float]:
    """Processor seconds of each part of a training step, the median of ``STEPS``; bytes moved."""
    recipe = tuned(agent, env_id)
    model = recipe.model_class(env=recipe.make_env(), seed=0, **recipe.model_kwargs)
    if not isinstance(model, AmplifiedLearner):
        raise SystemExit(f"agent must learn from the amplified overseer, got {agent}")
    model.learn(recipe.n_timesteps // 100)  # the human predictor asks and answers by then

    names = ("make", "train", "pack")
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(STEPS):
        made = []

        def make(into: list[object] = made) -> None:
            sizes = model.n_contexts, model.n_questions
            assistant = model.amplified_assistant
            batch = sample_batch(model.active_overseer, assistant, model.rng, *sizes)
            into.append(batch.strip())

        times["make"].append(measure(make))
        batch = made[0]

        def train(batch: object = batch) -> None:
            if model.predictor_trainer is not None:
                model.predictor_trainer.learn(batch, model.amplified_assistant)
            model.train_on_answers(batch.contexts, batch.questions, batch.targets)

        times["train"].append(measure(train))  # on what the worker sends
        times["pack"].append(measure(lambda batch=batch: pickle.loads(pickle.dumps(batch))))
    costs = {name: sorted(each)[STEPS // 2] for name, each in times.items()}
    weights = dict(model.policy.average_network.state_dict())
    costs["broadcast"] = measure(lambda: pickle.loads(pickle.dumps(weights)))
    costs["batch_bytes"] = len(pickle.dumps(batch))
    costs["weight_bytes"] = len(pickle.dumps(weights))
    return costs


def plan_rate(costs: dict[str, float], workers: int, cores: int) -> float:
    """Training steps a second with ``workers``: what the slowest of three allows.

    The workers make batches, the learner trains on them, and all of them share the cores; whoever
    waits needs none.
    """
    if not workers:
        return 1 / (costs["make"] + costs["train"])
    make = costs["make"] + costs["pack"] / 2
    step = costs["train"] + costs["pack"] / 2 + costs["broadcast"] / BROADCAST_PERIOD
    return min(workers / make, 1 / step, cores / (make + step))


def main(env_id: str, agent: str) -> None:
    """Print the costs, and the steps a second they allow."""
    torch.set_num_threads(1)
    costs = measure_costs(agent, env_id)
    for name in ("make", "train", "pack", "broadcast"):
        print(f"{name:10} {1000 * costs[name]:7.2f} ms")
    print(
        f"a batch {costs['batch_bytes'] / 1e3:.0f} kB, weights {costs['weight_bytes'] / 1e3:.0f} kB"
    )
    print("workers  steps/s on 2 cores  steps/s on enough cores  times as many as without")
    alone = plan_rate(costs, 0, 1)
    for workers in WORKERS:
        few, enough = plan_rate(costs, workers, 2), plan_rate(costs, workers, workers + 1)
        print(f"{workers:7} {few:19.1f} {enough:24.1f} {enough / alone:25.2f}")


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["IA-Permutation-v0", "imitation"][len(sys.argv) - 1 :]))
