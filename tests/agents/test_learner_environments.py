"""What learners take from their environment: domain, spaces and overseer; all else is refused."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize
from tiny_learners import SMALL, TINY, make_tiny_env, make_tiny_learner

from ia_gym.agents import (
    AnswerSearch,
    ImitationIA,
    IteratedAmplification,
    QuestionEvaluator,
    Reinforce,
    ReinforceWithDemonstrations,
    Supervised,
    make_sb3_vec_env,
)
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer

PREDICTOR = {"predictor_kwargs": {**SMALL, "layers": 1}}


class AlwaysAnswersOne(ScriptedOverseer):
    """An overseer of one's own, which answers 1 and approves of 1."""

    def answer(self, contexts, questions, transcript):
        return np.ones_like(super().answer(contexts, questions, transcript))

    def judge(self, contexts, questions, transcript, answers):
        return (answers == 1).astype(float)


def make_env_with(overseer_class):
    """A tiny environment with an overseer of the class, and the overseer."""
    env = make_tiny_env()
    overseer = overseer_class(env.unwrapped.domain)
    env.unwrapped.set_overseer(overseer)
    return env, overseer


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (ImitationIA, {}),
        pytest.param(
            IteratedAmplification, {"interaction_rate": 16, **PREDICTOR}, marks=pytest.mark.slow
        ),
        (AnswerSearch, {"n_samples": None}),
        (Reinforce, {"n_samples": None, "ent_coef": 0}),
        (ReinforceWithDemonstrations, {"n_samples": None, "pretraining_steps": 0}),
    ],
)
@pytest.mark.parametrize("set_before", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_overseer_of_the_environment_teaches(cls, kwargs, set_before):
    env, overseer = make_env_with(AlwaysAnswersOne)
    if not set_before:
        env.unwrapped.set_overseer(ScriptedOverseer(env.unwrapped.domain))
    model = make_tiny_learner(cls, env, learning_rate=1e-2, **kwargs)
    env.unwrapped.set_overseer(overseer)
    policy = model.policy.network
    model.learn(1600)
    evaluator = QuestionEvaluator("IA-Permutation-v0", 64, **TINY)
    with torch.no_grad():
        rows = torch.as_tensor(evaluator.contexts["facts"]), torch.as_tensor(evaluator.questions)
        answers = policy(*rows).argmax(dim=-1)
    assert (answers == 1).float().mean() > 0.9
    assert model.overseer is overseer
    assert model.human_interactions == overseer.human_interactions > 0
    assert (model.human_interactions == 1600) == (cls is not IteratedAmplification)
    model.measure(evaluator)
    assert model.human_interactions == overseer.human_interactions  # evaluating asks it nothing


def test_a_saved_human_predictor_oversees(tmp_path):
    domain = make_tiny_env().unwrapped.domain
    human = LearnedOverseer(domain, HumanPredictor(domain, layers=1, **SMALL), 7)
    human.save(tmp_path / "human.safetensors")
    env = make_tiny_env(overseer=tmp_path / "human.safetensors")
    model = make_tiny_learner(ImitationIA, env).learn(64)
    assert model.overseer is env.unwrapped.engine.overseer
    assert model.human_interactions == 7  # those that it was learned from; no more
    with pytest.raises(
        ValueError, match=r"^interaction_rate must be None .*human predictor itself"
    ):
        make_tiny_learner(IteratedAmplification, env)


def test_graded_approval_has_effect_where_answers_are_judged():
    approvals = []
    for approval in ("strict", "graded"):
        env = gym.make("IA-Wildcard-v0", size=4, approval=approval)
        model = make_tiny_learner(AnswerSearch, env, n_samples=None)
        model.learn(0)
        batch = model.amplify(judging=True)
        approvals.append(
            set(model.judge_answers(batch, model.list_answers(batch)).unique().tolist())
        )
    assert approvals[0] == {0.0, 1.0} < approvals[1]
    for cls, kwargs in ((ImitationIA, {}), (AnswerSearch, {"interaction_rate": 5})):
        with pytest.raises(ValueError, match=r"^approval of env has no effect on .*got 'graded'"):
            make_tiny_learner(cls, gym.make("IA-Wildcard-v0", size=4, approval="graded"), **kwargs)
    with pytest.raises(ValueError, match=r"^overseer and approval of env have no effect"):
        make_tiny_learner(Supervised, gym.make("IA-Wildcard-v0", size=4, approval="graded"))


@pytest.mark.parametrize("cls", [ImitationIA, Supervised, Reinforce])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("trust", None),
        ("trust", 0.9),
        ("assistant", "oracle"),
        ("questions_per_context", 4),
        ("wrong_answer_penalty", 0.5),
        ("audit", 0.5),
    ],
)
def test_an_option_without_effect_is_refused(cls, option, value):
    with pytest.raises(ValueError, match=f"^{option} of env has no effect on {cls.__name__}"):
        make_tiny_learner(cls, make_tiny_env(**{option: value}))


