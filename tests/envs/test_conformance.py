"""What people plug the environments into: gymnasium's wrappers and vectors, and a checker of our
own for vector environments, which must find what is broken."""

import hashlib
import json
from functools import partial
from itertools import product
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import (
    FlattenObservation,
    RecordEpisodeStatistics,
    RecordVideo,
    TimeLimit,
)

from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK
from ia_gym.envs import QuestionVectorEnv, check_vector_env

GOLDEN = Path(__file__).parent / "golden.json"
BASES = [f"IA-{name}-v0" for name in DOMAINS]
KWARGS = [
    {},
    {"trust": None, "questions_per_context": 3},
    {"assistant": "oracle", "wrong_answer_penalty": 0.1},
    {"assistant": "none"},
    {"reward": "truth"},
    {"max_size": 12},
]


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [*product(BASES, KWARGS), ("IA-Wildcard-v0", {"approval": "graded"})],
    ids=str,
)
def test_our_vectors_keep_the_rules(env_id, kwargs):
    check_vector_env(lambda n, mode: gym.make_vec(env_id, n, autoreset_mode=mode, **kwargs))


def test_gymnasiums_vectors_keep_the_rules_too():
    def make(n, mode):
        few = partial(gym.make, "CartPole-v1", max_episode_steps=7)
        return SyncVectorEnv([few] * n, autoreset_mode=mode)

    check_vector_env(make)


class Stale(QuestionVectorEnv):
    def _observe(self):
        self.kept = getattr(self, "kept", None) or super()._observe()
        return self.kept


class Unmasked(QuestionVectorEnv):
    def _add_masks(self, info):
        return info


class Unseeded(QuestionVectorEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None if seed is None else np.random.randint(2**31))  # noqa: NPY002


class ResetsAll(SyncVectorEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


class Integers(QuestionVectorEnv):
    def step(self, actions):
        observations, rewards, *rest = super().step(actions)
        return observations, rewards.astype(int), *rest


class NoFinals(QuestionVectorEnv):
    def step(self, actions):
        *rest, infos = super().step(actions)
        return *rest, {key: value for key, value in infos.items() if "final" not in key}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Stale, "fresh arrays"),
        (Unmasked, "must hold a bool array"),
        (Unseeded, "equal seeds"),
        (ResetsAll, "leave the other environments alone"),
        (Integers, "rewards must be an array"),
        (NoFinals, 'must hold "final_obs"'),
    ],
)
def test_the_checker_finds_what_is_broken(broken, message):
    def make(n, mode):
        if broken is ResetsAll:
            return broken([partial(gym.make, "CartPole-v1")] * n, autoreset_mode=mode)
        return broken(n, "Permutation", autoreset_mode=mode, size=4, assistant="oracle")

    with pytest.raises(AssertionError, match=message):
        check_vector_env(make)


@pytest.mark.parametrize("env_id", BASES)
def test_gymnasiums_wrappers_work(env_id, tmp_path):
    env = FlattenObservation(
        TimeLimit(RecordEpisodeStatistics(gym.make(env_id, assistant="oracle")), 5)
    )
    observation, info = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape
    _, reward, terminated, truncated, info = env.step(info["truth"])
    assert (reward, terminated, truncated) == (1, True, False)
    assert info["episode"]["r"] == 1
    assert info["episode"]["l"] == 1


def test_videos_can_be_recorded(tmp_path):
    pytest.importorskip("moviepy")
    env = RecordVideo(gym.make(BASES[0], render_mode="rgb_array"), str(tmp_path), lambda _: True)
    env.reset(seed=0)
    env.step(1)
    env.close()
    assert list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize("env_id", BASES)
def test_worker_processes_give_what_one_process_gives(env_id):
    def play(vec):
        vec.action_space.seed(0)
        observations, _ = vec.reset(seed=[3, 4])
        seen = [{key: value.copy() for key, value in observations.items()}]
        for _ in range(20):
            observations, *_ = vec.step(vec.action_space.sample())
            seen.append({key: value.copy() for key, value in observations.items()})
        vec.close()
        return seen

    makes = [partial(gym.make, f"ia_gym:{env_id}")] * 2
    for one, other in zip(play(SyncVectorEnv(makes)), play(AsyncVectorEnv(makes)), strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def golden(env_id):
    """Fingerprints of what an environment asks and of what is true, for one seed."""
    vec = gym.make_vec(env_id, 16, autoreset_mode=AutoresetMode.SAME_STEP, assistant="oracle")
    observations, infos = vec.reset(seed=2018)
    seen = {key: hashlib.sha256() for key in ("facts", "question", "truth", "depth")}
    for _ in range(40):
        for key, digest in seen.items():
            source = observations if key in observations else infos
            digest.update(np.ascontiguousarray(source[key], dtype="<i8").tobytes())
        observations, *_, infos = vec.step(np.full(16, IDK))
    return {key: digest.hexdigest()[:16] for key, digest in seen.items()}


@pytest.mark.parametrize(
    "env_id", [f"IA-{name}{size}-v0" for name in DOMAINS for size in ("", "-N64")]
)
def test_a_seed_gives_what_it_always_gave(env_id):
    """A change here changes everybody's numbers: raise the id's version, see CONTRIBUTING.md."""
    assert golden(env_id) == json.loads(GOLDEN.read_text())[env_id]


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("size", [8, 16])
def test_few_names_out_of_a_pool_of_64_have_its_spaces(name, size):
    few, all_of_them = (gym.make(f"IA-{name}-N{part}-v0") for part in (f"{size}of64", 64))
    assert few.observation_space == all_of_them.observation_space
    assert few.action_space == all_of_them.action_space
    domain, whole = few.unwrapped.domain, all_of_them.unwrapped.domain
    assert (domain.size, domain.max_size, domain.max_depth) == (size, 64, whole.max_depth)
    most, least = (
        (each.sample_contexts(np.random.default_rng(0), 50)["facts"][..., 0] != 0).sum(axis=1)
        for each in (domain, whole)
    )
    assert most.max() < least.min()


if __name__ == "__main__":
    ids = [f"IA-{name}{size}-v0" for name in DOMAINS for size in ("", "-N64")]
    GOLDEN.write_text(json.dumps({env_id: golden(env_id) for env_id in ids}, indent=1) + "\n")
