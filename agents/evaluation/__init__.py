"""Held-out evaluation of any agent.

- ``evaluator.py``: the protocol of evaluators, and the labels that reports use.
- ``question_evaluator.py`` and ``episode_evaluator.py``: its implementations, for environments
  that ask questions and for those whose actions are approved of.
- ``judges.py``: who judges an agent's answers, and how good the judge is.
- ``make_evaluator.py``: the evaluator that fits an environment.
- ``question_trace.py`` and ``episode_trace.py``: one held-out question or episode, to look at.
"""