def test_environments_that_lack_what_is_needed_are_refused():
    env = make_tiny_env()
    env.unwrapped.set_assistant(make_tiny_learner(ImitationIA).assistant)
    with pytest.raises(ValueError, match=r"^assistant of env has no effect on ImitationIA"):
        make_tiny_learner(ImitationIA, env)
    with pytest.raises(ValueError, match=r'^env must be one of reward="approval"'):
        make_tiny_learner(ImitationIA, make_tiny_env(reward="truth"))
    assert make_tiny_learner(Supervised, make_tiny_env(reward="truth")).learn(32)
    with pytest.raises(ValueError, match=r"^observation_space must be Dict"):
        ImitationIA(env="CartPole-v1")


def test_a_model_without_an_environment_only_predicts(tmp_path):
    make_tiny_learner(ImitationIA).save(tmp_path / "model")
    loaded = ImitationIA.load(tmp_path / "model")
    loaded.predict(make_tiny_env().reset(seed=0)[0])
    with pytest.raises(ValueError, match=r"^env must be given to learn"):
        loaded.learn(32)


def test_an_overseer_must_fit_and_count():
    env, overseer = make_env_with(AlwaysAnswersOne)
    del overseer.assistant_answers
    with pytest.raises(ValueError, match=r"overseer of env must have \['assistant_answers'\]"):
        make_tiny_learner(ImitationIA, env)
    env = make_tiny_env()
    smaller = gym.make("IA-Permutation-v0", size=3, max_size=4, max_power=8).unwrapped.domain
    env.unwrapped.set_overseer(AlwaysAnswersOne(smaller))
    with pytest.raises(ValueError, match=r"overseer of env must be for .*size=4.*, got .*size=3"):
        make_tiny_learner(ImitationIA, env)


def test_an_overseer_is_not_taken_out_of_worker_processes():
    vec = make_vec_env(lambda: make_env_with(AlwaysAnswersOne)[0], 1, vec_env_cls=SubprocVecEnv)
    try:
        with pytest.raises(ValueError, match=r"^env must run in this process"):
            make_tiny_learner(ImitationIA, vec)
    finally:
        vec.close()


@pytest.mark.parametrize("vectorized", [False, True])
def test_another_environment_of_the_same_domain_changes_nothing(vectorized):
    """Training continues with the same numbers and the same counters."""

    def swap(model):
        vec = make_sb3_vec_env("IA-Permutation-v0", 3, **TINY) if vectorized else make_tiny_env()
        model.set_env(vec)
        assert model.get_env().num_envs == (3 if vectorized else 1)

    kwargs = {"curriculum": {"threshold": 0.01, "window": 8}, **PREDICTOR}
    models = [make_tiny_learner(IteratedAmplification, **kwargs) for _ in range(2)]
    for i, model in enumerate(models):
        torch.manual_seed(0)
        model.learn(128)
        if i:
            counts = model.human_interactions, model.assistant_answers, model.curriculum.max_depth
            overseer, trainer = model.overseer, model.predictor_trainer
            swap(model)
            assert (model.overseer, model.predictor_trainer) == (overseer, trainer)
            assert counts == (
                *(model.human_interactions, model.assistant_answers),
                model.curriculum.max_depth,
            )
        model.learn(128, reset_num_timesteps=False)
    assert counts[0] > 0
    assert models[0].human_interactions == models[1].human_interactions
    for a, b in zip(models[0].policy.parameters(), models[1].policy.parameters()):
        assert torch.equal(a, b)


def test_another_domain_or_other_spaces_are_refused():
    model = make_tiny_learner(ImitationIA).learn(64)
    before = model.get_env()
    with pytest.raises(ValueError, match=r"spaces do not match: .*rows=4.* != .*rows=8"):
        model.set_env(gym.make("IA-Permutation-v0"))
    smaller = gym.make("IA-Permutation-v0", size=3, max_size=4, max_power=8)
    assert smaller.observation_space == model.observation_space
    with pytest.raises(ValueError, match=r"env must ask about .*size=4.*, got .*size=3"):
        model.set_env(smaller)
    with pytest.raises(ValueError, match=r"^trust of env has no effect"):
        model.set_env(make_tiny_env(trust=None))
    assert model.get_env() is before
    assert model.human_interactions == 64
    assert model.learn(32, reset_num_timesteps=False).num_timesteps == 96


def test_the_environment_is_neither_reset_nor_stepped(monkeypatch):
    """Its overseer may be a person, who would answer questions that nobody uses."""
    model = make_tiny_learner(ImitationIA)
    for name in ("reset", "step"):
        monkeypatch.setattr(model.get_env(), name, None)
    assert model.learn(64).human_interactions == 64


def test_wrappers_that_change_observations_are_refused():
    """Training draws questions as they are; predictions would be shown others."""
    env = make_vec_env(make_tiny_env, 1)
    with pytest.raises(ValueError, match=r"show its questions as they are to Supervised"):
        make_tiny_learner(Supervised, VecNormalize(env))
    make_tiny_learner(Supervised, VecNormalize(env, norm_obs=False)).learn(32)
