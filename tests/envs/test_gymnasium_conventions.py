"""What users of gymnasium and SB3 expect: masks, infos, wrappers, attributes, pictures, spaces."""

import copy
import pickle
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from gymnasium.wrappers.vector import DictInfoToList, FlattenObservation, RecordEpisodeStatistics

import ia_gym  # noqa: F401
from ia_gym.amplification.curriculum import Curriculum
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.envs import ActionApproval, CurriculumVectorWrapper, CurriculumWrapper
from ia_gym.envs.questions.spaces import FactsBox

BASE = "IA-Permutation-v0"
BASES = [f"IA-{name}-v0" for name in DOMAINS]
GAMES = ["IA-CartPole-v0", "IA-FrozenLake-v0", "IA-Freeway-v0"]


def make(env_id=BASE, **kwargs):
    return gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped


# ------------------------------------------------------------------ masks and infos


@pytest.mark.parametrize("env_id", BASES)
def test_masks_are_what_spaces_sample_with(env_id):
    env, vec = make(env_id), gym.make_vec(env_id, 3)
    _, info = env.reset(seed=0)
    assert info["action_mask"].dtype == np.int8
    assert env.action_masks().dtype == bool  # as sb3-contrib wants it
    np.testing.assert_array_equal(info["action_mask"], env.action_masks())
    for _ in range(20):
        assert info["action_mask"][env.action_space.sample(info["action_mask"])]
        _, info = env.reset()
    _, infos = vec.reset(seed=0)
    actions = vec.action_space.sample(mask=tuple(infos["action_mask"]))
    assert infos["action_mask"][np.arange(3), actions].all()
    assert vec.unwrapped.action_masks().dtype == bool


def test_masks_before_a_reset_and_masks_that_allow_nothing(monkeypatch):
    for env in (make(), gym.make_vec(BASE, 2).unwrapped):
        with pytest.raises(ResetNeeded, match=r"action_masks\(\) needs .* call reset\(\) first"):
            env.action_masks()
        monkeypatch.setattr(
            Permutation, "answer_mask", lambda self, rows: np.zeros((*rows.shape[:-1], 9), bool)
        )
        with pytest.raises(
            ValueError, match=r"answer_mask\(\) of Permutation must allow an answer"
        ):
            env.reset(seed=0)
        monkeypatch.undo()


def test_infos_hold_numbers_and_booleans():
    """Of NumPy's types; truth values are arrays, which SyncVectorEnv gathers in boolean ones."""
    _, info = make().reset(seed=0)
    kinds = {key: type(value) for key, value in info.items()}
    assert kinds["truth"] is kinds["depth"] is kinds["class"] is np.int64
    assert info["is_root"].shape == ()
    assert info["is_root"].dtype == bool
    _, infos = SyncVectorEnv([make, make]).reset(seed=0)
    assert infos["is_root"].dtype == bool
    _, infos = gym.make_vec(BASE, 2).reset(seed=0)
    assert all(value.dtype.kind in "bif" for value in infos.values())


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
@pytest.mark.parametrize(("shown", "flat"), [("tokens", "flat"), ("multidiscrete", "onehot")])
def test_gymnasium_flattens_encodings_into_others(shown, flat, mode):
    make = partial(gym.make_vec, BASE, 3, autoreset_mode=mode)
    vec, same = FlattenObservation(make(observation=shown)), make(observation=flat)
    assert vec.single_observation_space.shape == same.single_observation_space.shape
    assert np.array_equal(vec.reset(seed=0)[0], same.reset(seed=0)[0])
    for _ in range(20):
        answers = np.ones(3, np.int64)
        assert np.array_equal(vec.step(answers)[0], same.step(answers)[0])
        if mode == "Disabled":
            ended = {"reset_mask": np.ones(3, bool)}
            assert np.array_equal(vec.reset(options=ended)[0], same.reset(options=ended)[0])


