"""Importing the package: it registers environments, and does nothing else."""

import subprocess
import sys

SCRIPT = """
import sys, tracemalloc
import gymnasium, numpy
tracemalloc.start()
import ia_gym
peak = tracemalloc.get_traced_memory()[1]
assert peak < 2**24, f"{peak} bytes"
assert not {"torch", "stable_baselines3", "matplotlib", "networkx", "pandas"} & set(sys.modules)
assert "IA-Permutation-v0" in gymnasium.registry
"""


def test_importing_allocates_little_and_imports_little():
    """A block that is allocated and freed at once would change how malloc behaves from then on."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
