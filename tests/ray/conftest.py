"""Tests with Ray, in an environment of their own: `make test-ray`."""

import sys
from pathlib import Path

for room in ("agents", "experiments"):  # their tiny learners and runs
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
