"""Junk in, one clear exception out: every case ends in a documented error that names what is wrong,
or in something that works. ``IA_GYM_EXAMPLES`` sets the number of cases a test."""

import json
import os
import pickle
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from stable_baselines3 import PPO

from ia_gym.agents import (
    AmplificationCallback,
    AnswerSearch,
    Consultancy,
    Debate,
    ExpertIteration,
    ImitationIA,
    IteratedAmplification,
    LearnedDecomposition,
    QuestionEvaluator,
    ReinforceWithDemonstrations,
    RewardModelling,
    Supervised,
    TreeExpertIteration,
    make_sb3_vec_env,
)
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.curriculum import Curriculum
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.experiments.inspection.example_callback import ExampleCallback
from ia_gym.experiments.run_folder import read_run
from ia_gym.experiments.saved_agents import load_agent, load_learner
from ia_gym.experiments.train import train_agent
from ia_gym.networks.tensor_files import read_tensors, write_tensors

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
    "reward": st.sampled_from(["approval", "truth", "deception"]) | junk,
    "assistant": st.sampled_from(["inline", "oracle", "none"]) | junk,
    "trust": st.floats(0, 0.99) | junk,
    "wrong_answer_penalty": st.floats(0, 2) | junk,
    "audit": st.floats(0, 1) | junk,
    "overseer_failure": st.floats(0, 1) | junk,
    "assistant_failure": st.floats(0, 1) | junk,
    "failure_kind": st.sampled_from(["random", "hashed"]) | junk,
    "failure_at": st.sampled_from(["answer", "approval", "subquestion"]) | junk,
    "adversarial_assistant": st.booleans() | junk,
    "votes": st.sampled_from([1, 3, 5]) | junk,
    "observation": st.sampled_from(["tokens", "onehot", "multidiscrete", "flat", "text", "prompt"])
    | junk,
    # gymnasium itself trips over a "%" there, in the warning that it formats.
    "render_mode": st.sampled_from([None, "ansi"])
    | st.text(max_size=5).filter(lambda text: "%" not in text),
}


LEARNER_ARGUMENTS = {
    "learning_rate": st.floats(1e-4, 1e-2) | junk,
    "n_contexts": few | junk,
    "n_questions": few | junk,
    "max_grad_norm": st.floats(0.1, 2) | junk,
    "seed": few | junk,
    "curriculum": st.fixed_dictionaries({}, optional={"window": few | junk}) | junk,
    "policy_kwargs": junk
    | st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("width", "heads", "polyak_tau", "answer_passes"), few | junk)
    ),
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
    try:
        _, reward, terminated, truncated, _ = env.step(1)
    except ValueError as error:  # these two need an assistant, which may come after the reset
        assert named(error, {"audit", "assistant_failure"} & arguments.keys()), error
        return
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


@pytest.fixture
def unshown(monkeypatch):
    """Trainings draw no pictures, which take most of their time."""
    monkeypatch.setattr(ExampleCallback, "_log_example", lambda self: None)


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


@pytest.fixture(scope="module")
def slow_copy():
    """Lets a callback begin its work on an agent of SB3's."""
    model = PPO("MultiInputPolicy", make_sb3_vec_env(BASE), n_steps=2, batch_size=2)

    def begin(callback):
        callback.init_callback(model)
        callback.on_training_start({}, {})

    return begin


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


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_nothing_in_a_checkpoint_is_executed(write, tmp_path):
    """A pickle in a checkpoint's place, under a checkpoint's name."""
    path, trace = tmp_path / "checkpoint.safetensors", tmp_path / "executed"
    with path.open("wb") as file:
        write({"x": Payload(trace)}, file)
    for load in (ImitationIA.load, load_learner, load_agent, lambda p: gym.make(BASE, overseer=p)):
        with pytest.raises(ValueError, match=r"^(path|model|overseer) must "):
            load(path)
    assert not trace.exists()


