"""Answers in text: the same questions and rewards as with symbols, and nothing that crashes."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK
from ia_gym.envs import TextActions, TextActionsVectorWrapper
from ia_gym.envs.questions.texts import ANSWER_FORMAT


@pytest.mark.parametrize("name", DOMAINS)
def test_an_environment_of_text_is_the_one_of_symbols(name):
    """Step by step, with answers right and wrong; the answers are written as the domain does."""
    kwargs = {"trust": None, "size": 5, "max_size": 9}
    plain = gym.make(f"IA-{name}-v0", **kwargs)
    worded = TextActions(gym.make(f"IA-{name}-v0", observation="prompt", **kwargs))
    domain = plain.unwrapped.domain
    rng = np.random.default_rng(0)
    plain.reset(seed=0)
    text, info = worded.reset(seed=0)
    for _ in range(40):
        assert text in worded.observation_space
        assert text.startswith(domain.rules_text())
        assert text.endswith(ANSWER_FORMAT)
        answer = rng.choice(np.flatnonzero(info["action_mask"]))
        sentence = f"It is <answer>{domain.answer_text(int(answer))}</answer>."
        assert sentence in worded.action_space or "σ" in sentence
        expected, result = plain.step(answer), worded.step(sentence)
        assert result[1:4] == expected[1:4]
        assert not result[4]["unparsed"]
        assert result[4]["approval"] == expected[4]["approval"]
        plain.reset()
        text, info = worded.reset()
    assert worded.n_unparsed == 0


def test_what_cannot_be_read_is_idk_and_counted():
    env = TextActions(gym.make("IA-Permutation-v0", assistant="oracle", wrong_answer_penalty=1.0))
    env.reset(seed=0)
    for i, text in enumerate(["", "no idea", "四", "x" * 10_000, "<answer>"]):
        _, reward, _, _, info = env.step(text)
        assert (reward, info["approval"], info["unparsed"]) == (0, 0, True)  # idk costs nothing
        assert env.n_unparsed == i + 1
        env.reset()
    assert not env.step("idk")[4]["unparsed"]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_vectors_in_every_autoreset_mode(mode):
    kwargs = {"assistant": "oracle", "autoreset_mode": mode}
    vec = TextActionsVectorWrapper(gym.make_vec("IA-Wildcard-v0", 3, observation="text", **kwargs))
    _, infos = vec.reset(seed=0)
    domain = vec.unwrapped.domain
    right = [domain.answer_text(int(truth)) for truth in infos["truth"]]
    _, rewards, terminated, _, infos = vec.step((right[0], "what?", f"<answer>{right[2]}"))
    final = infos["final_info"] if mode == AutoresetMode.SAME_STEP else infos
    np.testing.assert_array_equal(final["unparsed"], [False, True, False])
    np.testing.assert_array_equal(final["_unparsed"], terminated)
    np.testing.assert_array_equal(rewards, [1, 0, 1])
    if mode == AutoresetMode.NEXT_STEP:
        infos = vec.step(("what?",) * 3)[4]  # a reset: nothing is answered
        assert not infos["unparsed"].any()
    assert vec.n_unparsed == 1


def test_the_checker_passes_and_the_wrapper_is_in_the_spec():
    env = TextActions(gym.make("IA-UnionFind-v0", observation="text").unwrapped)
    with pytest.warns(UserWarning, match="different from the unwrapped version"):
        check_env(env, skip_render_check=True)
    again = gym.make(TextActions(gym.make("IA-UnionFind-v0"), max_length=9).spec)
    assert again.get_wrapper_attr("action_space").max_length == 9


def test_bad_input_is_refused_and_changes_nothing():
    env = TextActions(gym.make("IA-Permutation-v0", disable_env_checker=True).unwrapped)
    with pytest.raises(ResetNeeded):
        env.step("1")
    env.reset(seed=0)
    for action in (3, None, b"3", ["3"]):
        with pytest.raises(ValueError, match="actions must be texts"):
            env.step(action)
    env.step("3")  # the question is still to be answered
    vec = TextActionsVectorWrapper(gym.make_vec("IA-Permutation-v0", 2))
    vec.reset(seed=0)
    for actions in ("33", ("3",), ("3", 3)):
        with pytest.raises(ValueError, match=r"texts"):
            vec.step(actions)
    with pytest.raises(ValueError, match=r"env must be a question environment, got CartPoleEnv"):
        TextActions(gym.make("CartPole-v1"))
    with pytest.raises(ValueError, match="env must be a native vector"):
        TextActionsVectorWrapper(gym.make_vec("IA-Permutation-v0", 2, vectorization_mode="sync"))
    with pytest.raises(ValueError, match="max_length must be in"):
        TextActions(gym.make("IA-Permutation-v0"), max_length=0)
    assert env.unwrapped.domain.answer_text(IDK) == "idk"
