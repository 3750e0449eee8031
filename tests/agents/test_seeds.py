"""Equal seeds give equal bytes in every process; no training sees the evaluation's stream."""

import hashlib
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO

from ia_gym.agents import (
    AmplificationCallback,
    AnswerSearch,
    Consultancy,
    CurriculumCallback,
    Debate,
    EvaluationCallback,
    FactsExtractor,
    ImitationIA,
    IteratedAmplification,
    LearnedDecomposition,
    QuestionEvaluator,
    Reinforce,
    ReinforceWithDemonstrations,
    Supervised,
    make_sb3_vec_env,
)
from ia_gym.domains import DOMAINS

SMALL = {"width": 16, "heads": 2}
POLICY = {"features_extractor_class": FactsExtractor, "features_extractor_kwargs": SMALL}
BASE = "IA-Permutation-v0"


def stream(rng):
    """The part of a generator's state that names its stream, whatever was drawn from it."""
    return rng.bit_generator.state["state"]["inc"]


def train_learner(cls, env_id, seed, callback=None, **kwargs):
    env = gym.make(env_id)
    few = {"n_contexts": 2, "n_questions": 4, "policy_kwargs": SMALL}
    model = cls(env=env, seed=seed, **few, **kwargs)
    model.learn(32, callback)
    return model.policy.state_dict()


def train_sb3(cls, env_id, seed, callback=None, **kwargs):
    vec = make_sb3_vec_env(env_id, num_envs=4)
    model = cls("MultiInputPolicy", vec, seed=seed, policy_kwargs=POLICY, **kwargs)
    callbacks = [AmplificationCallback(), CurriculumCallback()]
    model.learn(64, callbacks + ([callback] if callback else []))
    return model.policy.state_dict()


WAYS = {
    "supervised": lambda *rest: train_learner(Supervised, *rest),
    "imitation": lambda *rest: train_learner(ImitationIA, *rest),
    "iterated": lambda *rest: train_learner(
        IteratedAmplification, *rest, predictor_kwargs={**SMALL, "layers": 1}
    ),
    "decomposition": lambda *rest: train_learner(
        LearnedDecomposition,
        *rest,
        predictor_kwargs={**SMALL, "layers": 1},
        **{"n_demonstrations": 8, "pretraining_updates": 1, "n_rl_contexts": 2, "n_samples": 2},
    ),
    "search": lambda *rest: train_learner(AnswerSearch, *rest),
    "reinforce": lambda *rest: train_learner(Reinforce, *rest),
    "debate": lambda *rest: train_learner(Debate, *rest, challenger_kwargs=SMALL),
    "consultancy": lambda *rest: train_learner(Consultancy, *rest),
    "demonstrations": lambda *rest: train_learner(ReinforceWithDemonstrations, *rest),
    "ppo": lambda *rest: train_sb3(PPO, *rest, n_steps=8, batch_size=16),
    "dqn": lambda *rest: train_sb3(DQN, *rest, learning_starts=8, buffer_size=100),
}


@pytest.fixture
def drawn(monkeypatch):
    """A dict of the contexts that are drawn: a set of bytes for each random stream."""
    contexts = {}

    def spied(sample):
        def sample_contexts(self, rng, *rest, **kwargs):
            found = sample(self, rng, *rest, **kwargs)
            facts = {each.tobytes() for each in found["facts"]}
            contexts.setdefault(stream(rng), set()).update(facts)
            return found

        return sample_contexts

    for cls in DOMAINS.values():
        monkeypatch.setattr(cls, "sample_contexts", spied(cls.sample_contexts))
    return contexts


@pytest.mark.parametrize(
    ("way", "name"), [*((way, "Permutation") for way in WAYS), ("ppo", "UnionFind")]
)
def test_training_never_draws_from_the_evaluations_stream(way, name, drawn):
    """Neither the stream nor, where there are more contexts than one can draw, a context."""
    env_id = f"IA-{name}-N16-v0"
    held_out = QuestionEvaluator(env_id, 64)
    (evaluation,) = drawn.keys() - {stream(np.random.default_rng(0))}  # of `merged_into`
    shown = drawn[evaluation].copy()
    assert len(shown) == 4
    for seed in (0, 1):
        WAYS[way](env_id, seed, EvaluationCallback(held_out, 24))
    assert drawn.pop(evaluation) == shown  # evaluating draws nothing anew
    assert len(drawn) >= 2
    assert sum(map(len, drawn.values())) > 12
    assert not set.union(*drawn.values()) & shown


