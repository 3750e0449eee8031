"""Training runs, comparisons, reports and the command line.

- ``cli.py``: the commands of ``ia-gym``. They call ``train.py`` (one run, with its progress),
  ``compare.py`` (several agents), ``bench.py`` (speed), ``inspection`` and ``reports``.
- ``settings``: the tuned settings, one YAML file an agent; ``zoo``: the same for rl-zoo3.
- ``run.py``: one agent trained once; ``run_folder.py``: the files of a run; ``checkpoints.py``;
  ``saved_agents.py``: loading trained agents; ``provenance.py``: command, commit and versions.
- ``inputs.py``: checks of what the commands are given; ``errors.py``: how they report errors;
  ``signals.py``: stopping a training by a signal; ``terminal.py``: printing.
- ``inspection``: evaluation and traces of single agents; ``reports``: tables and figures.
"""
