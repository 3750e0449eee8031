"""Junk in, one clear exception out: every case ends in a documented error that names what is wrong,
or in something that works. ``IA_GYM_EXAMPLES`` sets the number of cases a test."""

import json
import os
import re

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from ia_gym.agents import ImitationIA
from ia_gym.agents.training import read_run, train_once
from ia_gym.amplification import amplify
from ia_gym.assistants import Oracle
from ia_gym.curriculum import Curriculum
from ia_gym.overseers import ScriptedOverseer
from ia_gym.tasks import DOMAINS, Permutation

BASE = "IA-Permutation-v0"
QUIET = settings(
    max_examples=int(os.environ.get("IA_GYM_EXAMPLES", "50")),
    derandomize="IA_GYM_EXAMPLES" not in os.environ,  # the same cases on every change
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 20),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 3), max_size=2),
)
few = st.integers(2, 12)
ENV_ARGUMENTS = {
    "size": few | junk,
    "max_size": few | junk,
    "questions_per_context": few | junk,
    "approval": st.sampled_from(["strict", "graded"]) | junk,
    "reward": st.sampled_from(["approval", "truth"]) | junk,
    "assistant": st.sampled_from(["inline", "oracle", "none"]) | junk,
    "trust": st.floats(0, 0.99) | junk,
    "wrong_price": st.floats(0, 2) | junk,
    "audit": st.floats(0, 1) | junk,
    "render_mode": st.sampled_from([None, "ansi"]) | st.text(max_size=5),
}


def named(error, names):
    """Whether an exception says which argument is wrong."""
    return any(re.search(rf"\b{name}\b", str(error)) for name in names)


@QUIET
@given(st.sampled_from(sorted(DOMAINS)), st.fixed_dictionaries({}, optional=ENV_ARGUMENTS))
def test_arguments_of_environments(name, arguments):
    try:
        env = gym.make(f"IA-{name}-v0", disable_env_checker=True, **arguments)
    except (ValueError, TypeError, FileNotFoundError) as error:
        assert named(error, arguments), error
        return
    env.reset(seed=0)
    _, reward, terminated, truncated, _ = env.step(1)
    assert np.isfinite(reward)
    assert terminated
    assert not truncated


@QUIET
@given(arrays(scalar_dtypes(), array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4)) | junk)
def test_actions(action):
    env = gym.make(BASE, disable_env_checker=True).unwrapped
    before, _ = env.reset(seed=0)
    try:
        env.step(action)
    except ValueError as error:
        assert "action" in str(error)
        after, _ = env.reset(seed=0)
        np.testing.assert_array_equal(before["question"], after["question"])
        assert env.step(1)[2]
        return
    assert np.asarray(action).shape == ()
    assert 0 <= int(action) < 9


@QUIET
@given(arrays(scalar_dtypes(), array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4)) | junk)
def test_actions_of_vectors(actions):
    vec = gym.make_vec(BASE, num_envs=3)
    vec.reset(seed=0)
    try:
        vec.step(actions)
    except ValueError as error:
        assert "action" in str(error)
        assert vec.step(np.ones(3, int))[2].all()
        return
    assert np.shape(actions) == (3,)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small learner's file."""
    env = gym.make(BASE, size=3, max_power=4)
    small = {"width": 8, "heads": 1, "fact_layers": 1, "question_layers": 1}
    model = ImitationIA(env=env, n_contexts=2, n_questions=2, seed=0, policy_kwargs=small)
    model.learn(8)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model.save(path)
    return path


@QUIET
@given(st.data())
def test_damaged_checkpoints(checkpoint, data):
    content = bytearray(checkpoint.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "junk"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "flip":
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del content[place:]
    elif kind == "insert":
        content[place:place] = data.draw(st.binary(min_size=1, max_size=9))
    else:
        content = data.draw(st.binary(max_size=200))
    path = checkpoint.with_name("damaged.safetensors")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="path must name a saved ImitationIA"):
        ImitationIA.load(path)


@QUIET
@given(st.recursive(junk, lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_settings_files(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"agent must name a run\.json"):
        read_run(path)


CURRICULUM_ARGUMENTS = {
    "threshold": st.floats(0.1, 0.9) | junk,
    "window": few | junk,
    "start_depth": st.integers(1, 2) | junk,
    "end_depth": st.integers(1, 2) | junk,
    "start_size": few | junk,
    "growth": st.floats(1, 3) | junk,
}


@QUIET
@given(st.fixed_dictionaries({}, optional=CURRICULUM_ARGUMENTS))
def test_arguments_of_curricula(arguments):
    try:
        curriculum = Curriculum(Permutation(8), **arguments)
    except (ValueError, TypeError) as error:
        assert named(error, arguments), error
        return
    assert curriculum.max_depth in (1, 2)


class Junk(Permutation):
    """A domain of which one method returns whatever it is told to."""

    name = "Junk"
    broken = ""
    result = None

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "broken"):
            return lambda *_, **__: object.__getattribute__(self, "result")
        return object.__getattribute__(self, name)


@QUIET
@given(
    arrays(
        st.sampled_from([np.int64, np.int8, np.float64, np.bool_, "U3"]),
        array_shapes(min_dims=0, max_dims=4, max_side=4),
    )
    | junk
)
def test_domains_that_ask_junk(result):
    """H's script decides what is asked: a wrong shape, type or symbol is told, not passed on."""
    domain = Junk(8)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 2)
    questions = domain.sample_questions(rng, contexts, 3)
    oracle = Oracle(domain)
    domain.broken, domain.result = "ask", result
    with pytest.raises(ValueError, match=r"ask\(\) of Junk must return"):
        amplify(ScriptedOverseer(domain), oracle, rng, contexts, questions)


TRAIN_ARGUMENTS = {
    "seed": junk,
    "threads": st.just(1) | junk,
    "size": few | junk,
    "max_depth": st.integers(1, 2) | junk,
    "n_timesteps": st.just(64) | junk,
    "target_accuracy": st.floats(0.1, 1) | junk,
    "patience": few | junk,
}


@settings(QUIET, max_examples=QUIET.max_examples // 5)
@given(st.fixed_dictionaries({"n_questions": st.just(16) | junk}, optional=TRAIN_ARGUMENTS))
def test_arguments_of_training(tmp_path, arguments):
    short = {"n_timesteps": 64, **arguments}
    if isinstance(short["n_timesteps"], int) and short["n_timesteps"] > 2000:
        short["n_timesteps"] = 2000
    try:
        train_once("supervised", BASE, log_dir=tmp_path, **short)
    except (ValueError, TypeError) as error:
        assert named(error, [*short, "env_kwargs"]), error
