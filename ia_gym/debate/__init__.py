"""Debate (Irving et al., 2018) with the domains' scripts: rules and challengers. NumPy only.

- ``rules.py``: one debate about each answer of a batch, claim by claim.
- ``challengers.py``: who picks the claim that a debate goes on about.
- ``debate_trace.py``: one debate as a tree, to look at.
"""