@pytest.mark.parametrize("name", DOMAINS)
def test_environments_and_evaluations_share_no_stream(name, drawn):
    """Whatever their seeds, in all three faces."""
    env_id = f"IA-{name}-v0"
    for seed in range(4):
        QuestionEvaluator(env_id, 16, seed)
    evaluations = set(drawn) - {stream(np.random.default_rng(0))}
    assert len(evaluations) == 4
    drawn.clear()
    for seed in range(4):
        gym.make(env_id, disable_env_checker=True).reset(seed=seed)
        gym.make_vec(env_id, num_envs=2).reset(seed=seed)
        bridge = make_sb3_vec_env(env_id, num_envs=2)
        bridge.seed(seed)
        bridge.reset()
    assert len(drawn) == 4
    assert not evaluations & set(drawn)


def test_no_seed_of_training_gives_a_seed_of_evaluation():
    """Of 20,000 seeds: those one would choose, the largest, and some at random."""
    rng = np.random.default_rng(7)
    some = [*range(10_000), 2**32 - 1, *rng.integers(2**32, size=9999).tolist()]
    training = {stream(np.random.default_rng(seed)) for seed in some}
    assert len(training) > 19_990
    spied = []
    for seed in (*range(20), 2**32 - 1):
        sequence = np.random.SeedSequence(seed, spawn_key=(2_018_1810,))
        spied.append(stream(np.random.default_rng(sequence)))
    assert len(set(spied)) == 21
    assert not training & set(spied)


def test_seeds_may_be_numpys_integers(tmp_path):
    """As from ``rng.integers``; they mean what Python's integers mean, and go into JSON."""
    for env_id in ("IA-Permutation-v0", "IA-CartPole-v0"):
        for make in (gym.make, lambda name: gym.make_vec(name, num_envs=2)):
            shown = [make(env_id).reset(seed=kind(3))[0] for kind in (int, np.int64, np.uint8)]
            for each in shown[1:]:
                np.testing.assert_equal(each, shown[0])
    kinds = int, np.int64
    observations = [QuestionEvaluator(BASE, kind(32), kind(3)).observations for kind in kinds]
    np.testing.assert_equal(*observations)
    models = [ImitationIA(env=gym.make(BASE), seed=kind(3), n_contexts=kind(2)) for kind in kinds]
    for model in models:
        model.learn(np.int64(128)).save(tmp_path / "model")
        assert ImitationIA.load(tmp_path / "model").seed == 3
    for a, b in zip(*(model.policy.parameters() for model in models)):
        assert torch.equal(a, b)


def trajectory(env_id):
    """A fingerprint of all that an environment and a vector of three show, for a seed."""
    digest = hashlib.sha256()
    for env in (gym.make(env_id, disable_env_checker=True), gym.make_vec(env_id, num_envs=3)):
        rng = np.random.default_rng(0)
        observation, info = env.reset(seed=11)
        for _ in range(40):
            shape = env.action_space.shape
            for part in (*observation.values(), info["truth"], info["depth"], info["class"]):
                digest.update(np.ascontiguousarray(part).tobytes())
            action = rng.integers(0, 3, shape)
            observation, reward, *_, info = env.step(action)
            digest.update(np.asarray(reward, np.float64).tobytes())
            if shape == ():
                observation, info = env.reset()
    return digest.hexdigest()


def fingerprints():
    """Of trajectories, and of weights and curves after a short training, on one thread."""
    torch.set_num_threads(1)
    lines = [f"{name} {trajectory(f'IA-{name}-v0')}" for name in DOMAINS]
    for way in ("iterated", "reinforce", "ppo"):
        evaluation = EvaluationCallback(QuestionEvaluator(BASE, 64), 16)
        digest = hashlib.sha256()
        for key, value in WAYS[way](BASE, 5, evaluation).items():
            digest.update(key.encode() + value.numpy().tobytes())
        for row in evaluation.history:
            numbers = {key: value for key, value in row.items() if not key.startswith("time/")}
            digest.update(repr(sorted(numbers.items())).encode())
        assert len(evaluation.history) > 2
        lines.append(f"{way} {digest.hexdigest()}")
    return lines


def test_equal_seeds_give_equal_bytes_in_every_process():
    """In this one, and in a fresh one that hashes strings otherwise."""
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    out = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=True, env=environ
    )
    here = fingerprints()
    assert out.stdout.splitlines() == here
    assert len({line.split()[-1] for line in here}) == len(DOMAINS) + 3


if __name__ == "__main__":
    print("\n".join(fingerprints()))
