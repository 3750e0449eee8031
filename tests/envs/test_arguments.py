"""Arguments of the environments: named in signatures, checked, refused where without effect."""

import inspect
import json
import subprocess
import sys
from dataclasses import fields

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import ia_gym
from ia_gym.actions.overseer import ActionOverseer
from ia_gym.amplification.assistants import Oracle
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.envs import (
    ActionApproval,
    ActionApprovalVectorEnv,
    QuestionEnv,
    QuestionVectorEnv,
    make_action_env,
    make_action_vec,
    make_evaluation_kwargs,
)
from ia_gym.envs.actions.config import ActionApprovalConfig
from ia_gym.envs.questions.config import QuestionConfig

BASE = "IA-Permutation-v0"
IDS = [env_id for env_id in gym.registry if env_id.startswith("IA-")]


def make(env_id=BASE, **kwargs):
    return gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped


class Halved(Permutation):
    """A domain of one's own, with an argument of its own."""

    name = "Halved"

    def __init__(self, size=4, max_size=None, half=False):
        super().__init__(size, max_size)
        self.half = half


# ------------------------------------------------------------------- signatures


@pytest.mark.parametrize(
    ("config", "faces"),
    [
        (QuestionConfig, [QuestionEnv, QuestionVectorEnv]),
        (
            ActionApprovalConfig,
            [ActionApproval, ActionApprovalVectorEnv, make_action_env, make_action_vec],
        ),
    ],
)
def test_every_face_names_every_argument_with_its_default(config, faces):
    wanted = {
        field.name: field.default for field in fields(config) if field.name != "domain_kwargs"
    }
    for face in faces:
        parameters = inspect.signature(face).parameters
        got = {name: p.default for name, p in parameters.items() if name in wanted}
        assert got == wanted, face
        assert all(p.annotation is not p.empty for p in parameters.values())


def test_the_overseer_of_actions_has_the_same_defaults():
    own = inspect.signature(ActionOverseer).parameters
    for field in fields(ActionApprovalConfig):
        if field.name in own and field.name != "value":
            assert own[field.name].default == field.default


def test_arguments_of_a_domain_reach_it():
    for env in (make(size=4, max_power=8), gym.make_vec(BASE, 2, size=4, max_power=8).unwrapped):
        assert (env.domain.size, env.domain.max_power) == (4, 8)
    domain = make("IA-UnionFind-v0", question_kinds=["V"]).domain
    assert [domain.kinds[kind] for kind in domain.question_kinds] == ["V"]
    assert make(domain=Halved, half=True).domain.half


@pytest.mark.parametrize("build", [QuestionEnv, QuestionVectorEnv])
def test_an_unknown_argument_is_named_with_those_that_are_known(build):
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_powr'") as caught:
        build(domain="Permutation", max_powr=8)
    assert "'max_powr': Permutation takes size, max_size, max_power" in str(caught.value)
    with pytest.raises(TypeError, match=r"'max_power': Wildcard takes .* environment .*audit"):
        build(domain="Wildcard", max_power=8)


# ------------------------------------------------------------- without effect


@pytest.mark.parametrize(
    "kwargs",
    [
        {"trust": 0.75},
        {"wrong_answer_penalty": 0.2},
        {"audit": 0.5},
        {"approval": "graded"},
        {"assistant": "oracle"},
        {"overseer": "human.safetensors"},
        {"overseer_failure": 0.1},
        {"assistant_failure": 0.1},
        {"votes": 3},
    ],
    ids=str,
)
def test_the_truth_takes_no_argument_of_the_overseer(kwargs):
    name = next(iter(kwargs))
    for build in (
        lambda: gym.make(BASE, reward="truth", **kwargs),
        lambda: gym.make_vec(BASE, 2, reward="truth", **kwargs),
    ):
        with pytest.raises(ValueError, match=f'{name} must be left out, .*reward="truth"'):
            build()


@pytest.mark.parametrize("name", DOMAINS)
def test_graded_approval_is_for_domains_with_near_misses(name):
    """Elsewhere an answer is right or wrong, and "graded" would be what "strict" is."""
    if name in ("ShortestPath", "UnionFind", "Wildcard"):
        gym.make(f"IA-{name}-v0", approval="graded")
        return
    for build in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=f'approval must be "strict" for {name}'):
            build(f"IA-{name}-v0", approval="graded")


def test_a_default_may_be_stated():
    env = make(reward="truth", trust=None, wrong_answer_penalty=0.0, audit=0, assistant="inline")
    assert env.trusted is None
    assert make(assistant="oracle", trust=None).trusted is None
    assert make().engine.gate.threshold == 0.75
    assert make(trust=0.5).engine.gate.threshold == 0.5


@pytest.mark.parametrize("assistant", ["oracle", "none"])
def test_an_assistant_that_never_learns_needs_no_trust(assistant):
    with pytest.raises(ValueError, match=f'trust must be left out, .*assistant="{assistant}"'):
        make(assistant=assistant, trust=0.75)


def test_trust_is_a_number_or_one_word():
    with pytest.raises(ValueError, match=r'trust must be a number .* "auto" or None'):
        make(trust="blind")


def test_arguments_of_a_training_become_those_of_an_evaluation():
    training = {"size": 6, "trust": 0.9, "audit": 0.5, "wrong_answer_penalty": 1, "max_power": 8}
    env = make(**make_evaluation_kwargs({**training, "approval": "graded"}))
    assert (env.domain.size, env.domain.max_power) == (6, 8)
    assert env.engine.overseer is None


