"""Approval of actions: a wrapper for other environments, and the registered games.

- ``config.py``: the arguments of the wrapper, with their defaults and checks.
- ``action_approval.py``: the wrapper ``ActionApproval``, and its vector.
- ``env_copies.py``: copies of running environments, in which the overseer tries actions.
- ``games.py``: FrozenLake, CartPole and Freeway, as the registered ids make them.
"""
