"""Approval of actions: the overseer's script, without environments or learning.

- ``overseer.py``: the overseer, which judges an action by its consequences; the protocols of
  simulators and assistants.
- ``tree_search.py``: PUCT in copies of a simulator.
- ``transition_table.py``: tabular environments as simulators, with exact values.
"""