@pytest.mark.parametrize("mode", ["single", "SameStep", "NextStep", "Disabled"])
def test_an_audit_needs_someone_to_audit(mode):
    """Inline it was ignored. The assistant may come after the first reset, as SB3 has it."""
    env = (
        make(audit=0.5)
        if mode == "single"
        else gym.make_vec(BASE, 1, audit=0.5, autoreset_mode=mode).unwrapped
    )
    _, info = env.reset(seed=0)
    answer = info["truth"]
    with pytest.raises(ValueError, match=r"audit must be 0 without an attached assistant, got 0.5"):
        env.step(answer)
    env.set_assistant(Oracle(env.domain))
    env.step(answer)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"look_ahead": 8, "information": ("ending", "outcome")},
        {"usefulness_rate": 0.5, "information": ["rollout"]},
        {"n_usefulness_copies": 2, "information": ["outcome"]},
        {"n_usefulness_copies": 2, "usefulness_rate": 0.0},
    ],
    ids=str,
)
def test_approval_of_actions_takes_no_argument_without_effect_either(kwargs):
    name = next(iter(kwargs))
    for build in (
        lambda: gym.make("IA-CartPole-v0", **kwargs),
        lambda: gym.make_vec("IA-CartPole-v0", 2, **kwargs),
        lambda: ActionApproval(gym.make("CartPole-v1"), **kwargs),
    ):
        with pytest.raises(ValueError, match=f"{name} must be left out"):
            build()


def test_there_is_no_assistant_without_an_overseer():
    env = make(reward="truth")
    with pytest.raises(ValueError, match=r'assistant can only be set .*reward="approval"'):
        env.set_assistant(Oracle(env.domain))
    env.set_assistant(None)


# ------------------------------------------------------------------------ specs


@pytest.mark.parametrize("env_id", IDS)
def test_specs_round_trip_by_json(env_id):
    spec = gym.spec(env_id)
    text = spec.to_json()
    assert EnvSpec.from_json(text) == spec
    env = gym.make(EnvSpec.from_json(text))
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.observation_space == env.observation_space == gym.make(env.spec).observation_space
    env.reset(seed=0)


@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_specs_of_vectors_round_trip_too(env_id):
    vec = gym.make_vec(env_id, 3)
    again = gym.make_vec(EnvSpec.from_json(vec.spec.to_json()))
    assert type(again) is type(vec)
    assert again.observation_space == vec.observation_space


def test_specs_of_a_domain_of_ones_own_round_trip():
    ia_gym.register_domain(Halved)
    spec = EnvSpec.from_json(gym.spec("IA-Halved-v0").to_json())
    assert type(gym.make(spec, half=True).unwrapped.domain) is Halved
    assert gym.make_vec(spec, 2).unwrapped.domain.name == "Halved"


def test_a_domain_within_a_function_can_be_registered_all_the_same():
    class Local(Halved):
        name = "Local"

    ia_gym.register_domain(Local)
    assert type(make("IA-Local-v0").domain) is Local
    for bad in (object, "Halved", type("Nameless", (ia_gym.Domain,), {})):
        with pytest.raises(ValueError, match="domain must"):
            ia_gym.register_domain(bad)


@pytest.mark.parametrize("place", ["nowhere:Halved", f"{__name__}:Nothing", "json:dumps", ":", "x"])
def test_a_place_without_a_domain_is_named(place):
    with pytest.raises(ValueError, match="domain must be"):
        make(domain=place)


def test_a_loop_over_the_registry_may_make_environments():
    code = (
        "import gymnasium as gym, ia_gym\n"
        "n = 0\n"
        "for env_id in gym.registry:\n"
        "    if env_id.startswith('IA-'):\n"
        "        gym.make(env_id).close()\n"
        "        n += 1\n"
        "print(n)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [str(3 + 8 * len(DOMAINS))], done.stderr


# --------------------------------------------------------------- versions, memory


@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_an_old_gymnasium_is_warned_of(env_id, monkeypatch):
    monkeypatch.setattr(gym, "__version__", "1.2.2")
    with pytest.warns(UserWarning, match=r"gymnasium 1.2.2 .*RecordEpisodeStatistics .* of 0"):
        gym.make_vec(env_id, 2)
    monkeypatch.setattr(gym, "__version__", "1.10.0")
    gym.make_vec(env_id, 2)  # a warning would be an error


def test_an_old_gymnasium_is_right_in_other_modes(monkeypatch, recwarn):
    monkeypatch.setattr(gym, "__version__", "1.2.2")
    gym.make_vec(BASE, 2, autoreset_mode="NextStep")
    assert not recwarn.list


def test_bad_autoreset_modes_and_games_are_named():
    for env_id in (BASE, "IA-CartPole-v0"):
        with pytest.raises(ValueError, match="autoreset_mode must be an AutoresetMode"):
            gym.make_vec(env_id, 2, autoreset_mode="sometimes")
    with pytest.raises(ValueError, match="game must be one of"):
        make_action_env("Chess")
    with pytest.raises(ValueError, match="num_envs must be in"):
        make_action_vec(0, "CartPole")


def test_only_large_engines_touch_malloc(monkeypatch):
    sizes = []
    empty = np.empty
    monkeypatch.setattr(
        np, "empty", lambda shape, *args, **kw: sizes.append(shape) or empty(shape, *args, **kw)
    )
    gym.make_vec(BASE, 64)
    assert 31 << 20 not in sizes
    gym.make_vec(BASE, 256)
    assert 31 << 20 in sizes


def test_specs_say_nothing_that_json_does_not():
    assert json.loads(gym.spec(BASE).to_json())["kwargs"] == {"domain": "Permutation", "size": 8}
