"""Policies and features extractors.

- ``answer_policy.py``: the policy of the suite's learners.
- ``facts_extractor.py``: the features extractor for agents of Stable-Baselines3.
"""