def test_a_checkpoint_names_no_environment(checkpoint, tmp_path, monkeypatch):
    """gymnasium imports the module that an id begins with."""
    trace = tmp_path / "executed"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    settings, tensors = read_tensors(checkpoint)
    settings["arguments"]["env"] = "evil:Env-v0"
    write_tensors(tmp_path / "model.safetensors", tensors, settings)
    with pytest.raises(ValueError, match=r"path must name a saved ImitationIA; .* holds \['env'\]"):
        ImitationIA.load(tmp_path / "model.safetensors")
    assert not trace.exists()


@QUIET
@given(st.data())
def test_hostile_checkpoints(checkpoint, data):
    """Well-formed, with a true fingerprint, and one thing in them that is not what it was."""
    settings, tensors = read_tensors(checkpoint)
    places = [
        *((settings, key) for key in settings),
        *((settings["arguments"], key) for key in settings["arguments"]),
        *((settings["spaces"], key) for key in settings["spaces"]),
        *(
            (settings["arguments"]["policy_kwargs"], key)
            for key in ("width", "heads", "fact_layers")
        ),
        *((tensors, key) for key in tensors),
    ]
    where, key = data.draw(st.sampled_from(places))
    if where is tensors and data.draw(st.booleans()):
        where[key] = torch.zeros(data.draw(st.lists(st.integers(0, 5), max_size=3)))
    elif where is tensors or data.draw(st.booleans()):
        del where[key]
    else:
        where[key] = data.draw(junk)
    path = checkpoint.with_name("hostile.safetensors")
    try:
        write_tensors(path, tensors, settings)
        env = gym.make(BASE, size=3, max_power=4)
        model = ImitationIA.load(path, env=env)
    except ValueError:
        return
    assert model.predict(env.reset(seed=0)[0])[0] in range(4)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("spaces", "n_symbols", 10**7),
        ("spaces", "n_answers", 10**7),
        ("spaces", "rows", 10**9),
        ("spaces", "row_length", 10**6),
        ("policy_kwargs", "width", 4096),
        ("predictor_kwargs", "width", 4096),
    ],
)
def test_checkpoints_that_ask_for_all_memory(part, name, value, tmp_path):
    env = gym.make(BASE, size=3, max_power=4)
    small = {"width": 8, "heads": 1, "fact_layers": 1, "question_layers": 1}
    model = IteratedAmplification(env=env, n_contexts=2, n_questions=2, policy_kwargs=small)
    model.save(tmp_path / "model")
    settings, tensors = read_tensors(tmp_path / "model.safetensors")
    where = settings if part == "spaces" else settings["arguments"]
    where[part][name] = value
    write_tensors(tmp_path / "model.safetensors", tensors, settings)
    with pytest.raises(ValueError, match=r"at most 100000000 numbers|must be in 1\.\.10000000"):
        IteratedAmplification.load(
            tmp_path / "model", env=env if part == "predictor_kwargs" else None
        )
    if part != "spaces":  # what could not be loaded again is not trained either
        with pytest.raises(ValueError, match="at most 100000000 numbers"):
            IteratedAmplification(env=env, **{part: {name: value}})


