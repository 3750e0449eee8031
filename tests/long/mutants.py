"""Mutation testing of the domains' rules and of amplification: would the tests notice?

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
PICTURES = "ǁdraw__"
"""Mutants that only change how a picture looks are left out: they break no rule."""


def results():
    """Exit statuses of the tests by mutant, by module; None for one that has not been tried."""
    for file in sorted(Path("mutants").rglob("*.meta")):
        yield file.name.removesuffix(".py.meta"), json.loads(file.read_text())["exit_code_by_key"]


def main():
    """Draw mutants, try them, and print what share was killed and which ones survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=120, help="mutants of a module; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default="2")
    arguments = parser.parse_args()
    run = ["mutmut", "run", "--max-children", arguments.jobs]
    subprocess.run([*run, FIRST], check=False)  # so that mutants are made, and tests timed
    chance, chosen = random.Random(arguments.seed), {}
    for module, mutants in results():
        names = sorted(name for name in mutants if PICTURES not in name)
        few = chance.sample(names, min(arguments.each or len(names), len(names)))
        chosen[module] = few
    subprocess.run([*run, *(name for few in chosen.values() for name in few)], check=False)
    for module, mutants in results():
        told = Counter("survived" if mutants[name] == 0 else "killed" for name in chosen[module])
        share = told["killed"] / max(told.total(), 1)
        made = len([name for name in mutants if PICTURES not in name])
        print(f"{module:14} {told.total():5} of {made:5}, killed {share:6.1%}")
        for name in chosen[module]:
            if mutants[name] == 0:
                shown = subprocess.run(["mutmut", "show", name], capture_output=True, text=True)
                lines = re.findall(r"^[-+] .*$", shown.stdout, re.M)
                print(f"  {name.rpartition('.')[2]}", *lines, sep="\n    ")


if __name__ == "__main__":
    main()
