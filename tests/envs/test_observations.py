"""The encodings of observations: all show the same questions, each in its own way."""

import re
from typing import get_args

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete, flatten
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from stable_baselines3.common.env_checker import check_env as check_env_by_sb3

import ia_gym  # noqa: F401
from ia_gym.domains import DOMAINS, Domain, Permutation
from ia_gym.domains.transcript import IDK
from ia_gym.envs import check_vector_env
from ia_gym.envs.questions.observations import (
    ObservationEncoding,
    ObservationMode,
    find_encoding,
)

BASE = "IA-Permutation-v0"
MODES = get_args(ObservationMode)
IDS = [f"IA-{name}-N4-v0" for name in DOMAINS]
POOLED = {"size": 5, "max_size": 12}


def shown(env_id, mode, n=20, **kwargs):
    """What an environment shows, inline, whatever it is answered."""
    env = gym.make(env_id, observation=mode, trust=None, **kwargs)
    rng = np.random.default_rng(0)
    seen = [env.reset(seed=0)[0]]
    for _ in range(n):
        env.step(rng.integers(env.action_space.n))
        seen.append(env.reset()[0])
    assert all(map(env.observation_space.contains, seen))
    return env, seen


@pytest.mark.parametrize("env_id", IDS)
def test_all_encodings_show_the_same_tokens(env_id):
    _, tokens = shown(env_id, "tokens")
    tokens = [np.concatenate([seen["facts"], seen["question"]]) for seen in tokens]
    env, flat = shown(env_id, "flat")
    np.testing.assert_array_equal(flat, tokens)
    n_symbols = env.unwrapped.domain.n_symbols
    _, onehot = shown(env_id, "onehot")
    digits = np.reshape(onehot, (len(onehot), -1, n_symbols))
    assert set(np.unique(digits)) == {0, 1}
    assert (digits.sum(axis=-1) == 1).all()
    np.testing.assert_array_equal(digits.argmax(axis=-1), tokens)
    env, multi = shown(env_id, "multidiscrete")
    np.testing.assert_array_equal(multi, tokens)
    flattened = [flatten(env.observation_space, seen) for seen in multi]
    np.testing.assert_array_equal(flattened, onehot)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", DOMAINS)
def test_both_checkers_pass(name, mode):
    def make():
        return gym.make(f"IA-{name}-v0", observation=mode, **POOLED).unwrapped

    check_env(make(), skip_render_check=True)
    if mode not in ("text", "prompt"):  # SB3 has no agents for it
        check_env_by_sb3(make())


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("env_id", IDS[::3])
def test_vectors_keep_the_rules(env_id, mode):
    check_vector_env(
        lambda n, autoreset: gym.make_vec(env_id, n, observation=mode, autoreset_mode=autoreset),
        steps=10,
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_vector_is_the_single_one_batched(mode):
    single = gym.make(BASE, observation=mode)
    vec = gym.make_vec(BASE, 1, observation=mode)
    seen, batch = single.reset(seed=0)[0], vec.reset(seed=0)[0]
    for _ in range(30):
        np.testing.assert_equal(first(batch), seen)
        answered = single.step(1)[0]
        batch, *_, infos = vec.step(np.array([1]))
        np.testing.assert_equal(infos["final_obs"][0], answered)
        np.testing.assert_equal(answered, seen)
        seen = single.reset()[0]


def first(batch):
    return {k: v[0] for k, v in batch.items()} if isinstance(batch, dict) else batch[0]


@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_own_vectors_batch_them(mode):
    make = [lambda: gym.make("IA-Permutation-N4-v0", observation=mode)] * 2
    for vec in (SyncVectorEnv(make), AsyncVectorEnv(make, context="fork")):
        assert vec.reset(seed=0)[0] in vec.observation_space
        assert vec.step(np.ones(2, np.int64))[0] in vec.observation_space
        vec.close()


@pytest.mark.parametrize(
    ("kwargs", "dtype"),
    [({}, np.uint8), ({"max_size": 252}, np.uint8), ({"max_size": 253}, np.int16)],
)
def test_tokens_are_as_small_as_can_be(kwargs, dtype):
    """At most 256 symbols: idk, the names, two bits and a kind."""
    domain = Permutation(8, **kwargs)
    assert (domain.n_symbols <= 256) == (dtype == np.uint8)
    for mode in ("tokens", "flat"):
        _, seen = shown(BASE, mode, n=1, **kwargs)
        arrays = seen[0].values() if mode == "tokens" else [seen[0]]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    space = ObservationEncoding(domain, "multidiscrete").space
    assert isinstance(space, MultiDiscrete)
    assert sum(space.nvec) == len(space.nvec) * domain.n_symbols  # as SB3 counts them


# ----------------------------------------------------------------------------------- text


@pytest.mark.parametrize("kwargs", [{}, POOLED, {"size": 30, "max_power": 100}], ids=str)
def test_a_text_says_all_it_takes_to_answer(kwargs):
    env = gym.make(BASE, observation="text", trust=None, **kwargs)
    text, info = env.reset(seed=0)
    longest = 0
    for _ in range(60):
        assert answer_permutation(text) == info["truth"]
        longest = max(longest, len(text))
        env.step(info["truth"])
        text, info = env.reset()
    limit = env.observation_space.max_length
    assert longest == limit if not kwargs else longest <= limit


def answer_permutation(text):
    facts, question = text.split("\n")
    image = {int(x): int(y) for x, y in re.findall(r"σ\((\d+)\) = (\d+)", facts)}
    power, name = map(int, re.fullmatch(r"σ\^(\d+)\((\d+)\) = \?", question).groups())
    for _ in range(power):
        name = image.get(name, IDK)
    return name


@pytest.mark.parametrize("name", DOMAINS)
def test_texts_are_within_their_space(name):
    for kwargs in ({}, POOLED, {"size": 2}, {"size": 33}):
        shown(f"IA-{name}-v0", "text", n=30, **kwargs)  # checks that the space contains them


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("size", [4, 16, 64])
def test_no_row_has_a_longer_text_than_the_longest(name, size):
    domain = DOMAINS[name](size)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 50)
    questions = domain.sample_questions(rng, contexts, 8).reshape(-1, domain.question_length)
    space = ObservationEncoding(domain, "text").space
    rows = domain.longest_facts()
    for facts in contexts["facts"]:
        lengths = sorted(len(domain.fact_text(row)) for row in facts if row[0])
        bounds = sorted(len(domain.fact_text(row)) for row in rows)
        assert len(lengths) <= len(bounds)
        assert sum(lengths) <= sum(bounds)
    bound = max(len(domain.question_text(row)) for row in domain.longest_questions())
    texts = list(map(domain.question_text, questions))
    assert max(map(len, texts)) <= bound
    assert set("".join(texts)) <= set(space.character_list)


