"""Mutation testing of the domains' rules and of amplification: would the tests notice a change?

mutmut (its settings are in ``pyproject.toml``) changes one thing in the code at a time and runs the
tests that reach it. All mutants take hours of one core: this draws some of each module.
"""

import argparse
import json
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

FIRST = "ia_gym.amplification.amplify.x_check_answers__mutmut_1"
"""Trying one mutant has mutmut make all of them."""


def read_results():
    """Yield each module with the exit statuses of its mutants' tests; None where not tried."""
    for file in sorted(Path("mutants").rglob("*.meta")):
        yield file.name.removesuffix(".py.meta"), json.loads(file.read_text())["exit_code_by_key"]


def main():
    """Draw mutants, try them, and print the share that was killed and which ones survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=120, help="mutants of a module; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default="2")
    arguments = parser.parse_args()
    run = ["mutmut", "run", "--max-children", arguments.jobs]
    subprocess.run([*run, FIRST], check=False)  # so that mutants are made, and tests timed
    rng, chosen = random.Random(arguments.seed), {}
    for module, mutants in read_results():
        n = min(arguments.each or len(mutants), len(mutants))
        chosen[module] = rng.sample(sorted(mutants), n)
    subprocess.run([*run, *(name for few in chosen.values() for name in few)], check=False)
    for module, mutants in read_results():
        names = chosen[module]
        counts = Counter("survived" if mutants[name] == 0 else "killed" for name in names)
        share = counts["killed"] / max(counts.total(), 1)
        print(f"{module:14} {counts.total():5} of {len(mutants):5}, killed {share:6.1%}")
        for name in names:
            if mutants[name] == 0:
                shown = subprocess.run(["mutmut", "show", name], capture_output=True, text=True)
                lines = re.findall(r"^[-+] .*$", shown.stdout, re.M)
                print(f"  {name.rpartition('.')[2]}", *lines, sep="\n    ")


if __name__ == "__main__":
    main()
