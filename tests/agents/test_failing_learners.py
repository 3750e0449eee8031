"""Learners whose overseer fails: what they measure, their files, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from tiny_learners import TINY, make_tiny_env, make_tiny_learner

from ia_gym.agents import (
    AmplificationCallback,
    AnswerSearch,
    EvaluationCallback,
    FactsExtractor,
    ImitationIA,
    IteratedAmplification,
    QuestionEvaluator,
    Reinforce,
    Supervised,
    make_sb3_vec_env,
)

FAILING = {"overseer_failure": 0.3, "assistant_failure": 0.2, "votes": 3}


class Save(BaseCallback):
    """Saves the model after 128 timesteps."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def _on_step(self):
        if self.num_timesteps == 128:
            self.model.save(self.path)
        return True


@pytest.mark.parametrize("cls", [ImitationIA, AnswerSearch, Reinforce])
@pytest.mark.parametrize("kind", ["random", "hashed"])
def test_training_resumes_to_the_byte(cls, kind, tmp_path):
    kwargs = {**FAILING, "failure_kind": kind, "adversarial_assistant": cls is Reinforce}
    whole = make_tiny_learner(cls, make_tiny_env(**kwargs))
    whole.learn(256, callback=Save(tmp_path / "half"))
    resumed = cls.load(tmp_path / "half", env=make_tiny_env(**kwargs))
    assert 0 < resumed.failures["overseer"][0].sum() < whole.failures["overseer"][0].sum()
    resumed.learn(128, reset_num_timesteps=False)
    files = []
    for name, model in (("one", whole), ("two", resumed)):
        model.save(tmp_path / name)
        files.append(load_file(tmp_path / f"{name}.safetensors"))
    assert files[0].keys() == files[1].keys() >= {"training/failures/overseer"}
    for key, value in files[0].items():
        assert torch.equal(value, files[1][key]), key


def test_a_predictor_learns_from_a_failing_overseer_and_resumes(tmp_path):
    small = {"predictor_kwargs": {"width": 16, "heads": 2, "layers": 1}}
    env = make_tiny_env(overseer_failure=0.5)
    model = make_tiny_learner(IteratedAmplification, env, **small)
    model.learn(128, callback=Save(tmp_path / "half"))
    could, failed = model.failures["overseer"].sum(axis=1)
    assert could == model.human_interactions > 0
    assert 0.2 < failed / could < 0.8
    resumed = IteratedAmplification.load(tmp_path / "half", env=env)
    np.testing.assert_array_equal(resumed.failures["overseer"], model.failures["overseer"])


@pytest.mark.parametrize(
    ("votes", "target"), [(1, 1 - 0.3 + 0.3 / 5), (3, 0.8878)], ids=["once", "votes"]
)
def test_targets_are_measured_as_they_fail(votes, target):
    """At depth 1 the overseer looks everything up: nothing has to be learned."""
    env = make_tiny_env(overseer_failure=0.3, votes=votes)
    model = make_tiny_learner(ImitationIA, env)
    evaluator = QuestionEvaluator("IA-Permutation-v0", 4096, **TINY)
    before = model.human_interactions, model.rng.bit_generator.state
    measured = model.measure(evaluator)
    assert abs(measured["failing/target_accuracy_depth_1"] - target) < 0.03
    assert (model.human_interactions, model.rng.bit_generator.state) == before
    model.learn(64)
    assert abs(model.measure(evaluator)["failures/overseer"] - 0.3) < 0.2
    assert model.human_interactions == 64 * votes
    assert evaluator.evaluate(model)["overseer/target_accuracy_depth_1"] == 1  # never fails


def test_other_failures_in_a_new_environment_are_followed():
    model = make_tiny_learner(AnswerSearch, make_tiny_env(overseer_failure=0.3))
    model.learn(64)
    asked = model.failures["overseer"][0].sum()
    model.learn(32, reset_num_timesteps=False)
    assert model.failures["overseer"][0].sum() == asked + 32
    model.set_env(make_tiny_env())
    model.learn(32, reset_num_timesteps=False)
    assert model.failures == {}
    assert model.human_interactions == asked + 64  # the same script, which has counted on


@pytest.mark.parametrize(
    ("cls", "env_kwargs", "kwargs", "message"),
    [
        (Supervised, {"overseer_failure": 0.1}, {}, "overseer_failure must be left out"),
        (Supervised, {"votes": 3}, {}, "votes must be left out"),
        (
            ImitationIA,
            {"overseer_failure": 0.1, "failure_at": "approval"},
            {},
            'failure_at of env must not be "approval" for ImitationIA',
        ),
        (
            AnswerSearch,
            {"overseer_failure": 0.1, "failure_at": "approval"},
            {"interaction_rate": 5.0},
            'failure_at of env must not be "approval" for AnswerSearch',
        ),
        (IteratedAmplification, {"votes": 3}, {}, "votes of env must be 1 if a human predictor"),
        (AnswerSearch, {"reward": "deception"}, {}, 'reward of env must not be "deception"'),
    ],
    ids=str,
)
def test_what_has_no_effect_is_refused(cls, env_kwargs, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_tiny_learner(cls, make_tiny_env(**env_kwargs), **kwargs)


def make_ppo(env):
    policy = {
        "features_extractor_class": FactsExtractor,
        "features_extractor_kwargs": {"width": 16, "heads": 2},
    }
    return PPO("MultiInputPolicy", env, n_steps=4, batch_size=32, policy_kwargs=policy, seed=0)


def test_agents_of_sb3_log_failures_and_deception():
    kwargs = {**TINY, "trust": None, "reward": "deception", **FAILING}
    env = make_sb3_vec_env("IA-Permutation-v0", 16, **kwargs)
    evaluation = EvaluationCallback(QuestionEvaluator("IA-Permutation-v0", 64, **TINY), 128)
    make_ppo(env).learn(512, callback=[AmplificationCallback(), evaluation])
    row = evaluation.history[-1]
    assert abs(row["failures/overseer"] - 0.3) < 0.1
    assert abs(row["failures/assistant_depth_1"] - 0.2) < 0.1
    assert 0 <= row["deception/accepted_depth_2"] <= 1
    assert row["deception/deceived_depth_1"] <= row["deception/accepted_depth_1"]
