"""Decomposition as an environment: the agent asks the sub-questions, and answers.

- ``config.py``: the arguments of the environments, with their defaults and checks.
- ``moves.py``: the actions: sub-questions and answers, filled in from what is known.
- ``engine.py``: the state of all environments, and their episodes.
- ``observations.py``: how question and transcript are shown.
- ``decomposition_env.py`` and ``decomposition_vector_env.py``: the engine as a ``gym.Env`` and as a
  ``VectorEnv``; ``shared_interface.py``: what these two share.
"""
