"""A learned overseer in an environment: from a file, or trained alongside an agent."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from stable_baselines3 import PPO

from ia_gym.agents import (
    AmplificationCallback,
    FactsExtractor,
    HumanPredictorCallback,
    make_sb3_vec_env,
)
from ia_gym.agents.learners.human_predictor_trainer import HumanPredictorTrainer
from ia_gym.amplification.amplified_assistants import DecomposingFallbackAssistant
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Permutation, UnionFind
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer

BASE = "IA-Permutation-v0"
TINY = {"size": 4, "max_power": 8}
SIZES = {"width": 32, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A predictor for permutations of 4 names, as good as the script, and its file."""
    domain = Permutation(**TINY)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    human, oracle = ScriptedOverseer(domain), Oracle(domain)
    predictor_trainer = HumanPredictorTrainer(human, rng, torch.device("cpu"), **SIZES)
    while predictor_trainer.error > 0:
        predictor_trainer.learn(sample_batch(predictor_trainer.overseer, oracle, rng, 8, 8), oracle)
        assert human.human_interactions < 2000
    path = tmp_path_factory.mktemp("h") / "human.safetensors"
    predictor_trainer.overseer.save(path)
    return predictor_trainer.overseer, path


def test_a_learned_overseer_may_help_itself(learned):
    """Its transcripts do not get mixed up: as if the help came from another one."""
    domain, predictor = learned[0].domain, learned[0].predictor
    results = []
    for alone in (True, False):
        first = LearnedOverseer(domain, predictor)
        second = first if alone else LearnedOverseer(domain, predictor)
        helped = DecomposingFallbackAssistant(second, KnowNothing(), np.random.default_rng(0))
        batch = sample_batch(first, helped, np.random.default_rng(1), 20, 20)
        results.append((batch.targets, first.confidence))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert (results[0][0][batch.depths == 2] != 0).mean() > 0.9
    assert results[0][1].max() < 1


@pytest.mark.parametrize("assistant", ["inline", "oracle"])
def test_a_learned_overseer_approves_of_what_the_script_approves_of(learned, assistant):
    """The agent answers everything rightly."""
    env = gym.make(BASE, overseer=learned[1], assistant=assistant, trust=None, **TINY)
    approvals = []
    _, info = env.reset(seed=0)
    while len(approvals) < 200:
        _, reward, _, _, after = env.step(info["truth"])
        assert after["is_root"] or reward == 0
        if after["is_root"]:
            approvals.append(reward)
            assert after["target"] == after["truth"] or not reward
        _, info = env.reset()
    assert np.mean(approvals) > 0.97
    assert env.unwrapped.human_interactions == learned[0].human_interactions > 100


def test_a_saved_overseer_says_the_same(learned):
    overseer, path = learned
    domain = Permutation(**TINY)
    again = LearnedOverseer.load(path, domain)
    batches = [
        sample_batch(one, Oracle(domain), np.random.default_rng(1), 20, 8)
        for one in (overseer, again)
    ]
    np.testing.assert_array_equal(batches[0].targets, batches[1].targets)
    np.testing.assert_array_equal(batches[0].transcript.questions, batches[1].transcript.questions)
    assert again.human_interactions == overseer.human_interactions


def test_a_learned_overseer_has_nothing_to_ask_for_the_judge():
    """Not even where the script asks about all neighbours."""
    env = gym.make("IA-UnionFind-v0", trust=None).unwrapped
    domain = env.domain
    env.set_overseer(LearnedOverseer(domain, HumanPredictor(domain, **SIZES)))
    env.reset(seed=0)
    for _ in range(40):
        env.step(np.int64(1))
        env.reset()
    judging = slice(domain.round_slots[len(domain.subquestions_per_round)].start, None)
    assert not env.engine.transcripts.questions[..., judging, :].any()


@pytest.mark.slow
def test_the_overseer_is_modelled_alongside_an_agent(learned):
    vec = make_sb3_vec_env(BASE, num_envs=16, trust=None, **TINY)
    policy = {
        "features_extractor_class": FactsExtractor,
        "features_extractor_kwargs": {"width": 16, "heads": 2},
    }
    model = PPO("MultiInputPolicy", vec, n_steps=8, batch_size=64, policy_kwargs=policy, seed=0)
    human = HumanPredictorCallback(seed=0, **SIZES)
    model.learn(16 * 8 * 40, callback=[AmplificationCallback(), human])
    asked = human.predictor_trainer.human.human_interactions
    assert vec.get_attr("human_interactions")[0] == asked
    assert 100 < asked <= 400
    assert human.predictor_trainer.error < 0.3


def test_what_is_no_overseer_is_refused(learned, tmp_path):
    path = learned[1]
    for overseer in ("nowhere.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="a saved human predictor, found no"):
            gym.make(BASE, overseer=overseer)
    with pytest.raises(ValueError, match=r"overseer must be made for .*'n_symbols': 12"):
        gym.make(BASE, overseer=path)
    with pytest.raises(ValueError, match='approval must be "strict" with a learned overseer'):
        gym.make(BASE, overseer=path, approval="graded", **TINY)
    whole = path.read_bytes()
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="overseer must name a saved human predictor"):
        gym.make(BASE, overseer=broken, **TINY)
    save_file({"x": torch.zeros(1)}, broken)
    with pytest.raises(ValueError, match="overseer must name a saved human predictor"):
        gym.make(BASE, overseer=broken, **TINY)
    env = gym.make(BASE).unwrapped
    with pytest.raises(ValueError, match=r"overseer must have methods .* lacks"):
        env.set_overseer(Oracle(env.domain))
    with pytest.raises(ValueError, match="overseer must be for Permutation"):
        env.set_overseer(ScriptedOverseer(UnionFind(8)))
    with pytest.raises(ValueError, match=r'overseer can only be set .* reward="approval"'):
        gym.make(BASE, reward="truth").unwrapped.set_overseer(env.engine.overseer)
