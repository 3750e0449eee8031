"""Imitation, PPO with approval as its reward, and the supervised baseline: what ``make demo`` runs.

Ends with a table, a plot of the learning curves and the command that opens TensorBoard.
"""

import typer

from ia_gym.experiments.__main__ import replace_unprintable
from ia_gym.experiments.compare import compare
from ia_gym.experiments.errors import report_errors


@report_errors("compare")
def main(env_id: str = "IA-Wildcard-v0", seeds: int = 1, log_dir: str = "runs/demo") -> None:
    """Train each agent ``seeds`` times and compare them."""
    compare(env_id, ["ppo", "imitation", "supervised"], seeds=seeds, log_dir=log_dir)


if __name__ == "__main__":
    replace_unprintable()
    typer.run(main)
