"""The learners that train on batches of questions: what they learn, and SB3's interface."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common import callbacks as sb3_callbacks
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.logger import configure
from tiny_learners import SMALL, TINY, make_tiny_env, make_tiny_learner

from ia_gym.agents import (
    EvaluationCallback,
    ImitationIA,
    IteratedAmplification,
    QuestionEvaluator,
    Supervised,
)
from ia_gym.agents.learners.schedules import HoldLinear, WarmupLinear
from ia_gym.agents.policies.answer_policy import AnswerPolicy
from ia_gym.domains import DOMAINS
from ia_gym.networks.network_assistant import NetworkAssistant

BASE = "IA-Permutation-v0"
THREE = {"size": 3, "max_power": 8}
RELATIONAL = {"relational": True, "width": 32, "heads": 2, "polyak_tau": 0.1}
FAST = {"n_contexts": 16, "n_questions": 16, "learning_rate": 6e-3, "seed": 0}


@pytest.fixture
def without_truth(monkeypatch):
    """Let no domain tell what is true; the function that it returns undoes this."""

    def forbid(*_, **__):
        raise AssertionError("training looked at the truth")

    for cls in DOMAINS.values():
        monkeypatch.setattr(cls, "truth", forbid)
        monkeypatch.setattr(cls, "is_correct", forbid)
    return monkeypatch.undo


@pytest.mark.parametrize(
    ("name", "env_kwargs", "timesteps"),
    [
        pytest.param("Permutation", THREE, 35_000, marks=pytest.mark.slow),
        pytest.param("Assignment", {"size": 3}, 25_000, marks=pytest.mark.slow),
        ("Wildcard", {"size": 4}, 14_000),
        pytest.param("ShortestPath", {"size": 3}, 46_000, marks=pytest.mark.slow),
        pytest.param("UnionFind", {"size": 3}, 36_000, marks=pytest.mark.slow),
    ],
)
def test_imitation_learns_without_the_truth(name, env_kwargs, timesteps, without_truth):
    """A tiny case of each domain, deep questions and all kinds of them."""
    env = gym.make(f"IA-{name}-v0", **env_kwargs)
    model = ImitationIA(env=env, policy_kwargs=RELATIONAL, **FAST).learn(timesteps)
    without_truth()
    result = QuestionEvaluator(f"IA-{name}-v0", 1024, **env_kwargs).evaluate(model)
    assert result["eval/accuracy"] >= 0.95
    assert min(value for tag, value in result.items() if tag.startswith("eval/accuracy")) >= 0.75
    assert model.human_interactions == model.num_timesteps


def test_a_few_queries_to_the_overseer_are_enough(without_truth):
    sizes = {"predictor_kwargs": {"width": 32, "heads": 2, "layers": 1}}
    env = gym.make("IA-Wildcard-v0", size=4)
    model = IteratedAmplification(env=env, policy_kwargs=RELATIONAL, **FAST, **sizes).learn(26_000)
    without_truth()
    result = QuestionEvaluator("IA-Wildcard-v0", 1024, size=4).evaluate(model)
    assert result["eval/accuracy"] >= 0.9
    assert model.predictor_trainer.error < 0.05
    assert 100 < model.human_interactions < 1000
    assert len(model.predictor_trainer.records["targets"]) == model.human_interactions


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_more_levels_of_amplification_reach_deeper_questions_at_once(levels):
    """An assistant that answers nothing: the overseer answers what it can decompose to lookups."""
    env = gym.make(BASE, size=4, max_power=16)
    model = ImitationIA(env=env, n_contexts=32, seed=0, levels=levels, assistant_min_probability=1)
    batch = model.amplify()
    truth = model.domain.truth(batch.contexts, batch.questions)
    assert set(batch.depths.ravel()) == {1, 2, 3}
    np.testing.assert_array_equal(batch.targets, np.where(batch.depths <= levels, truth, 0))


def test_supervised_learns_with_a_curriculum():
    model = Supervised(
        env=gym.make(BASE, **THREE),
        policy_kwargs={"width": 32, "heads": 2, "polyak_tau": 0.1},
        curriculum={"threshold": 0.8, "window": 200},
        **FAST,
    )
    model.learn(45_000)
    assert model.curriculum.finished
    assert QuestionEvaluator(BASE, 1024, **THREE).evaluate(model)["eval/accuracy"] >= 0.95
    assert model.human_interactions == 0


def test_answers_may_take_more_passes_than_training(tmp_path):
    sizes = {**SMALL, "relational": True, "fact_layers": 1}
    policy_kwargs = {**sizes, "fact_passes": 2, "answer_passes": 4}
    model = make_tiny_learner(ImitationIA, policy_kwargs=policy_kwargs)
    model.learn(1600).save(tmp_path / "model", resumable=False)
    longer = AnswerPolicy(
        model.observation_space, model.action_space, lambda _: 1e-3, fact_passes=4, **sizes
    )
    longer.network.load_state_dict(model.policy.average_network.state_dict())
    evaluator = QuestionEvaluator(BASE, 64, **TINY)
    facts, questions = (
        torch.as_tensor(x) for x in (evaluator.contexts["facts"], evaluator.questions)
    )
    logits = longer.network(facts, questions)
    best, differ = logits.argmax(dim=-1), model.policy.average_network(facts, questions)
    assert not torch.allclose(logits, differ, rtol=0, atol=1e-6)
    for trained in (model, ImitationIA.load(tmp_path / "model")):
        answers, _ = trained.predict(evaluator.observations, deterministic=True)
        np.testing.assert_array_equal(answers.reshape(best.shape), best)
        assistant = NetworkAssistant(trained.policy.average_network, 0, passes=4)
        answers = assistant.answer(evaluator.contexts, evaluator.questions)
        np.testing.assert_array_equal(answers, best)
    model.assistant.temperature = 0  # the overseer's assistant takes as many passes
    answers = model.assistant.answer(evaluator.contexts, evaluator.questions)
    np.testing.assert_array_equal(answers, best)


def test_a_single_question_is_answered():
    model = make_tiny_learner(ImitationIA)
    observation, _ = make_tiny_env().reset(seed=0)
    answer, state = model.predict(observation)
    assert answer.shape == ()
    assert state is None
    assert 0 <= answer <= 4


def test_sb3s_callbacks_and_logger_work(tmp_path):
    model = make_tiny_learner(ImitationIA)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    evaluator = QuestionEvaluator(BASE, 64, **TINY)
    evaluation = EvaluationCallback(evaluator, eval_freq=64)
    checkpoints = CheckpointCallback(save_freq=4, save_path=str(tmp_path), name_prefix="saved")
    model.learn(256, callback=[evaluation, checkpoints], log_interval=2)
    assert [row["timesteps"] for row in evaluation.history] == [0, 64, 128, 192, 256]
    assert evaluation.history[-1]["overseer/human_interactions"] == 256
    header = (tmp_path / "progress.csv").read_text().splitlines()[0]
    for tag in ("eval/accuracy", "eval/accuracy_depth_2", "overseer/approval", "train/loss"):
        assert tag in header
    saved = sorted(file.name for file in tmp_path.glob("saved*"))
    assert saved == ["saved_128_steps.zip", "saved_256_steps.zip"]


def test_the_progress_bar_counts_questions(capfd, monkeypatch):
    make_tiny_learner(Supervised).learn(128, progress_bar=True)
    assert "128/128" in capfd.readouterr().out
    monkeypatch.setattr(sb3_callbacks, "tqdm", None)  # as where tqdm or rich is not installed
    with pytest.raises(ImportError, match=r"progress_bar=True needs tqdm and rich: pip install"):
        make_tiny_learner(Supervised).learn(128, progress_bar=True)


def test_training_stops_when_a_callback_says_so():
    model = make_tiny_learner(Supervised)
    model.learn(10_000, callback=lambda *_: model.num_timesteps < 96)
    assert model.num_timesteps == 96


def test_learning_for_no_timesteps_calls_the_callbacks_and_changes_nothing():
    called = []

    class Recorder(BaseCallback):
        def _on_training_start(self):
            called.append("start")

        def _on_step(self):
            called.append("step")
            return True

        def _on_training_end(self):
            called.append("end")

    model = make_tiny_learner(ImitationIA).learn(64)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    assert model.learn(0, Recorder(), reset_num_timesteps=False) is model
    assert called == ["start", "end"]
    assert model.num_timesteps == model.human_interactions == 64
    assert model.steps == 2
    for key, value in model.policy.state_dict().items():
        assert torch.equal(value, before[key])
    assert make_tiny_learner(ImitationIA).learn(0).num_timesteps == 0


@pytest.mark.parametrize("total", [-1, 1.5, 1e5, True, None])
def test_a_bad_number_of_timesteps_is_named(total):
    with pytest.raises(ValueError, match=r"^total_timesteps must be "):
        make_tiny_learner(Supervised).learn(total)
    with pytest.raises(ValueError, match=r"^log_interval must be "):
        make_tiny_learner(Supervised).learn(32, log_interval=0)


def test_learning_rates():
    rate = WarmupLinear(2.0, warmup=0.1)
    rates = [rate(left) for left in (1.0, 0.95, 0.9, 0.45, 0)]
    np.testing.assert_allclose(rates, [0.02, 1, 2, 1, 0])
    rate = HoldLinear(3.0, fall=0.5)
    np.testing.assert_allclose([rate(left) for left in (1.0, 0.5, 0.25, 0)], [3, 3, 1.5, 0])
    for bad in (lambda: WarmupLinear(1.0, warmup=0), lambda: WarmupLinear(1.0, warmup=1)):
        with pytest.raises(ValueError, match=r"warmup must be a number in \(0, 1\)"):
            bad()
    with pytest.raises(ValueError, match=r"fall must be a number in \(0, 1\], got 0"):
        HoldLinear(1.0, fall=0)
    with pytest.raises(ValueError, match=r"peak must be a number in \[0, inf\), got -1"):
        HoldLinear(-1)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_contexts": 0}, r"n_contexts must be in 1\.\.1000000, got 0"),
        ({"n_questions": 1.5}, r"n_questions must be a whole number"),
        ({"levels": 0}, r"levels must be in 1\.\.10, got 0"),
        ({"assistant_min_probability": 2}, r"assistant_min_probability .* in \[0, 1\], got 2"),
        ({"interaction_rate": 0}, r"interaction_rate must be a number in \(0, inf\), got 0"),
        ({"predictor_kwargs": 3}, r"predictor_kwargs must be None or a dict of arguments, got 3"),
        ({"policy_kwargs": {"answer_passes": 0}}, r"answer_passes must be in 1\.\.1000, got 0"),
        ({"seed": 2**32}, r"seed must be in 0\.\.4294967295, got 4294967296"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ImitationIA(env=make_tiny_env(), **kwargs)


@pytest.mark.parametrize("cls", [Supervised, IteratedAmplification])
def test_set_random_seed_decides_what_is_drawn(cls):
    """As in SB3, whatever the seed before; the human predictor's queries included."""

    def train(seed, reseeded):
        model = make_tiny_learner(cls, seed=seed)
        before = {key: value.clone() for key, value in model.policy.state_dict().items()}
        model.set_random_seed(reseeded)
        return before, model.learn(64).policy.state_dict()

    same = [train(0, 5)[1], train(0, 5)[1]]
    other = train(0, 6)[1]
    assert all(torch.equal(same[0][key], same[1][key]) for key in other)
    assert any(not torch.equal(same[0][key], other[key]) for key in other)