@QUIET
@given(st.recursive(junk, lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_settings_files(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"must be the run\.json of a run"):
        read_run(path)


HELD_OUT = {"n_questions": few | junk, "seed": few | junk, "size": few | junk}


@QUIET
@given(
    # What stands before a colon is a module for gymnasium to import.
    st.just(BASE) | junk.filter(lambda value: ":" not in str(value)),
    st.fixed_dictionaries({}, optional=HELD_OUT),
)
def test_arguments_of_evaluations(env_id, arguments):
    many = arguments.get("n_questions", 16)
    if isinstance(many, int) and many > 10_000:
        arguments["n_questions"] = 10_000
    try:
        held_out = QuestionEvaluator(env_id, **{"n_questions": 16, **arguments})
    except (ValueError, TypeError, gym.error.Error) as error:
        assert named(error, [*arguments, "env_id"]) or str(env_id) in str(error), error
        return
    assert held_out.n_problems % 16 == 0


CALLBACK = {"polyak_tau": few | junk, "period": few | junk, "path": junk}


@QUIET
@given(st.fixed_dictionaries({}, optional=CALLBACK))
def test_arguments_of_the_slow_copy(slow_copy, arguments):
    try:
        slow_copy(AmplificationCallback(**arguments))
    except (ValueError, TypeError) as error:
        assert named(error, arguments), error


SETTINGS = {
    "algorithm": "Supervised",
    "n_timesteps": 64,
    "model": {"n_contexts": 2, "n_questions": 2, "policy_kwargs": {"width": 8, "heads": 1}},
    "n_envs": 1,
    "env_kwargs": {},
    "amplification": None,
    "curriculum": None,
    "target_accuracy": None,
    "patience": None,
}


@settings(QUIET, max_examples=QUIET.max_examples // 5)
@given(st.sampled_from(["env_id", "agent", "seed", *SETTINGS]), junk)
def test_runs_to_be_made_again_of_which_one_thing_is_junk(tmp_path, unshown, key, value):
    whole = {"env_id": BASE, "agent": "supervised", "seed": 0, "settings": dict(SETTINGS)}
    (whole["settings"] if key in SETTINGS else whole)[key] = value
    if key == "n_timesteps" and isinstance(value, int) and value > 2000:
        return  # it would train for long
    path = tmp_path / "run.json"
    path.write_text(json.dumps(whole))
    try:
        result = train_agent(str(path), log_dir=tmp_path / "run", n_eval_questions=16)
    except ValueError as error:
        assert named(error, [key]), error
        return
    done = result["final"]["timesteps"] >= result["settings"]["n_timesteps"]
    assert done or result["stopped_by"] != "budget"


@QUIET
@given(
    st.sampled_from(
        [
            *(Supervised, ImitationIA, IteratedAmplification, AnswerSearch),
            *(ReinforceWithDemonstrations, LearnedDecomposition, Debate, Consultancy),
        ]
    ),
    st.fixed_dictionaries({}, optional=LEARNER_ARGUMENTS),
)
def test_arguments_of_learners(cls, arguments):
    env = gym.make(BASE, size=3, max_power=4, disable_env_checker=True)
    small = {"policy_kwargs": {"width": 8, "heads": 1, "fact_layers": 1, "question_layers": 1}}
    try:
        cls(env=env, **{"n_contexts": 2, "n_questions": 2, **small, **arguments})
    except (ValueError, TypeError) as error:
        inner = [value for value in arguments.values() if isinstance(value, dict)]
        assert named(error, [*arguments, *(key for value in inner for key in value)]), error


DEBATE_ARGUMENTS = {
    "n_samples": few | junk,
    "ent_coef": st.floats(0, 1) | junk,
    "depth_limit": few | junk,
    "verdict_share": st.floats(0, 1) | junk,
    "claim_temperature": st.floats(0, 2) | junk,
    "challenger": st.sampled_from(["learned", "doubt"]) | junk,
    "challenger_kwargs": junk
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("width", "heads"), few | junk)),
    "exploration": st.floats(0, 1) | junk,
}


@QUIET
@given(st.fixed_dictionaries({}, optional=DEBATE_ARGUMENTS))
def test_arguments_of_debates(arguments):
    env = gym.make(BASE, size=3, max_power=4, disable_env_checker=True)
    small = {"policy_kwargs": {"width": 8, "heads": 1, "fact_layers": 1, "question_layers": 1}}
    try:
        Debate(env=env, **{"n_contexts": 2, "n_questions": 2, **small, **arguments}).learn(4)
    except (ValueError, TypeError) as error:
        inner = [value for value in arguments.values() if isinstance(value, dict)]
        assert named(error, [*arguments, *(key for value in inner for key in value)]), error


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


JUDGEMENT_ARGUMENTS = {
    "feedback": st.sampled_from(["approval", "comparisons"]) | junk,
    "n_judgements": st.integers(1, 2000) | junk,
    "n_samples": few | junk,
    "n_levels": few | junk,
    "agreement": st.floats(0.5, 1) | junk,
    "policy_update": st.sampled_from(["gradient", "ppo"]) | junk,
    "ent_coef": st.floats(0, 1) | junk,
    "reward_updates": few | junk,
    "reward_batch_size": few | junk,
    "rename": st.booleans() | junk,
    "assistant_temperature": st.floats(0, 2) | junk,
    "assistant_min_probability": st.floats(0, 1) | junk,
}
SEARCH_ARGUMENTS = {"n_samples": few | junk, "exploration": st.floats(0, 1) | junk}
GAME_ARGUMENTS = {
    "learning_rate": st.floats(1e-4, 1e-2) | junk,
    "n_simulations": few | junk,
    "exploration": st.floats(0, 2) | junk,
    "discount": st.floats(0, 1) | junk,
    "noise_share": st.floats(0, 1) | junk,
    "noise_concentration": st.floats(0.1, 1) | junk,
    "rollout_iterations": few | junk,
    "rollout_steps": few | junk,
    "value_scale": st.floats(0.1, 100) | junk,
    "buffer_size": few | junk,
    "n_updates": few | junk,
    "batch_size": few | junk,
    "max_grad_norm": st.floats(0.1, 2) | junk,
    "policy_kwargs": junk,
    "seed": few | junk,
}


@QUIET
@given(
    st.tuples(st.just(RewardModelling), st.fixed_dictionaries({}, optional=JUDGEMENT_ARGUMENTS))
    | st.tuples(st.just(ExpertIteration), st.fixed_dictionaries({}, optional=SEARCH_ARGUMENTS))
    | st.tuples(st.just(TreeExpertIteration), st.fixed_dictionaries({}, optional=GAME_ARGUMENTS))
)
def test_arguments_of_judgements_and_searches(case):
    cls, arguments = case
    small = {"policy_kwargs": {"width": 8, "heads": 1, "fact_layers": 1, "question_layers": 1}}
    if cls is TreeExpertIteration:
        env, small = gym.make("IA-CartPole-v0", reward="truth"), {}
    else:
        env = gym.make(BASE, size=3, max_power=4, disable_env_checker=True)
    try:
        cls(env=env, **{**small, **arguments})
    except (ValueError, TypeError) as error:
        assert named(error, arguments), error


class Junk(Permutation):
    """A domain one of whose methods returns what the test chooses."""

    name = "Junk"
    broken = ""
    result = None

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "broken"):
            return lambda *_, **__: object.__getattribute__(self, "result")
        return object.__getattribute__(self, name)


