"""Imitation, PPO on approval and the supervised baseline, side by side: what ``make demo`` runs.

Ends with a table, a picture of the learning curves and the command that opens TensorBoard.
"""

import typer

from ia_gym.experiments.compare import compare


def main(env_id: str = "IA-Permutation-v0", seeds: int = 1, log_dir: str = "runs/demo") -> None:
    """Train each agent ``seeds`` times."""
    try:
        compare(env_id, ["ppo", "imitation", "supervised"], seeds=seeds, log_dir=log_dir)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


if __name__ == "__main__":
    typer.run(main)
