"""Every test: one thread, and a fixed seed of torch."""

import pytest
import torch

torch.set_num_threads(1)  # tests run side by side; two threads each would wait for one another


@pytest.fixture(autouse=True)
def _seed_torch():
    torch.manual_seed(0)
