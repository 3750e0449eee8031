"""Callbacks: counters, further calls of learn(), worker processes, unsuitable environments."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from tiny_learners import make_tiny_learner

from ia_gym.agents import (
    AmplificationCallback,
    CurriculumCallback,
    EvaluationCallback,
    FactsExtractor,
    HumanPredictorCallback,
    ImitationIA,
    QuestionEvaluator,
    make_evaluator,
    make_sb3_vec_env,
)
from ia_gym.experiments.inspection.example_callback import ExampleCallback

BASE = "IA-Permutation-v0"
SMALL = {
    "features_extractor_class": FactsExtractor,
    "features_extractor_kwargs": {"width": 16, "heads": 2, "fact_layers": 1, "question_layers": 1},
}
PREDICTOR = {"width": 16, "heads": 2, "layers": 1, "seed": 0}
ENVS = {
    "batched": lambda **kwargs: make_sb3_vec_env(BASE, 3, **kwargs),
    "dummy": lambda **kwargs: make_vec_env(BASE, 3, env_kwargs=kwargs),
    "processes": lambda **kwargs: make_vec_env(
        BASE,
        3,
        env_kwargs=kwargs,
        vec_env_cls=SubprocVecEnv,
        vec_env_kwargs={"start_method": "fork"},
    ),
}


def make_model(env, **kwargs):
    few = {"n_steps": 8, "batch_size": 12, "n_epochs": 1, "seed": 0}
    return PPO("MultiInputPolicy", env, policy_kwargs=SMALL, **{**few, **kwargs})


# ------------------------------------------------------------------ counters


@pytest.mark.parametrize("kind", ENVS)
def test_queries_of_a_human_predictor_are_counted_once(kind):
    """Before each of three rollouts of 24 steps, 10 queries; whoever holds a copy."""
    env = ENVS[kind]()
    human = HumanPredictorCallback(2, 8, interaction_rate=10, **PREDICTOR)
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 16), 24)
    make_model(env).learn(72, [human, evaluation])
    rows = evaluation.history
    assert [row["timesteps"] for row in rows] == [0, 24, 48, 72]
    assert [row["overseer/human_interactions"] for row in rows] == [0, 10, 20, 30]
    assert human.predictor_trainer.human.human_interactions == 30
    answers = [row["overseer/assistant_answers"] for row in rows]
    assert answers == sorted(answers)
    env.close()


@pytest.mark.parametrize("kind", ENVS)
def test_overseers_of_separate_environments_are_added_up(kind):
    """Copies in a batched environment share one."""
    env = ENVS[kind](trust=None)
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 16), 24)
    make_model(env).learn(48, [evaluation, AmplificationCallback()])
    counts = env.get_attr("human_interactions")
    total = counts[0] if kind == "batched" else sum(counts)
    assert evaluation.history[-1]["overseer/human_interactions"] == total > 0
    env.close()


# ------------------------------------------------------- further calls of learn()


@pytest.mark.parametrize("reset", [True, False])
def test_evaluations_continue_in_a_further_learn(reset):
    seen = []
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 16), 24, seen.append)
    model = make_model(ENVS["batched"]())
    model.learn(48, evaluation)
    assert [row["timesteps"] for row in evaluation.history] == [0, 24, 48]
    model.learn(48, evaluation, reset_num_timesteps=reset)
    assert [row["timesteps"] for row in seen[3:]] == ([0, 24, 48] if reset else [72, 96])
    assert evaluation.history == (seen[3:] if reset else seen)
    minutes = [row["time/minutes"] for row in evaluation.history]
    assert minutes == sorted(minutes)


@pytest.mark.parametrize("eval_freq", [24, 36])
def test_the_last_evaluation_is_of_the_agent_that_training_leaves(eval_freq):
    evaluator = QuestionEvaluator(BASE, 64)
    evaluation = EvaluationCallback(evaluator, eval_freq)
    model = make_model(ENVS["batched"](), learning_rate=0.1)
    model.learn(72, evaluation)
    last, found = evaluation.history[-1], evaluator.evaluate(model)
    assert last["timesteps"] == 72
    assert {key: last[key] for key in found} == found
    assert last["eval/certainty"] != evaluation.history[-2]["eval/certainty"]


def test_a_stopped_training_that_is_begun_anew_is_not_stopped_by_the_old_evaluations():
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 16), 24, patience=1)
    model = make_model(ENVS["batched"](), learning_rate=0.0)
    model.learn(240, evaluation)
    assert evaluation.stopped_by == "patience"
    assert model.num_timesteps == 24
    evaluation.patience = None
    model.learn(72, evaluation)
    assert evaluation.stopped_by is None
    assert model.num_timesteps == 72


@pytest.mark.parametrize("reset", [True, False])
def test_a_curriculum_continues_in_a_further_learn(reset):
    env = ENVS["batched"](reward="approval", trust=None)
    callback = CurriculumCallback()
    model = make_model(env)
    model.learn(24, callback)
    engine = env.venv.unwrapped.engine
    assert callback.curriculum.max_depth == engine.max_depth == 1
    callback.curriculum.max_depth = 2  # as after a rise
    model.learn(24, callback, reset_num_timesteps=reset)
    assert callback.curriculum.max_depth == engine.max_depth == 2


def test_the_slow_copy_continues_in_a_further_learn():
    """With a learning rate of 0 nothing would move the copy away from where it was."""
    env = ENVS["batched"]()
    model, callback = make_model(env, learning_rate=1e-2), AmplificationCallback(polyak_tau=0.1)
    model.learn(48, callback)
    copy = callback.average
    before = [parameter.clone() for parameter in copy.module.parameters()]
    latest = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(24, callback)
    assert callback.average is copy
    assert env.venv.unwrapped.engine.assistant.policy is copy.module
    for old, new, now in zip(before, latest, copy.module.parameters()):
        torch.testing.assert_close(now, old + 0.1 * (new - old))  # one renewal in that rollout
    other = make_model(env, seed=1)
    other.learn(24, callback)  # another agent gets a copy of its own
    assert callback.average is not copy


def test_the_human_predictor_continues_in_a_further_learn():
    callback = HumanPredictorCallback(2, 8, **PREDICTOR)
    model = make_model(ENVS["batched"]())
    model.learn(24, callback)
    trainer = callback.predictor_trainer
    model.learn(24, callback)
    assert callback.predictor_trainer is trainer
    assert trainer.human.human_interactions == 20
    assert model.get_env().get_attr("human_interactions")[0] == 20


def test_examples_continue_in_a_further_learn(monkeypatch):
    logged = []

    def log(self):
        self.last = self.num_timesteps
        logged.append(self.last)

    monkeypatch.setattr(ExampleCallback, "_log_example", log)
    callback = ExampleCallback(make_evaluator(BASE, 16), {}, 24)
    model = make_model(ENVS["batched"]())
    model.learn(48, callback)
    assert logged == [0, 24, 48]
    model.learn(48, callback)
    assert logged == [0, 24, 48, 0, 24, 48]
    model.learn(24, callback, reset_num_timesteps=False)
    assert logged[6:] == [48, 72]


# ------------------------------------------------------------ worker processes


def test_worker_processes_get_every_renewal_of_the_copy():
    env = ENVS["processes"](trust=None)
    model, callback = make_model(env, learning_rate=1e-2), AmplificationCallback(polyak_tau=1)
    model.learn(72, callback)
    ours = callback.average.module.state_dict()
    first = make_model(ENVS["batched"]()).policy.state_dict()
    for engine in env.get_attr("engine"):
        theirs = engine.assistant.policy.state_dict()
        assert all(torch.equal(theirs[key], ours[key]) for key in ours)
        assert not all(torch.equal(theirs[key], first[key]) for key in ours)
    env.close()


# --------------------------------------------------------- unsuitable environments


CALLBACKS = {
    "AmplificationCallback": AmplificationCallback,
    "CurriculumCallback": CurriculumCallback,
    "HumanPredictorCallback": HumanPredictorCallback,
    "EvaluationCallback": lambda: EvaluationCallback(QuestionEvaluator(BASE, 16), 16),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_foreign_environments_are_refused_before_training(name):
    model = PPO("MlpPolicy", DummyVecEnv([lambda: gym.make("CartPole-v1")]), n_steps=16)
    with pytest.raises(ValueError, match=f"{name} needs .*environments of ia_gym, got"):
        model.learn(16, CALLBACKS[name]())
    assert model.num_timesteps == 0


@pytest.mark.parametrize("name", list(CALLBACKS)[:3])
@pytest.mark.parametrize("kind", ["batched", "dummy"])
def test_an_environment_without_approval_is_refused_before_training(name, kind):
    model = make_model(ENVS[kind](reward="truth"))
    with pytest.raises(ValueError, match=f'{name} needs environments of reward="approval"'):
        model.learn(24, CALLBACKS[name]())
    assert model.num_timesteps == 0


@pytest.mark.parametrize("name", ["CurriculumCallback", "HumanPredictorCallback"])
def test_actions_have_no_curriculum_and_no_human_predictor(name):
    model = PPO("MlpPolicy", make_sb3_vec_env("IA-CartPole-v0", 2), n_steps=8, batch_size=16)
    with pytest.raises(ValueError, match=f"{name} needs question environments"):
        model.learn(16, CALLBACKS[name]())


def test_evaluations_of_an_agent_trained_on_truth():
    """Without an overseer its counters are 0."""
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 16), 24)
    make_model(ENVS["dummy"](reward="truth")).learn(24, evaluation)
    assert evaluation.history[-1]["overseer/human_interactions"] == 0


@pytest.mark.parametrize(("argument", "value"), [("eval_freq", 0), ("patience", 0),
                                                 ("target_accuracy", 1.5)])  # fmt: skip
def test_bad_arguments_of_evaluations_are_named(argument, value):
    arguments = {"eval_freq": 16, argument: value}
    with pytest.raises(ValueError, match=argument):
        EvaluationCallback(QuestionEvaluator(BASE, 16), **arguments)


@pytest.mark.parametrize(("argument", "value"), [("n_contexts", 0), ("n_questions", 0)])
def test_bad_arguments_of_the_human_predictor_are_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        HumanPredictorCallback(**{argument: value})


def test_random_numbers_of_training_are_left_alone():
    """Evaluations and examples change nothing about what an agent becomes."""
    weights = []
    for callbacks in ([], [EvaluationCallback(QuestionEvaluator(BASE, 16), 24),
                           ExampleCallback(make_evaluator(BASE, 16), {}, 24)]):  # fmt: skip
        model = make_model(ENVS["batched"]())
        model.learn(48, callbacks)
        weights.append(np.concatenate([p.detach().numpy().ravel()
                                       for p in model.policy.parameters()]))  # fmt: skip
    np.testing.assert_array_equal(*weights)


def test_a_curriculum_of_another_domain_is_refused_before_training():
    callback = CurriculumCallback()
    make_model(ENVS["batched"]()).learn(24, callback)
    model = make_model(make_sb3_vec_env("IA-ShortestPath-v0", 3))
    with pytest.raises(ValueError, match="curriculum must be for ShortestPath"):
        model.learn(24, callback)
    assert model.num_timesteps == 0


@pytest.mark.parametrize(
    "make_callback", [AmplificationCallback, CurriculumCallback, HumanPredictorCallback]
)
def test_learners_that_never_step_refuse_callbacks_for_their_environments(make_callback):
    model = make_tiny_learner(ImitationIA)
    with pytest.raises(ValueError, match="has no effect on ImitationIA, which never steps"):
        model.learn(64, make_callback())
    model.learn(64)
    assert model.num_timesteps == 64
