"""Policies and features extractors.

- ``answer_policy.py``: the policies of the suite's learners.
- ``facts_extractor.py``: the features extractor for agents of Stable-Baselines3.
"""
