"""Training runs, comparisons, reports and the command line.

- ``cli.py``: the command line ``ia-gym``; ``commands``: its commands. They call ``train.py`` (one
  run, with its progress), ``compare.py`` (several agents), ``tuning`` (search over settings),
  ``failures.py`` (agents with an overseer that fails), ``bench.py`` and ``text_bench.py`` (speed),
  ``human`` (a person as the overseer), ``inspection`` and ``reports``.
- ``execution``: what trains several runs side by side: processes of this machine, or Ray.
- ``settings``: the tuned settings, one YAML file an agent; ``zoo``: the same for rl-zoo3.
- ``recipe.py``: environment, model and callbacks by the settings; :func:`tuned`, for your own code.
- ``run.py``: one agent trained once; ``run_folder.py``: the files of a run; ``checkpoints.py``;
  ``saved_agents.py``: loading trained agents; ``provenance.py``: command, commit and versions.
- ``inputs.py``: checks of what the commands are given; ``errors.py``: how they report errors;
  ``signals.py``: stopping a training by a signal; ``terminal.py``: printing.
- ``inspection``: evaluation and traces of single agents; ``reports``: tables and figures.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ia_gym.experiments.recipe import TrainingRecipe, tuned

__all__ = ["TrainingRecipe", "tuned"]


def __getattr__(name: str) -> Any:
    """Import public names on first use: they need torch, and ``ia-gym --help`` does not."""
    if name in __all__:
        from ia_gym.experiments import recipe

        return getattr(recipe, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
