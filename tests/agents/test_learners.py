"""The learners that are taught answers."""

import json

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.logger import configure

from ia_gym.agents import (
    AnswerSearch,
    EvaluationCallback,
    ImitationIA,
    IteratedAmplification,
    QuestionEvaluator,
    Reinforce,
    ReinforceWithDemonstrations,
    Supervised,
)
from ia_gym.agents.learners.schedules import HoldLinear, WarmupLinear
from ia_gym.agents.policies.answer_policy import AnswerPolicy
from ia_gym.domains import DOMAINS
from ia_gym.networks.network_assistant import NetworkAssistant

BASE = "IA-Permutation-v0"
TINY = {"size": 4, "max_power": 8}
SMALL = {"width": 16, "heads": 2}


def tiny_env():
    return gym.make(BASE, **TINY)


@pytest.mark.parametrize(
    ("name", "size", "timesteps"),
    [
        ("Permutation", 4, 300_000),
        ("Assignment", 4, 500_000),
        ("Wildcard", 4, 100_000),
        ("ShortestPath", 3, 400_000),
        ("UnionFind", 4, 500_000),
    ],
)
def test_imitation_learns_without_the_truth(name, size, timesteps, monkeypatch):
    """A tiny case of each domain, deep questions and all kinds, without a look at the truth."""
    arguments = TINY if name == "Permutation" else {"size": size}
    env = gym.make(f"IA-{name}-v0", **arguments)
    held_out = QuestionEvaluator(f"IA-{name}-v0", 1024, **arguments)
    policy_kwargs = {} if name == "Permutation" else {"width": 32, "heads": 2}
    model = ImitationIA(env=env, n_contexts=32, seed=0, policy_kwargs=policy_kwargs)
    with monkeypatch.context() as patch:
        patch.setattr(DOMAINS[name], "truth", None)
        patch.setattr(DOMAINS[name], "is_correct", None)
        patch.setattr(model.get_env(), "reset", lambda: {"facts": None, "question": None})
        model.learn(timesteps)
    result = held_out.evaluate(model)
    assert result["eval/accuracy"] >= 0.95
    assert min(value for tag, value in result.items() if tag.startswith("eval/accuracy")) >= 0.75
    assert model.human_interactions == model.num_timesteps


def test_a_model_of_h_is_enough(monkeypatch):
    """Permutations of 4 names from some hundred questions put to H, and no look at the truth."""
    sizes = {"predictor_kwargs": {"width": 32, "heads": 2, "layers": 1}}
    model = IteratedAmplification(env=tiny_env(), n_contexts=32, seed=0, **sizes)
    with monkeypatch.context() as patch:
        patch.setattr(DOMAINS["Permutation"], "truth", None)
        patch.setattr(DOMAINS["Permutation"], "is_correct", None)
        patch.setattr(model.get_env(), "reset", lambda: {"facts": None, "question": None})
        model.learn(250_000)
    assert QuestionEvaluator(BASE, 1024, **TINY).evaluate(model)["eval/accuracy"] >= 0.8
    assert model.predictor_trainer.error < 0.05
    assert 100 < model.human_interactions < 1500
    assert len(model.predictor_trainer.records["targets"]) == model.human_interactions
    with pytest.raises(ValueError, match=r"interaction_rate must be a number in \(0, inf\), got 0"):
        IteratedAmplification(env=tiny_env(), interaction_rate=0)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_more_levels_of_amplification_reach_deeper_questions_at_once(levels):
    """X, new, is sure of nothing; H answers what it can look up, or have looked up for it."""
    env = gym.make(BASE, size=4, max_power=16)
    model = ImitationIA(env=env, n_contexts=32, seed=0, levels=levels, assistant_min_probability=1)
    batch = model.amplify()
    truth = model.domain.truth(batch.contexts, batch.questions)
    assert set(batch.depths.ravel()) == {1, 2, 3}
    np.testing.assert_array_equal(batch.targets, np.where(batch.depths <= levels, truth, 0))
    with pytest.raises(ValueError, match=r"levels must be in 1\.\.10, got 0"):
        ImitationIA(env=tiny_env(), levels=0)
    with pytest.raises(ValueError, match=r"assistant_min_probability .* in \[0, 1\], got 2"):
        ImitationIA(env=tiny_env(), assistant_min_probability=2)


