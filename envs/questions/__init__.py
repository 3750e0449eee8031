"""Question domains as environments.

- ``config.py``: the arguments of the environments, with their defaults and checks.
- ``engine.py``: the state of all environments, and the walk through their episodes.
- ``question_sheet.py``: contexts, root questions, and what is looked up about them ahead of time.
- ``decomposition.py``: the overseer's sub-questions about the root questions.
- ``judging.py``: how rewards come about.
- ``question_env.py`` and ``question_vector_env.py``: the engine as a ``gym.Env`` and as a
  ``VectorEnv``; ``shared_interface.py``: what these two share.
- ``observations.py``: how questions are shown: the encodings of observations; ``texts.py``: those
  in words.
- ``numbered_questions.py``: endless questions, each known by its number alone.
- ``spaces.py``: observation and action spaces.
- ``rendering.py``: an environment as text and as a picture.
"""
