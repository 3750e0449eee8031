"""Search over settings: what ``ia-gym tune`` does.

- ``search_space.py``: the YAML file that says which settings to try.
- ``pruners.py``: which runs are stopped early.
- ``study.py``: the trials so far, in an Optuna study on disk.
- ``tune.py``: the search: trials, progress, and the table at the end.
"""
