"""Learners in files: resumed as if never interrupted, loaded with changes, refused if damaged."""

import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import LinearSchedule
from tiny_learners import SMALL, TINY, make_tiny_env, make_tiny_learner

from ia_gym.agents import (
    AnswerSearch,
    Consultancy,
    Debate,
    ExpertIteration,
    ImitationIA,
    IteratedAmplification,
    LearnedDecomposition,
    Preferences,
    QuestionEvaluator,
    Reinforce,
    ReinforceWithDemonstrations,
    RewardModelling,
    Supervised,
)
from ia_gym.agents.learners.schedules import HoldLinear, WarmupLinear
from ia_gym.agents.policies.answer_policy import AnswerPolicy
from ia_gym.networks.tensor_files import read_tensors

PREDICTOR = {"predictor_kwargs": {**SMALL, "layers": 1}}
CURRICULUM = {"threshold": 0.01, "window": 8}
JUDGED = {"rename": True, "reward_updates": 2, "reward_batch_size": 4, "policy_update": "ppo"}
CASES = {
    "imitation": (ImitationIA, {"curriculum": CURRICULUM}),
    "imitation without a curriculum": (ImitationIA, {}),
    "iterated": (
        IteratedAmplification,
        {"levels": 2, "assistant_min_probability": 0.2, "curriculum": CURRICULUM, **PREDICTOR},
    ),
    "decomposition": (
        LearnedDecomposition,
        {
            **{"n_demonstrations": 40, "pretraining_updates": 3, "rl_start": 0.3, "n_samples": 4},
            **{"n_rl_contexts": 2, "n_rl_questions": 2, "max_drift": (0.01, 0.0)},
            **{"drift_coef": (1.0, 0.1), "curriculum": CURRICULUM, **PREDICTOR},
        },
    ),
    "supervised": (Supervised, {"curriculum": CURRICULUM, "learning_rate": HoldLinear(5e-3)}),
    "mlp": (ImitationIA, {"policy": "MlpPolicy", "policy_kwargs": {"net_arch": [16, 8]}}),
    "reinforce": (Reinforce, {"curriculum": CURRICULUM}),
    "search": (AnswerSearch, {"curriculum": CURRICULUM}),
    "debate": (Debate, {"curriculum": CURRICULUM, "challenger_kwargs": SMALL}),
    "debate against doubt": (Debate, {"challenger": "doubt", "n_samples": 2}),
    "consultancy": (Consultancy, {"verdict_share": 0.5}),
    "expert iteration": (ExpertIteration, {"n_samples": 2, "curriculum": CURRICULUM}),
    "preferences": (Preferences, {"n_judgements": 600, "n_samples": 3, **JUDGED}),
    "reward modelling": (
        RewardModelling,
        {"n_judgements": 2100, "agreement": 0.51, "curriculum": CURRICULUM, **JUDGED},
    ),
    "demonstrations": (
        ReinforceWithDemonstrations,
        {
            **{"pretraining_steps": 2, "buffer_steps": 3, "max_drift": 0.01},
            **{"imitation_weight": (1, 0), "curriculum": CURRICULUM},
        },
    ),
}
"""All learners, with all their parts in use after a few steps."""


def read(model, path):
    """Tensors and settings of the file that ``model`` is saved in."""
    model.save(path)
    with safe_open(path, "pt") as file:
        return load_file(path), file.metadata()


def assert_equal_files(one, two):
    assert one[1] == two[1]
    assert set(one[0]) == set(two[0])
    for key, value in one[0].items():
        assert torch.equal(value, two[0][key]), key