anything = (
    arrays(
        st.sampled_from([np.int64, np.int8, np.float64, np.bool_, "U3"]),
        array_shapes(min_dims=0, max_dims=4, max_side=4),
    )
    | junk
)
SCRIPT = ["ask", "look_up", "answer", "error", "is_primitive"]
WHOLE = [*SCRIPT, "sample_contexts", "sample_questions", "truth", "depth", "answer_mask"]


@QUIET
@given(st.sampled_from(SCRIPT), anything)
def test_domains_whose_script_returns_junk(method, result):
    """A wrong shape, type or symbol is refused by name, not passed on."""
    assume(np.shape(result) != (2, 3))  # as it should be: it may be no junk
    domain = Junk(8)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 2)
    questions = domain.sample_questions(rng, contexts, 3)
    overseer = ScriptedOverseer(domain)
    domain.broken, domain.result = method, result

    def follow_the_script():
        transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
        answers = overseer.answer(contexts, questions, transcript)
        overseer.judge(contexts, questions, transcript, answers)

    with pytest.raises(ValueError, match=rf"{method}\(\) of Junk must return"):
        follow_the_script()


@QUIET
@given(st.sampled_from(WHOLE), anything)
def test_environments_of_domains_that_return_junk(method, result):
    assume(np.shape(result) != (3, 4))  # as it should be
    domain = type("Junk", (Junk,), {"broken": method, "result": result})
    with pytest.raises(ValueError, match=rf"{method}\(\) of Junk must return"):
        gym.make(BASE, domain=domain, disable_env_checker=True)


