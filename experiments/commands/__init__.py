"""The commands of ``ia-gym``: their options and help; the work is done in other modules.

These are imported inside of the commands, so that ``--help`` answers at once.

- ``options.py``: arguments and options that several commands have.
- ``training.py``: train, compare, tune, failures.
- ``inspection.py``: envs, eval, trace, debate, amplify, puzzle.
- ``people.py``: human.
- ``measuring.py``: report, bench.
"""