def test_supervised_learns_with_a_curriculum():
    model = Supervised(
        env=tiny_env(), n_contexts=32, seed=0, curriculum={"threshold": 0.8, "window": 500}
    )
    model.learn(300_000)
    assert model.curriculum.finished
    assert QuestionEvaluator(BASE, 1024, **TINY).evaluate(model)["eval/accuracy"] >= 0.95
    assert model.human_interactions == 0


def small(cls=ImitationIA, **kwargs):
    return cls(env=tiny_env(), n_contexts=4, n_questions=8, policy_kwargs=SMALL, seed=0, **kwargs)


def drifting(**kwargs):
    """A ``ReinforceWithDemonstrations`` with all its parts in use after a few steps."""
    return ReinforceWithDemonstrations(
        pretraining_steps=2, buffer_steps=3, max_drift=0.01, imitation_weight=(1, 0), **kwargs
    )


def helped(**kwargs):
    """An ``IteratedAmplification`` with two levels of amplification, and a bar of certainty."""
    return IteratedAmplification(levels=2, assistant_min_probability=0.2, **kwargs)


@pytest.mark.parametrize("cls", [ImitationIA, Supervised])
def test_equal_seeds_train_alike_and_a_saved_model_goes_on_alike(cls, tmp_path):
    one, two = small(cls).learn(320), small(cls).learn(320)
    for a, b in zip(one.policy.parameters(), two.policy.parameters()):
        assert torch.equal(a, b)
    one.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model", env=tiny_env())
    assert loaded.num_timesteps == 320
    observations = QuestionEvaluator(BASE, 64, **TINY).observations
    answers = one.predict(observations, deterministic=True)[0]
    np.testing.assert_array_equal(loaded.predict(observations, deterministic=True)[0], answers)
    stored, restored = one.policy.optimizer.tensors(), loaded.policy.optimizer.tensors()
    assert stored.keys() == restored.keys()
    for key, value in stored.items():
        assert torch.equal(value, restored[key])
    loaded.learn(64, reset_num_timesteps=False)
    assert loaded.num_timesteps == 384
    assert cls.load(tmp_path / "model.safetensors").predict(observations)[0].shape == (64,)


@pytest.mark.parametrize(
    "cls",
    [ImitationIA, IteratedAmplification, helped, Supervised, Reinforce, AnswerSearch, drifting],
)
@pytest.mark.parametrize("curriculum", [None, {"threshold": 0.01, "window": 8}], ids=str)
def test_a_run_that_was_broken_off_ends_as_if_it_never_was(cls, curriculum, tmp_path):
    """Every number is the same: weights, averages, random states, counters, curriculum."""
    whole = small(cls, curriculum=curriculum).learn(640)
    broken = small(cls, curriculum=curriculum)

    class BreakOff(BaseCallback):
        def _on_step(self):
            if self.num_timesteps == 320:
                self.model.save(tmp_path / "model")
            return self.num_timesteps < 416

    broken.learn(640, BreakOff())
    torch.manual_seed(7)  # whatever happens in between
    again = type(whole).load(tmp_path / "model", env=tiny_env())
    again.learn(320, reset_num_timesteps=False)
    assert again.num_timesteps == whole.num_timesteps == 640
    for model in (whole, again):
        model.save(tmp_path / "end")
        tensors = load_file(tmp_path / "end.safetensors")
        with safe_open(tmp_path / "end.safetensors", "pt") as file:
            settings = file.metadata()
        if model is whole:
            expected = tensors, settings
    assert settings == expected[1]
    assert set(tensors) == set(expected[0])
    for key, value in tensors.items():
        assert torch.equal(value, expected[0][key]), key


