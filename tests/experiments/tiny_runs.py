"""Runs small enough for tests: tiny networks, few questions."""

import json
from dataclasses import asdict, replace

from ia_gym.experiments.settings import load_settings

BASE = "IA-Permutation-v0"
TINY_NETWORK = {"width": 16, "heads": 2, "fact_layers": 1, "question_layers": 1}
TINY_LEARNER = {"n_contexts": 4, "n_questions": 8, "policy_kwargs": TINY_NETWORK}
TINY_PPO = {
    "n_steps": 2,
    "batch_size": 256,
    "policy_kwargs": {
        "features_extractor_class": "FactsExtractor",
        "features_extractor_kwargs": TINY_NETWORK,
    },
}
TINY_IMITATION = {**TINY_LEARNER, "predictor_kwargs": {"width": 16, "heads": 2, "layers": 1}}
STEPS = 1280
"""An evaluation after every training step of a tiny learner."""


def load_tiny_settings(agent, env_id=BASE, n_timesteps=STEPS):
    """The agent's tuned settings, with a tiny model and budget."""
    settings = load_settings(agent, env_id)
    model = {"ppo": TINY_PPO, "imitation": TINY_IMITATION}.get(agent, TINY_LEARNER)
    return replace(settings, model=model, n_timesteps=n_timesteps)


def write_run_file(path, agent, n_timesteps=STEPS, n_eval_questions=64, seed=0):
    """A run.json from which `ia-gym train` trains a tiny agent."""
    settings = asdict(load_tiny_settings(agent, n_timesteps=n_timesteps))
    run = {"env_id": BASE, "agent": agent, "seed": seed, "settings": settings}
    path.write_text(json.dumps({**run, "n_eval_questions": n_eval_questions}))
    return path