DECLARED = [
    *("n_answers", "n_symbols", "question_length", "max_depth", "kind_symbol"),
    *("subquestions_per_round", "judge_subquestions_per_round", "fact_shape"),
]


@QUIET
@given(st.sampled_from(DECLARED), junk | st.tuples(junk) | st.tuples(few, junk))
def test_environments_of_domains_that_declare_junk(name, value):
    """More sub-questions than declared, fewer, and what is no size at all."""

    class Declares(Permutation):
        def __init__(self, size):
            super().__init__(size)
            setattr(self, name, value)

    right = getattr(Permutation(8), name)
    try:
        env = gym.make(BASE, domain=Declares, disable_env_checker=True)
    except ValueError as error:
        assert "of Permutation must" in str(error)
        assert value != right or type(value) is not type(right)
        return
    env.reset(seed=0)
    assert env.step(1)[2]


class Circular(Permutation):
    """Its script asks the question it was asked: nobody can ever answer it."""

    name = "Circular"

    def ask(self, rng, round, contexts, questions, transcript):
        return questions[..., None, :].copy()


class DependsOnItself(Permutation):
    name = "DependsOnItself"

    def dependencies(self, kind, depth):
        return [(0, depth)]


@pytest.mark.parametrize("assistant", ["inline", "oracle", "none"])
def test_a_script_that_asks_its_own_question_comes_to_an_end(assistant):
    """The agent or its assistant answers the sub-question; the overseer does not recurse."""
    env = gym.make(BASE, domain=Circular, trust=None, assistant=assistant)
    env.reset(seed=0)
    roles = set()
    for _ in range(100):
        *_, info = env.step(1)
        roles.add(bool(info["is_root"]))
        env.reset()
    assert roles == ({True, False} if assistant == "inline" else {True})


def test_a_class_that_depends_on_itself_is_refused():
    with pytest.raises(ValueError, match=r"dependencies\(\) of DependsOnItself must not lead"):
        gym.make(BASE, domain=DependsOnItself)


@QUIET
@given(anything)
def test_assistants_that_return_junk(result):
    """As any agent's answers: refused where they are given, with what is allowed."""
    env = gym.make(BASE, disable_env_checker=True, trust=None).unwrapped

    class Says:
        def answer(self, contexts, questions):
            return result

    env.set_assistant(Says())
    with pytest.raises(ValueError, match="the assistant must return"):
        env.reset(seed=1)


@QUIET
@given(junk | anything, st.none() | st.dictionaries(st.sampled_from(["reset_mask"]), anything))
def test_seeds_and_options_of_resets(seed, options):
    vec = gym.make_vec(BASE, num_envs=3)
    vec.reset(seed=0)
    try:
        vec.reset(seed=seed, options=options)
    except (ValueError, gym.error.Error) as error:
        assert "seed" in str(error).lower() or "reset_mask" in str(error)
    assert vec.step(np.ones(3, int))[2].all()


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
@given(st.fixed_dictionaries({"n_eval_questions": st.just(16) | junk}, optional=TRAIN_ARGUMENTS))
def test_arguments_of_training(tmp_path, unshown, arguments):
    short = {"n_timesteps": 64, **arguments}
    if isinstance(short["n_timesteps"], int) and short["n_timesteps"] > 2000:
        short["n_timesteps"] = 2000
    try:
        train_agent("supervised", BASE, log_dir=tmp_path, **short)
    except (ValueError, TypeError) as error:
        assert named(error, [*short, "env_kwargs"]), error