@pytest.mark.parametrize("wrapper", ["NumpyToTorch", "ArrayConversion"])
@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_conversion_to_torch(env_id, mode, wrapper):
    pytest.importorskip("array_api_compat")
    import gymnasium.wrappers.vector as wrappers
    import torch

    to = {} if wrapper == "NumpyToTorch" else {"env_xp": np, "target_xp": torch}
    vec = getattr(wrappers, wrapper)(gym.make_vec(env_id, 2, autoreset_mode=mode), **to)
    plain = gym.make_vec(env_id, 2, autoreset_mode=mode)
    vec.reset(seed=0)
    plain.reset(seed=0)
    finals = 0
    for _ in range(25):
        observations, rewards, terminated, _, infos = vec.step(torch.ones(2, dtype=torch.int64))
        _, expected, *_, plain_infos = plain.step(np.ones(2, np.int64))
        assert isinstance(rewards, torch.Tensor)
        np.testing.assert_array_equal(rewards, expected)
        first = observations["facts"] if env_id == BASE else observations
        assert isinstance(first, torch.Tensor)
        for i in np.flatnonzero(terminated) if mode == "SameStep" else ():
            finals += 1
            one, other = infos["final_obs"][i], plain_infos["final_obs"][i]
            for key in other if isinstance(other, dict) else ():
                np.testing.assert_array_equal(one[key], other[key])
            assert isinstance(infos["final_info"]["_own_reward" if env_id != BASE else "truth"],
                              torch.Tensor)  # fmt: skip
    assert finals > 0 or mode == "NextStep"


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_infos_as_a_list(env_id, mode):
    vec = DictInfoToList(gym.make_vec(env_id, 2, autoreset_mode=mode))
    vec.reset(seed=0)
    for _ in range(12):
        infos = vec.step(np.ones(2, np.int64))[-1]
        assert len(infos) == 2


def test_every_episode_counts_in_gymnasiums_statistics():
    """Before gymnasium 1.4 nearly all of them were reported as 0 in this mode."""
    vec = RecordEpisodeStatistics(gym.make_vec(BASE, 16, assistant="oracle"), buffer_length=160)
    _, infos = vec.reset(seed=0)
    for _ in range(10):
        infos = vec.step(infos["truth"])[-1]
    assert np.sum(vec.return_queue) == 160


# ------------------------------------------------------------------ reward, approval


@pytest.mark.parametrize("mode", ["single", "NextStep"])
def test_text_shows_approval_and_reward_apart(mode):
    kwargs = {"assistant": "oracle", "wrong_answer_penalty": 0.25, "render_mode": "ansi"}
    env = make(**kwargs)
    if mode != "single":
        env = gym.make_vec(BASE, 1, autoreset_mode=mode, **kwargs).unwrapped

    def answer(answers):
        _, reward = env.step(answers if mode == "single" else np.array([answers]))[:2]
        text = env.render() if mode == "single" else env.render()[0]
        env.reset()
        return float(np.squeeze(reward)), text.splitlines()[-1]

    env.reset(seed=0)
    truth = int(env.engine.truths[0])
    reward, line = answer(truth % 8 + 1)
    assert reward == -0.25
    assert line.endswith("approval 0.00, reward -0.25")
    assert answer(0)[1].endswith("approval 0.00, reward 0.00")
    reward, line = answer(int(env.engine.truths[0]))
    assert line.endswith("approval 1.00, reward 1.00")


def test_without_an_overseer_text_shows_no_approval():
    env = make(reward="truth", render_mode="ansi")
    _, info = env.reset(seed=0)
    env.step(info["truth"])
    assert env.render().endswith(", reward 1.00")
    assert "approval" not in env.render()


# ------------------------------------------------------------------------- wrappers


def test_environments_with_wrappers_are_made_from_their_spec():
    env = gym.make(BASE)
    curriculum = Curriculum(env.unwrapped.domain, window=50)
    wrapped = CurriculumWrapper(env, curriculum)
    assert gym.make(wrapped.spec).curriculum is curriculum
    approving = ActionApproval(gym.make("CartPole-v1"), look_ahead=2)
    again = gym.make(approving.spec)
    assert again.overseer.look_ahead == 2
    assert again.overseer is not approving.overseer


