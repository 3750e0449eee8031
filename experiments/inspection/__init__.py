"""Looking at single agents and environments.

- ``environments.py``: the list that ``ia-gym envs`` prints.
- ``evaluation.py``: ``ia-gym eval``.
- ``language_model.py``: ``ia-gym eval --hf``, a causal language model by levels of amplification.
- ``traces.py``: ``ia-gym trace``; ``trace_page.py`` and ``trace_page.html``: its HTML page.
- ``debates.py``: ``ia-gym debate``.
- ``amplification_levels.py``: ``ia-gym amplify``, amplification at test time.
- ``puzzle.py``: ``ia-gym puzzle``, an exact study of approval of actions on FrozenLake.
- ``example_callback.py``: settings, traces and pictures on TensorBoard during training.
"""
