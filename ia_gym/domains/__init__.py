"""The domains of questions, after Christiano et al. (2018): rules, without pictures or learning."""

from ia_gym.domains.assignment import Assignment
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.permutation import Permutation
from ia_gym.domains.shortest_path import ShortestPath
from ia_gym.domains.union_find import UnionFind
from ia_gym.domains.wildcard import Wildcard

DOMAINS: dict[str, type[Domain]] = {
    cls.name: cls for cls in (Permutation, Assignment, Wildcard, ShortestPath, UnionFind)
}

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
