"""The domains of questions, after Christiano et al. (2018): rules, without learning.

- ``permutation.py``, ``assignment.py``, ``wildcard.py``, ``shortest_path.py``, ``union_find.py``:
  the rules of each domain; its module docstring has them as a table.
- ``domain.py``: the base class, also of your own domain.
- ``templates.py``: the moves of a decomposition, with places for arguments.
- ``transcript.py``: the overseer's sub-questions and the answers to them.
- ``graph_domain.py`` and ``graph_steps.py``: what the two graph domains share.
- ``batch_arrays.py``: work on arrays, row by row; ``symbol_text.py``: symbols as text.
- ``answer_parser.py``: from text back to answers, by a stated grammar.
- ``question_forms.py``: forms in which a person asks, and questions in words.
- ``renaming.py``: other names for the same things.
- ``checks.py``: checks of what a domain's methods return.
- ``drawing``: pictures of contexts.
"""

from ia_gym.domains.assignment import Assignment
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.permutation import Permutation
from ia_gym.domains.shortest_path import ShortestPath
from ia_gym.domains.union_find import UnionFind
from ia_gym.domains.wildcard import Wildcard

DOMAINS: dict[str, type[Domain]] = {
    cls.name: cls for cls in (Permutation, Assignment, Wildcard, ShortestPath, UnionFind)
}
"""The domains of this package by name, as in the ids ``IA-<name>-v0``."""

__all__ = [
    "DOMAINS",
    "Assignment",
    "Contexts",
    "Domain",
    "Permutation",
    "ShortestPath",
    "UnionFind",
    "Wildcard",
]
