"""Trained agents as assistants of the overseer.

- ``policy_assistant.py``: a policy answers sub-questions.
- ``action_assistant.py``: a policy and a network answer the overseer of actions.
- ``observation_encoder.py``: shows a policy what the wrappers of its environments show it.
"""
