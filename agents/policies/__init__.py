"""Policies and features extractors.

- ``answer_policy.py``: the policies of the suite's learners.
- ``answer_preferences.py``: how likely an agent finds each answer.
- ``facts_extractor.py``: the features extractor for agents of Stable-Baselines3.
"""
