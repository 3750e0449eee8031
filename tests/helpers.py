"""What tests of several rooms share."""

import gymnasium as gym
import numpy as np
import torch

from ia_gym.agents.learners.human_predictor_trainer import make_records
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains.transcript import IDK
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.networks.optimizers import MuonAdamW


class ItselfAsAssistant:
    """H as its own assistant, all the way down to primitive questions."""

    def __init__(self, overseer, rng):
        self.overseer, self.rng = overseer, rng

    def answer(self, contexts, questions):
        # Questions among them that H looks up are not this assistant's to answer.
        questions = questions * ~self.overseer.domain.is_primitive(questions)[..., None]
        if not questions.any():
            return np.zeros(questions.shape[:2], np.int64)
        transcript = amplify(self.overseer, self, self.rng, contexts, questions, judging=False)
        return self.overseer.answer(contexts, questions, transcript)


TINY = {"size": 4, "max_power": 8}
"""Arguments of a Permutation environment that is learned in seconds."""
SMALL = {"width": 16, "heads": 2}
"""Sizes of a network that trains in milliseconds."""


def make_tiny_env(**kwargs):
    """A small Permutation environment."""
    return gym.make("IA-Permutation-v0", **TINY, **kwargs)


def make_tiny_learner(cls, env=None, **kwargs):
    """A learner with a small network, batches of 32 questions, and an environment by default."""
    arguments = {"n_contexts": 4, "n_questions": 8, "policy_kwargs": SMALL, "seed": 0}
    return cls(env=make_tiny_env() if env is None else env, **{**arguments, **kwargs})


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