class Interrupt(BaseCallback):
    """Saves the model after 128 timesteps, and ends the training after 192."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def _on_step(self):
        if self.num_timesteps == 128:
            self.model.save(self.path)
        return self.num_timesteps < 192


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("env_given", [pytest.param("at loading", marks=pytest.mark.slow), "later"])
def test_an_interrupted_training_ends_as_if_it_never_was(case, env_given, tmp_path):
    """Every number is the same: weights, averages, random states, counters, curriculum."""
    cls, kwargs = CASES[case]
    path, end = tmp_path / "model", tmp_path / "end.safetensors"
    whole = make_tiny_learner(cls, **kwargs).learn(256)
    expected = read(whole, end)
    make_tiny_learner(cls, **kwargs).learn(256, Interrupt(path))
    torch.manual_seed(7)  # whatever happens in between
    if env_given == "at loading":
        resumed = cls.load(path, env=make_tiny_env())
    else:
        resumed = cls.load(path)
        resumed.save(path)  # what the file says outlives a save without environment
        resumed = cls.load(path)
        torch.manual_seed(8)
        resumed.set_env(make_tiny_env())
    resumed.learn(128, reset_num_timesteps=False)
    assert resumed.num_timesteps == whole.num_timesteps == 256
    assert_equal_files(read(resumed, end), expected)


@pytest.mark.parametrize("cls", [ImitationIA, Supervised])
def test_equal_seeds_train_alike_and_a_file_holds_all_of_it(cls, tmp_path):
    one, two = make_tiny_learner(cls).learn(320), make_tiny_learner(cls).learn(320)
    for a, b in zip(one.policy.parameters(), two.policy.parameters()):
        assert torch.equal(a, b)
    one.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model", env=make_tiny_env())
    assert loaded.num_timesteps == 320
    observations = QuestionEvaluator("IA-Permutation-v0", 64, **TINY).observations
    answers = one.predict(observations, deterministic=True)[0]
    np.testing.assert_array_equal(loaded.predict(observations, deterministic=True)[0], answers)
    stored, restored = one.policy.optimizer.tensors(), loaded.policy.optimizer.tensors()
    assert stored.keys() == restored.keys()
    for name, value in stored.items():
        assert torch.equal(value, restored[name])
    loaded.learn(64, reset_num_timesteps=False)
    assert loaded.num_timesteps == 384
    assert cls.load(tmp_path / "model.safetensors").predict(observations)[0].shape == (64,)


def test_a_policy_is_saved_and_loaded_as_sb3s_are(tmp_path):
    sizes = {**SMALL, "relational": True, "fact_layers": 1, "fact_passes": 2, "answer_passes": 3}
    model = make_tiny_learner(ImitationIA, policy_kwargs={**sizes, "polyak_tau": 0.5}).learn(320)
    model.policy.save(tmp_path / "policy.pth")
    loaded = AnswerPolicy.load(tmp_path / "policy.pth")
    assert loaded.answer_passes == 3
    for key, value in model.policy.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    observations = QuestionEvaluator("IA-Permutation-v0", 64, **TINY).observations
    answers = [p.predict(observations, deterministic=True)[0] for p in (model.policy, loaded)]
    np.testing.assert_array_equal(*answers)
    again = type(loaded)(**loaded._get_constructor_parameters())  # as callbacks copy a policy
    again.load_state_dict(loaded.state_dict())


def test_parameters_are_exchanged_as_with_sb3s_algorithms(tmp_path):
    one = make_tiny_learner(ImitationIA).learn(320)
    one.save(tmp_path / "model")
    for source in (one.get_parameters(), tmp_path / "model"):
        other = make_tiny_learner(ImitationIA, seed=1).learn(64)
        other.set_parameters(source)
        for key, value in one.policy.state_dict().items():
            assert torch.equal(other.policy.state_dict()[key], value)
        state = other.policy.optimizer.tensors()
        for key, value in one.policy.optimizer.tensors().items():
            assert torch.equal(state[key], value)
    with pytest.raises(ValueError, match="Names of parameters do not match"):
        one.set_parameters({"policy": one.policy.state_dict()})


@pytest.mark.parametrize("schedule", [HoldLinear(1e-3, 0.5), WarmupLinear(2e-3, 0.1), 4e-3])
def test_a_file_holds_the_learning_rate(schedule, tmp_path):
    make_tiny_learner(Supervised, learning_rate=schedule).save(tmp_path / "model")
    loaded = Supervised.load(tmp_path / "model")
    for left in (1.0, 0.7, 0.2):
        expected = (schedule if callable(schedule) else WarmupLinear(schedule))(left)
        assert loaded.lr_schedule(left) == expected
        assert pickle.loads(pickle.dumps(loaded.lr_schedule))(left) == expected


def test_a_schedule_that_a_file_cannot_hold_is_asked_for(tmp_path):
    """Training on with another learning rate would be wrong, and nobody would notice."""
    schedule = LinearSchedule(1e-3, 1e-4, 1.0)
    model = make_tiny_learner(Supervised, learning_rate=schedule).learn(64)
    model.save(tmp_path / "model")
    loaded = Supervised.load(tmp_path / "model", env=make_tiny_env())
    loaded.predict(make_tiny_env().reset(seed=0)[0])
    with pytest.raises(ValueError, match=r"^learning_rate must be given to load"):
        loaded.learn(64)
    loaded.save(tmp_path / "again")
    loaded = Supervised.load(tmp_path / "again", env=make_tiny_env(), learning_rate=schedule)
    assert loaded.learn(64, reset_num_timesteps=False).num_timesteps == 128


def test_what_is_changed_at_loading_starts_afresh(tmp_path):
    path = tmp_path / "model"
    make_tiny_learner(ReinforceWithDemonstrations, curriculum={"window": 8}).learn(128).save(path)

    def load(**changes):
        return ReinforceWithDemonstrations.load(path, env=make_tiny_env(), **changes)

    assert load().rng.random() == load().rng.random() != load(seed=5).rng.random()
    assert load(seed=5).rng.random() == np.random.default_rng(5).random()
    assert load(curriculum={"window": 9}).curriculum.averages.counts.sum() == 0
    assert len(load().buffer) == 4
    for changes in (
        {"n_contexts": 2},
        {"n_questions": 3},
        {"interaction_rate": 3.0, **PREDICTOR},
        {"max_drift": 0.1},
        {"curriculum": None},
        {"learning_rate": 1e-3},
    ):
        model = load(**changes)
        assert model.human_interactions == 128
        model.learn(64, reset_num_timesteps=False)
    with pytest.raises(ValueError, match=r"policy_kwargs must fit what .*model.safetensors holds"):
        load(policy_kwargs={"width": 32})
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'"):
        load(widht=3)


def test_the_class_of_a_policy_is_remembered(tmp_path):
    class OwnPolicy(AnswerPolicy):
        pass

    make_tiny_learner(Supervised, policy=OwnPolicy).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"^policy must be the class OwnPolicy .*got AnswerPolicy"):
        Supervised.load(tmp_path / "model")
    loaded = Supervised.load(tmp_path / "model", policy=OwnPolicy)
    assert type(loaded.policy) is OwnPolicy


def test_arguments_are_saved_by_the_signature(tmp_path):
    """Of a subclass too, with arguments of its own and others passed on."""

    class Own(ImitationIA):
        def __init__(self, *args, bonus=1.0, **kwargs):
            self.bonus = bonus
            super().__init__(*args, **kwargs)

    model = make_tiny_learner(Own, bonus=np.float32(2), levels=np.int64(3), seed=np.int64(4))
    model.save(tmp_path / "model")
    saved = read_tensors(tmp_path / "model.safetensors")[0]["arguments"]
    assert (saved["bonus"], saved["levels"], saved["seed"]) == (2.0, 3, 4)
    loaded = Own.load(tmp_path / "model")
    assert (loaded.bonus, loaded.levels, loaded.seed) == (2.0, 3, 4)
    unsaved = {"self", "policy", "env", "tensorboard_log", "verbose", "device", "_init_setup_model"}
    for cls, _ in CASES.values():
        make_tiny_learner(cls).save(tmp_path / "model")
        saved = read_tensors(tmp_path / "model.safetensors")[0]["arguments"]
        code = cls.__init__.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        assert set(saved) == set(names) - unsaved


def test_bad_checkpoints_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="path must name a saved ImitationIA"):
        ImitationIA.load(path)
    model = make_tiny_learner(ImitationIA)
    model.save(path)
    with pytest.raises(ValueError, match="holds a ImitationIA, not a Supervised"):
        Supervised.load(path)
    with pytest.raises(ValueError, match="spaces do not match"):
        ImitationIA.load(path, env=gym.make("IA-Permutation-v0"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="path must name a saved ImitationIA"):
        ImitationIA.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="path must name a saved ImitationIA"):
        ImitationIA.load(path)
    path.write_bytes(whole)
    tensors = load_file(path)
    assert any(key.startswith("policy/average") for key in tensors)
    assert json.dumps(model.policy_kwargs) == json.dumps(SMALL)
