"""Training of a human predictor on its own, in tests/networks and tests/long."""

import numpy as np
import torch

from ia_gym.agents.learners.human_predictor_trainer import make_records
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains.transcript import IDK
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.networks.optimizers import MuonAdamW


def record_queries(domain, n, seed, assistant):
    """Records of ``n`` queries to the scripted overseer, to train a human predictor on."""
    overseer, rng = ScriptedOverseer(domain), np.random.default_rng(seed)
    batch = sample_batch(overseer, assistant, rng, n, 1)
    rows = make_records(batch.questions, batch.transcript, batch.targets)
    return {name: torch.as_tensor(row) for name, row in rows.items()}


def check_predictor_learns(domain, updates):
    """After 1000 queries, the predictor answers as the overseer does, whatever the assistant."""
    parts = [
        record_queries(domain, 500, 0, Oracle(domain)),
        record_queries(domain, 500, 1, KnowNothing()),
    ]
    records = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    predictor = HumanPredictor(domain)
    optimizer = MuonAdamW(predictor.parameters())
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, update / 30) * (1 - update / updates)
        chosen = torch.randint(1000, (64,))
        loss = predictor.loss(**{key: rows[chosen] for key, rows in records.items()}).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rng = np.random.default_rng(2)
    learned = LearnedOverseer(domain, predictor)
    batch = sample_batch(learned, Oracle(domain), rng, 50, 10)
    assert domain.is_correct(batch.contexts, batch.questions, batch.targets).mean() > 0.98
    scripted = ScriptedOverseer(domain)
    without_help = [
        sample_batch(learned, KnowNothing(), rng, 50, 10),
        sample_batch(scripted, KnowNothing(), np.random.default_rng(3), 50, 10),
    ]
    idk = [np.mean(batch.targets == IDK) for batch in without_help]
    assert abs(idk[0] - idk[1]) < 0.1