def test_wrappers_name_what_they_cannot_go_around():
    cart_pole, carts = gym.make("CartPole-v1"), SyncVectorEnv([partial(gym.make, "CartPole-v1")])
    curriculum = Curriculum(make().domain)
    for build, message in (
        (lambda: CurriculumWrapper(cart_pole, curriculum), "env must be a question environment"),
        (lambda: CurriculumVectorWrapper(carts, curriculum), "env must be a question environment"),
        (lambda: CurriculumWrapper(make(reward="truth"), curriculum), 'env must be of reward="app'),
        (
            lambda: CurriculumVectorWrapper(gym.make_vec(BASE, 2, reward="truth"), curriculum),
            'env must be of reward="approval"',
        ),
        (
            lambda: CurriculumWrapper(make("IA-Wildcard-v0"), curriculum),
            "curriculum must be for Wildcard",
        ),
        (
            lambda: CurriculumVectorWrapper(gym.make_vec(BASE, 2, size=6), curriculum),
            r"curriculum must be for Permutation\(size=6",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_vectors_that_share_a_curriculum_all_follow_it():
    curriculum = Curriculum(make().domain, window=200)
    vecs = [
        CurriculumVectorWrapper(gym.make_vec(BASE, 64, assistant="oracle"), curriculum)
        for _ in range(2)
    ]
    _, infos = vecs[0].reset(seed=0)
    while not curriculum.finished:
        infos = vecs[0].step(infos["truth"])[-1]
    _, infos = vecs[1].reset(seed=0)
    deepest = [vecs[1].step(np.ones(64, np.int64))[-1]["depth"].max() for _ in range(40)]
    assert max(deepest) == 2


# ------------------------------------------------------------------------ attributes


@pytest.mark.parametrize("values", [7, [7, 7, 7], (7, 7, 7)])
def test_attributes_are_set_as_gymnasium_sets_them(values):
    for vec in (gym.make_vec(BASE, 3), gym.make_vec(BASE, 3, vectorization_mode="sync")):
        vec.set_attr("note", values)
        assert vec.get_attr("note") == (7, 7, 7)


def test_attributes_that_differ_or_are_too_few_are_refused():
    vec = gym.make_vec(BASE, 3)
    with pytest.raises(ValueError, match=r"values must be equal, .* for note"):
        vec.set_attr("note", [1, 2, 3])
    for other in (vec, gym.make_vec(BASE, 3, vectorization_mode="sync")):
        with pytest.raises(ValueError, match=r"(?i)values must be"):
            other.set_attr("note", [1, 2])
    vec.set_attr("note", [np.ones(2)] * 3)
    np.testing.assert_array_equal(vec.get_attr("note")[0], np.ones(2))


@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_methods_are_not_called_by_looking_for_them(env_id):
    vec = gym.make_vec(env_id, 2)
    assert [callable(found) for found in vec.get_attr("set_assistant")] == [True, True]
    assert len(vec.get_attr("human_interactions")) == 2
    with pytest.raises(AttributeError, match="colour"):
        vec.get_attr("colour")


# -------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("env_id", GAMES)
def test_games_are_drawn(env_id):
    if env_id != "IA-Freeway-v0":
        pytest.importorskip("pygame")
    plain = gym.make(env_id)
    env, vec = (
        gym.make(env_id, render_mode="rgb_array"),
        gym.make_vec(env_id, num_envs=2, render_mode="rgb_array"),
    )
    vec.reset(seed=0)
    np.testing.assert_array_equal(env.reset(seed=0)[0], plain.reset(seed=0)[0])
    for _ in range(3):  # copies are made of environments that have a picture
        frame = env.render()
        assert frame.dtype == np.uint8
        assert frame.shape[2] == 3
        assert [picture.shape for picture in vec.render()] == [frame.shape] * 2
        assert env.step(1)[1] == plain.step(1)[1]  # the picture changes nothing
        vec.step(np.ones(2, np.int64))
    env.close()
    vec.close()


# ---------------------------------------------------------------------------- spaces


def test_facts_are_equal_if_their_rows_are():
    space = FactsBox(9, 6, 4)
    assert space == FactsBox(9, 6, 4)
    for other in (FactsBox(9, 8, 3), FactsBox(8, 6, 4), FactsBox(9, 5, 4), batch_space(space, 2)):
        assert space != other
        assert other != space
    plain = gym.spaces.Box(0, 9, (24,), np.uint8)
    assert space != plain
    assert plain != space
    for twin in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space), eval(repr(space))):
        assert twin == space
    batched = batch_space(space, 2)
    assert batched == gym.spaces.Box(0, 9, (2, 24), np.uint8)
    rows = [space.sample(), space.sample()]
    joined = concatenate(space, rows, create_empty_array(space, 2))
    np.testing.assert_array_equal(joined, rows)
    one, other = make().observation_space, make(size=8, max_size=8).observation_space
    assert one == other != make(max_size=9).observation_space


@pytest.mark.parametrize("env_id", GAMES[:2])
def test_gymnasiums_checker_passes_with_pictures(env_id):
    pytest.importorskip("pygame")
    check_env(gym.make(env_id, render_mode="rgb_array"))


def test_vectors_of_gymnasium_with_spaces_of_their_own():
    vec = gym.make_vec(
        BASE,
        num_envs=2,
        vectorization_mode="sync",
        vector_kwargs={"observation_mode": "different"},
    )
    observation, _ = vec.reset(seed=0)
    assert observation in vec.observation_space