def test_answers_may_take_more_passes_than_training(tmp_path):
    sizes = {**SMALL, "relational": True, "fact_layers": 1}
    model = ImitationIA(
        env=tiny_env(), n_contexts=4, n_questions=8, seed=0,
        policy_kwargs={**sizes, "fact_passes": 2, "answer_passes": 4},
    )  # fmt: skip
    model.learn(3200).save(tmp_path / "model", resumable=False)
    longer = AnswerPolicy(
        model.observation_space, model.action_space, lambda _: 1e-3, fact_passes=4, **sizes
    )
    longer.network.load_state_dict(model.policy.average_network.state_dict())
    held_out = QuestionEvaluator(BASE, 64, **TINY)
    facts, questions = (
        torch.as_tensor(x) for x in (held_out.contexts["facts"], held_out.questions)
    )
    logits = longer.network(facts, questions)
    best, differ = logits.argmax(dim=-1), model.policy.average_network(facts, questions)
    assert not torch.allclose(logits, differ, rtol=0, atol=1e-6)
    for trained in (model, ImitationIA.load(tmp_path / "model")):
        answers, _ = trained.predict(held_out.observations, deterministic=True)
        np.testing.assert_array_equal(answers.reshape(best.shape), best)
        assistant = NetworkAssistant(trained.policy.average_network, 0, passes=4)
        answers = assistant.answer(held_out.contexts, held_out.questions)
        np.testing.assert_array_equal(answers, best)
    model.assistant.temperature = 0  # H's assistant thinks as long
    answers = model.assistant.answer(held_out.contexts, held_out.questions)
    np.testing.assert_array_equal(answers, best)
    with pytest.raises(ValueError, match=r"answer_passes must be in 1\.\.1000, got 0"):
        ImitationIA(env=tiny_env(), policy_kwargs={"answer_passes": 0})


def test_a_single_question_is_answered():
    model = small()
    observation, _ = tiny_env().reset(seed=0)
    answer, state = model.predict(observation)
    assert answer.shape == ()
    assert state is None
    assert 0 <= answer <= 4


def test_bad_checkpoints_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="path must name a saved ImitationIA"):
        ImitationIA.load(path)
    model = small()
    model.save(path)
    with pytest.raises(ValueError, match="holds a ImitationIA, not a Supervised"):
        Supervised.load(path)
    with pytest.raises(ValueError, match="spaces do not match"):
        ImitationIA.load(path, env=gym.make(BASE))
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


def test_sb3s_callbacks_and_logger_work(tmp_path):
    model = small()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    held_out = QuestionEvaluator(BASE, 64, **TINY)
    evaluation = EvaluationCallback(held_out, eval_freq=64)
    checkpoints = CheckpointCallback(save_freq=4, save_path=str(tmp_path), name_prefix="saved")
    model.learn(256, callback=[evaluation, checkpoints], log_interval=2)
    assert [row["timesteps"] for row in evaluation.history] == [0, 64, 128, 192, 256]
    assert evaluation.history[-1]["overseer/human_interactions"] == 256
    header = (tmp_path / "progress.csv").read_text().splitlines()[0]
    for tag in ("eval/accuracy", "eval/accuracy_depth_2", "overseer/approval", "train/loss"):
        assert tag in header
    saved = sorted(file.name for file in tmp_path.glob("saved*"))
    assert saved == ["saved_128_steps.zip", "saved_256_steps.zip"]


def test_the_progress_bar_counts_questions(capfd):
    small().learn(128, progress_bar=True)
    assert "128/128" in capfd.readouterr().out


def test_training_stops_when_a_callback_says_so():
    model = small()
    model.learn(10_000, callback=lambda *_: model.num_timesteps < 96)
    assert model.num_timesteps == 96


def test_learning_rates():
    rate = WarmupLinear(2.0, warmup=0.1)
    rates = [rate(left) for left in (1.0, 0.95, 0.9, 0.45, 0)]
    np.testing.assert_allclose(rates, [0.02, 1, 2, 1, 0])
    rate = HoldLinear(3.0, fall=0.5)
    np.testing.assert_allclose([rate(left) for left in (1.0, 0.5, 0.25, 0)], [3, 3, 1.5, 0])


@pytest.mark.parametrize("kwargs", [{"n_contexts": 0}, {"n_questions": 1.5}])
def test_bad_arguments_are_named(kwargs):
    with pytest.raises(ValueError, match=f"^{next(iter(kwargs))} must be"):
        ImitationIA(env=tiny_env(), **kwargs)