class Bare(Permutation):
    """As a domain is without any texts of its own."""

    fact_text, longest_facts = Domain.fact_text, Domain.longest_facts
    question_text, longest_questions = Domain.question_text, Domain.longest_questions


class Spoken(Bare):
    def fact_text(self, fact):
        return f"{fact[0]} goes to {fact[1]}" if fact[0] else ""


class Bounded(Spoken):
    def longest_facts(self):
        return np.full((self.max_size, 2), self.max_size)


def test_a_domain_with_texts_of_its_own_has_to_bound_them():
    assert re.match(r"1 \d; 2 \d; ", shown(BASE, "text", domain=Bare)[1][0])
    assert re.match(r"1 goes to \d; 2 goes to \d; ", shown(BASE, "text", domain=Bounded)[1][0])
    shown(BASE, "text", domain=Bare, size=12)
    with pytest.raises(ValueError, match=r'not be "text" for Permutation: .* needs longest_facts'):
        gym.make(BASE, observation="text", domain=Spoken)


# ------------------------------------------------------------------------ ids, arguments


@pytest.mark.parametrize("name", DOMAINS)
def test_small_ids_show_one_hot_vectors_unless_told_otherwise(name):
    env = gym.make(f"IA-{name}-N4-v0")
    domain = env.unwrapped.domain
    assert domain.size == domain.max_size == 4
    assert env.observation_space == ObservationEncoding(domain, "onehot").space
    plain = gym.make(f"IA-{name}-N4-v0", observation="tokens")
    assert plain.observation_space == ObservationEncoding(domain).space
    vec = gym.make_vec(f"IA-{name}-N4-v0", 2)
    assert vec.single_observation_space == env.observation_space


def test_the_small_permutations_need_amplification():
    """Powers below 8: the second squaring is of what the agent itself says."""
    domain = gym.make("IA-Permutation-N4-v0").unwrapped.domain
    assert domain.max_power == 8
    assert domain.max_depth == 2


@pytest.mark.parametrize("mode", ["one-hot", "", None, 3])
def test_an_unknown_encoding_is_refused_by_name(mode):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=r"^observation must be one of \['tokens', 'onehot'"):
            make(BASE, observation=mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", DOMAINS)
def test_an_encoding_is_known_by_its_space(name, mode):
    domain = DOMAINS[name]()
    assert find_encoding(domain, ObservationEncoding(domain, mode).space).mode == mode
    other = ObservationEncoding(DOMAINS[name](7), mode)
    assert find_encoding(domain, other.space) is None
