"""The environments: one engine, two faces."""

import copy
import pickle
import warnings
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import ia_gym  # noqa: F401  (registers the ids)
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.curriculum import Curriculum
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK
from ia_gym.envs import CurriculumVectorWrapper, CurriculumWrapper

BASES = [f"IA-{name}-v0" for name in DOMAINS]
LARGER = [f"IA-{name}-N{size}-v0" for name in DOMAINS for size in (16, 32, 64)]
BASE = BASES[0]
KWARGS = [
    {},
    {"trust": None},
    {"assistant": "oracle"},
    {"reward": "truth"},
    {"max_size": 70},
]


def make(env_id=BASE, **kwargs):
    return gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        *product(BASES, KWARGS),
        *product(LARGER, KWARGS[:1]),
        ("IA-UnionFind-v0", {"approval": "graded"}),
    ],
    ids=str,
)
def test_both_checkers_pass_without_a_warning(env_id, kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(env_id, render_mode="ansi", **kwargs).unwrapped)
        sb3_check_env(gym.make(env_id, **kwargs).unwrapped)


def test_sizes_of_the_registered_environments():
    assert [make(env_id).domain.size for env_id in BASES] == [8, 8, 8, 8, 10]
    assert [make(env_id).domain.size for env_id in LARGER] == [16, 32, 64] * 5


# ------------------------------------------------------------ what an episode is


def test_the_agent_is_asked_the_overseers_sub_questions():
    """With true answers: sub-questions first, in the overseer's order, then the root, approved."""
    env = make(trust=None)
    domain = env.domain
    _, info = env.reset(seed=0)
    subs = []
    for _ in range(300):
        question = env.engine.questions[0].copy()
        _, power = domain.parse_questions(question)
        role = info["is_root"]
        _, reward, terminated, truncated, info = env.step(info["truth"])
        assert terminated
        assert not truncated
        if not role:
            assert reward == 0
            assert info["approval"] == 0
            subs.append(int(power))
        else:
            assert reward == info["approval"] == 1
            assert info["target"] == info["truth"]
            assert subs == ([] if info["depth"] == 1 else [int(power) // 2] * 2)
            subs = []
        _, info = env.reset()
    assert env.human_interactions > 100
    assert env.assistant_answers > 100


def test_a_wrong_sub_answer_makes_the_target_wrong_but_not_idk():
    env = make(trust=None)
    env.set_difficulty(max_depth=2)
    _, info = env.reset(seed=0)
    while info["is_root"]:
        _, info = env.reset()
    wrong = info["truth"] % 8 + 1
    env.step(wrong)
    _, info = env.reset()
    assert not info["is_root"]
    assert env.engine.questions[0, 1] == wrong  # the next sub-question builds on it
    env.step(info["truth"])
    _, info = env.reset()
    target = env.step(info["truth"])[-1]["target"]
    assert target != IDK


def test_idk_earns_nothing():
    env = make(assistant="oracle")
    env.reset(seed=0)
    for _ in range(20):
        assert env.step(IDK)[1] == 0
        env.reset()


def test_wrong_answers_are_penalized_and_abstaining_is_free():
    vec = gym.make_vec(BASE, num_envs=300, assistant="oracle", wrong_answer_penalty=0.25)
    _, infos = vec.reset(seed=0)
    answers = infos["truth"].copy()
    answers[:100] = IDK
    answers[100:200] = 1 + answers[100:200] % 8
    rewards, infos = vec.step(answers)[1::3]
    np.testing.assert_array_equal(rewards, np.repeat([0, -0.25, 1], 100))
    np.testing.assert_array_equal(infos["final_info"]["approval"], np.repeat([0, 0, 1], 100))


class Liar:
    """Always wrong, and always in the same way."""

    def __init__(self, domain):
        self.domain = domain

    def answer(self, contexts, questions):
        return 1 + Oracle(self.domain).answer(contexts, questions) % self.domain.size


@pytest.mark.parametrize("audit", [0, 0.5, 1])
def test_an_audit_finds_wrong_sub_answers(audit):
    """k < 8: sub-answers that the overseer can find out with nothing but lookups."""
    vec = gym.make_vec(BASE, num_envs=2000, max_power=8, trust=None, audit=audit)
    vec.unwrapped.set_assistant(Liar(vec.unwrapped.domain))
    _, infos = vec.reset(seed=0)
    transcripts = vec.unwrapped.engine.transcripts
    right = vec.step(infos["truth"])[1].mean()
    base = vec.unwrapped.engine.roots[..., 0].size
    assert {0: right < 0.6, 0.5: 0.6 < right < 0.75, 1: right == 1}[audit]
    asked = vec.unwrapped.human_interactions
    assert asked == base if audit == 0 else asked > base
    assert transcripts.answers.min() >= 0


def test_a_context_serves_sixteen_root_questions():
    env = make(assistant="oracle")
    observation, _ = env.reset(seed=0)
    facts = [observation["facts"]]
    for _ in range(47):
        env.step(1)
        facts.append(env.reset()[0]["facts"])
    changes = [i for i in range(1, 48) if not np.array_equal(facts[i], facts[i - 1])]
    assert changes == [16, 32]


def test_without_trust_in_its_dependencies_a_question_earns_nothing():
    env = make()
    _, info = env.reset(seed=0)
    seen = []
    while not info["trusted"][1]:
        assert info["is_root"]  # no sub-question is asked
        _, reward, _, _, after = env.step(info["truth"])
        seen.append((info["depth"], reward))
        _, info = env.reset()
        assert after["approval"] == reward
    assert all(reward == (depth == 1) for depth, reward in seen)
    assert sum(depth == 1 for depth, _ in seen) == 256
    roles = set()
    for _ in range(60):
        roles.add(bool(info["is_root"]))
        env.step(info["truth"])
        _, info = env.reset()
    assert roles == {True, False}
    _, info = env.reset(seed=0)
    assert not info["trusted"][1:].any()  # a seed starts afresh


def test_reward_truth_asks_root_questions_only():
    env = make(reward="truth")
    _, info = env.reset(seed=0)
    for _ in range(50):
        assert info["is_root"]
        answer = info["truth"] if info["depth"] == 2 else info["truth"] % 8 + 1
        _, reward, _, _, after = env.step(answer)
        assert reward == (info["depth"] == 2)
        assert "approval" not in after
        _, info = env.reset()
    assert env.human_interactions == 0


def test_know_nothing_leaves_depth_one():
    env = make(assistant="none")
    _, info = env.reset(seed=0)
    for _ in range(50):
        _, reward, _, _, after = env.step(info["truth"])
        assert reward == (info["depth"] == 1)
        assert (after["target"] == IDK) == (info["depth"] > 1)
        _, info = env.reset()


@pytest.mark.parametrize("env_id", BASES)
@pytest.mark.parametrize("kwargs", [{"trust": None}, {"assistant": "oracle"}, {"reward": "truth"}])
def test_success_is_a_true_answer_to_a_root_question(env_id, kwargs):
    """Sub-questions have none: it would count as a failure."""
    env = make(env_id, **kwargs)
    rng = np.random.default_rng(0)
    _, info = env.reset(seed=0)
    assert "is_success" not in info
    seen = set()
    for _ in range(1200 if env_id == "IA-ShortestPath-v0" else 300):
        answers = np.arange(env.domain.n_answers)[None]
        questions = np.repeat(env.engine.questions[:, None], answers.size, axis=1)
        correct = env.domain.is_correct(env.engine.contexts, questions, answers)[0]
        given = rng.choice(np.flatnonzero(rng.choice([correct, info["action_mask"]])))
        right = correct[given]
        _, reward, _, _, after = env.step(given)
        if after["is_root"]:
            assert after["is_success"] == right
            assert after["is_success"].dtype == bool
            assert kwargs != {"reward": "truth"} or reward == right
            if env_id == "IA-ShortestPath-v0" and given != info["truth"]:
                seen.add(("another", right))  # a next step may be as good as another
        else:
            assert "is_success" not in after
        seen.add(bool(after["is_root"]))
        _, info = env.reset()
    assert seen >= ({True, False} if kwargs == {"trust": None} else {True})
    if env_id == "IA-ShortestPath-v0":
        assert seen >= {("another", True), ("another", False)}


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_vector_masks_the_success_of_sub_questions(mode):
    vec = gym.make_vec(BASE, num_envs=8, trust=None, autoreset_mode=mode).unwrapped
    rng = np.random.default_rng(0)
    _, infos = vec.reset(seed=0)
    roots = []
    for _ in range(30):
        truths, is_root = infos["truth"], infos["is_root"]
        given = np.where(rng.random(8) < 0.5, truths, 1)
        *_, infos = vec.step(given)
        after = infos["final_info"] if mode == AutoresetMode.SAME_STEP else infos
        np.testing.assert_array_equal(after["_is_success"], is_root)
        np.testing.assert_array_equal(after["is_success"], is_root & (given == truths))
        roots.append(is_root.mean())
        if mode == AutoresetMode.DISABLED:
            _, infos = vec.reset(options={"reset_mask": np.ones(8, bool)})
        elif mode == AutoresetMode.NEXT_STEP:
            *_, infos = vec.step(given)
            assert not infos["_is_success"].any()
    assert 0.2 < np.mean(roots) < 0.8


def test_truth_and_target_are_not_observed():
    space = gym.make(BASE).observation_space
    assert set(space) == {"facts", "question"}


@pytest.mark.parametrize("name", DOMAINS)
def test_rewards_do_not_depend_on_the_truth(name, monkeypatch):
    """An environment that cannot read the truth approves as before, inline and assisted."""
    truth = DOMAINS[name].truth

    def rewards(assistant):
        env = make(f"IA-{name}-v0")
        env.set_assistant(assistant)
        env.reset(seed=0)
        earned = []
        for _ in range(450):
            question = env.engine.questions[:, None]
            earned.append(env.step(truth(env.domain, env.engine.contexts, question)[0, 0])[1])
            env.reset()
        return earned

    class Ones:
        def answer(self, contexts, questions):
            return np.ones(questions.shape[:2], np.int64)

    expected = [rewards(None), rewards(Ones())]
    assert all(sum(earned) > 15 for earned in expected)
    monkeypatch.setattr(DOMAINS[name], "truth", lambda *args: np.zeros(args[2].shape[:2], np.int64))
    monkeypatch.setattr(DOMAINS[name], "is_correct", lambda *args: np.zeros(args[3].shape, bool))
    assert [rewards(None), rewards(Ones())] == expected


@pytest.mark.parametrize("env_id", BASES)
@pytest.mark.parametrize("assistant", ["inline", "oracle"])
def test_played_with_the_truth_every_root_question_is_approved_of(env_id, assistant):
    env = make(env_id, assistant=assistant, trust=None)
    _, info = env.reset(seed=0)
    roles = []
    for _ in range(400):
        roles.append(bool(info["is_root"]))
        _, reward, _, _, after = env.step(info["truth"])
        assert reward == after["approval"] == (info["is_root"])
        if info["is_root"]:
            case = env.engine.contexts, env.engine.questions[:, None], np.array([[after["target"]]])
            assert env.domain.is_correct(*case).all()
        _, info = env.reset()
    assert 50 < roles.count(True) < (400 if assistant == "inline" else 401)


@pytest.mark.parametrize("env_id", BASES)
def test_true_answers_earn_trust_in_every_class(env_id):
    vec = gym.make_vec(env_id, num_envs=1024).unwrapped
    vec.set_assistant(Oracle(vec.domain))
    _, infos = vec.reset(seed=0)
    for _ in range(400):
        infos = vec.step(infos["truth"])[-1]
        if infos["trusted"][0].all():
            break
    assert infos["trusted"].all()
    assert vec.step(infos["truth"])[1].mean() > 0.9  # some were put before all were trusted


@pytest.mark.parametrize("assistant", ["inline", "oracle"])
def test_reset_drops_a_root_question_and_repeats_a_sub_question(assistant):
    env = make(assistant=assistant, trust=None)
    before, info = env.reset(seed=0)
    for _ in range(60):
        after, next_info = env.reset()
        same = all(np.array_equal(before[key], after[key]) for key in before)
        if not info["is_root"]:
            assert same
            env.step(1)
            after, next_info = env.reset()
        before, info = after, next_info


def test_an_assistant_may_come_and_go():
    env = make(trust=None)
    _, info = env.reset(seed=0)
    while info["is_root"]:
        _, info = env.reset()
    env.set_assistant(Oracle(env.domain))
    subs = 0
    for _ in range(50):  # what was begun inline is finished inline
        subs += not info["is_root"]
        env.step(info["truth"])
        _, info = env.reset()
    assert subs == 2
    env.set_assistant(None)
    roles = set()
    for _ in range(100):
        env.step(info["truth"])
        _, info = env.reset()
        roles.add(bool(info["is_root"]))
    assert False in roles


# ------------------------------------------------------------------ determinism


def play(env, steps, seed):
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    record = [(observation, info)]
    for _ in range(steps):
        record.append(env.step(int(rng.integers(env.domain.n_answers))))
        record.append(env.reset())
    return record


@pytest.mark.parametrize("env_id", BASES)
@pytest.mark.parametrize("kwargs", [{}, {"trust": None}, {"assistant": "oracle"}], ids=str)
def test_equal_seeds_give_equal_trajectories(env_id, kwargs):
    once, again, other = (
        pickle.dumps(play(make(env_id, **kwargs), 100, seed)) for seed in (5, 5, 6)
    )
    assert once == again != other


@pytest.mark.parametrize("env_id", BASES)
@pytest.mark.parametrize("kwargs", [{}, {"trust": None}, {"assistant": "oracle"}], ids=str)
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_vector_of_one_equals_the_env(env_id, kwargs, mode):
    env, vec = make(env_id, **kwargs), gym.make_vec(env_id, 1, autoreset_mode=mode, **kwargs)
    rng = np.random.default_rng(0)
    single, info = env.reset(seed=3)
    batch, infos = vec.reset(seed=3)

    def same(single, batch, info, infos):
        for key, value in single.items():
            np.testing.assert_array_equal(value, batch[key][0])
        for key, value in info.items():
            np.testing.assert_array_equal(value, infos[key][0])
            assert infos[f"_{key}"].all()
        assert ("is_success" in info) == infos.get("_is_success", np.zeros(1)).all()

    same(single, batch, info, infos)
    for _ in range(120):
        action = int(rng.integers(env.domain.n_answers))
        answered, reward, terminated, truncated, info = env.step(action)
        batch, rewards, terminations, truncations, infos = vec.step(np.array([action]))
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        single, after = env.reset()
        if mode == AutoresetMode.SAME_STEP:
            same(
                answered,
                {k: v[None] for k, v in infos["final_obs"][0].items()},
                info,
                infos["final_info"],
            )
        else:
            same(answered, batch, info, infos)
            if mode == AutoresetMode.NEXT_STEP:
                batch, rewards, terminations, _, infos = vec.step(np.array([0]))
                assert (rewards[0], terminations[0]) == (0, False)
            else:
                batch, infos = vec.reset(options={"reset_mask": np.array([True])})
        same(single, batch, after, infos)


def test_disabled_autoreset_resets_only_the_masked_environments():
    vec = gym.make_vec(BASE, num_envs=3, autoreset_mode="Disabled", assistant="oracle")
    vec.reset(seed=0)
    answered = vec.step(np.ones(3, int))[0]
    mask = np.array([True, False, True])
    batch, _ = vec.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(batch["question"][1], answered["question"][1])
    with pytest.raises(ResetNeeded, match=r"environments \[1\] have ended"):
        vec.step(np.ones(3, int))
    vec.reset(options={"reset_mask": ~mask})
    vec.step(np.ones(3, int))


def test_next_step_autoreset_serves_environments_out_of_step():
    vec = gym.make_vec(BASE, num_envs=2, autoreset_mode="NextStep", assistant="oracle").unwrapped
    _, infos = vec.reset(seed=0)
    vec.step(infos["truth"])
    vec.reset(options={"reset_mask": np.array([True, False])})
    truths = vec.engine.truths.copy()
    _, rewards, terminated, _, infos = vec.step(truths)
    assert rewards.tolist() == [1, 0]
    assert terminated.tolist() == [True, False]
    assert infos["_target"].tolist() == [True, False]


def test_observations_are_fresh_arrays():
    vec = gym.make_vec(BASE, num_envs=4, assistant="oracle")
    first, _ = vec.reset(seed=0)
    kept = copy.deepcopy(first)
    for _ in range(20):
        vec.step(np.ones(4, int))
    for key in first:
        np.testing.assert_array_equal(first[key], kept[key])


def test_trust_is_shared_by_all_copies():
    vec = gym.make_vec(BASE, num_envs=256)
    _, infos = vec.reset(seed=0)
    for _ in range(8):
        infos = vec.step(infos["truth"])[-1]
    assert infos["trusted"][:, 1].all()


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": 1}, "size must be in"),
        ({"max_size": 4}, "size must be in 2..4, got 8"),
        ({"questions_per_context": 0}, "questions_per_context must be in"),
        ({"approval": "kind"}, "approval must be"),
        ({"reward": "money"}, "reward must be one of"),
        ({"assistant": "butler"}, "assistant must be one of"),
        ({"trust": 2}, "trust must be a number in"),
        ({"wrong_answer_penalty": -1}, "wrong_answer_penalty must be a number in .0, inf., got -1"),
        ({"audit": 1.5}, r"audit must be a number in \[0, 1\], got 1.5"),
        ({"render_mode": "hologram"}, "render_mode must be one of"),
        ({"domain": "Sudoku"}, "domain must be one of"),
        ({"domain": "UnionFind", "question_kinds": "V"}, "question_kinds must be some of"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    for build in (
        lambda: gym.make(BASE, disable_env_checker=True, **kwargs),
        lambda: gym.make_vec(BASE, num_envs=2, **kwargs),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_bad_vector_arguments_are_named():
    with pytest.raises(ValueError, match="autoreset_mode must be"):
        gym.make_vec(BASE, num_envs=2, autoreset_mode="sometimes")
    with pytest.raises(ValueError, match="num_envs must be in"):
        gym.make_vec(BASE, num_envs=0)
    vec = gym.make_vec(BASE, num_envs=2, assistant="oracle")
    vec.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask must be a bool array"):
        vec.reset(options={"reset_mask": np.ones(3, bool)})


@pytest.mark.parametrize("action", [-1, 9, 1.0, "1", None, [1], float("nan")])
def test_an_action_outside_the_space_is_refused_and_nothing_is_lost(action):
    env = make(assistant="oracle")
    _, info = env.reset(seed=0)
    with pytest.raises(ValueError, match="action must be"):
        env.step(action)
    assert env.step(info["truth"])[1] == 1


@pytest.mark.parametrize("actions", [[1, 9], [1], [[1, 1]], [0.5, 1]])
def test_actions_outside_the_vector_space_are_refused(actions):
    vec = gym.make_vec(BASE, num_envs=2)
    vec.reset(seed=0)
    with pytest.raises(ValueError, match="action must be"):
        vec.step(np.array(actions))


def test_stepping_before_reset_or_after_the_end():
    for env in (make(), gym.make_vec(BASE, num_envs=2).unwrapped):
        with pytest.raises(ResetNeeded, match="call reset"):
            env.step(np.ones(2, int))
    env = make()
    env.reset(seed=0)
    env.step(1)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(1)
    with pytest.raises(ResetNeeded, match="call reset"):
        make(render_mode="ansi").render()


def test_bad_assistants_and_difficulties_are_refused():
    env = make()
    with pytest.raises(ValueError, match="assistant must be None or have a method answer"):
        env.set_assistant("me")
    with pytest.raises(ValueError, match="max_depth must be in"):
        env.set_difficulty(max_depth=3)
    with pytest.raises(ValueError, match="size must be in"):
        env.set_difficulty(size=9)


# -------------------------------------------------------------- rendering, wrappers


def test_text_shows_the_sub_questions_and_the_approval(capsys):
    env = make(render_mode="ansi", assistant="oracle")
    _, info = env.reset(seed=0)
    while info["depth"] < 2:
        _, info = env.reset()
    assert "no answer yet" in env.render()
    env.step(info["truth"])
    text = env.render()
    assert "(answered)" in text
    assert f"answer {info['truth']} (truth {info['truth']}), approval 1.00, reward 1.00" in text
    human = make(render_mode="human")
    human.reset(seed=0)
    assert "no answer yet" in capsys.readouterr().out
    human.step(1)
    assert "answer 1" in capsys.readouterr().out


def test_pictures_have_the_size_gymnasium_expects():
    env = make(render_mode="rgb_array", trust=None)
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape == (600, 800, 3)
    assert picture.std() > 0
    frames = gym.make_vec(BASE, num_envs=2, render_mode="rgb_array")
    frames.reset(seed=0)
    assert [frame.shape for frame in frames.render()] == [(600, 800, 3)] * 2


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_a_curriculum_raises_the_depth_of_a_vector(mode):
    vec = gym.make_vec(BASE, num_envs=64, assistant="oracle", autoreset_mode=mode)
    curriculum = Curriculum(vec.unwrapped.domain, window=200)
    vec = CurriculumVectorWrapper(vec, curriculum)
    _, infos = vec.reset(seed=0)
    depths = []
    for _ in range(80):
        depths.append(infos["depth"].max())
        infos = vec.step(infos["truth"])[-1]
    assert depths[0] == 1
    assert depths[-1] == 2
    assert curriculum.finished


def test_a_curriculum_raises_the_depth_of_single_environments():
    curriculum = Curriculum(make().domain, window=50)
    envs = [CurriculumWrapper(make(assistant="oracle"), curriculum) for _ in range(2)]
    depths = [set(), set()]
    for _ in range(2):
        for env, seen in zip(envs, depths):
            _, info = env.reset(seed=0)
            for _ in range(60):
                seen.add(info["depth"])
                env.step(info["truth"])
                _, info = env.reset()
    assert depths == [{1, 2}, {1, 2}]


@pytest.mark.parametrize(
    ("env_id", "kwargs"), [*product(BASES, KWARGS), *product(LARGER[2::3], KWARGS[:1])], ids=str
)
def test_copies_continue_alike(env_id, kwargs):
    """By deepcopy and by pickle, while a question is open and after an answer; vectors too."""
    env, vec = make(env_id, **kwargs), gym.make_vec(env_id, num_envs=3, **kwargs)
    rng = np.random.default_rng(0)

    def play(one, answers):
        seen = []
        for answer in answers:
            seen.append(plain(one.step(answer)))
            if isinstance(one, gym.Env):
                seen.append(plain(one.reset()))
        return seen

    for one, shape in ((env, ()), (vec, (3,))):
        one.reset(seed=0)
        play(one, rng.integers(1, 3, (5, *shape)))
        if one is env:
            env.step(1)
            twins = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
            expected = plain(env.reset())
            assert [plain(twin.reset()) for twin in twins] == [expected] * 2
        twins = copy.deepcopy(one), pickle.loads(pickle.dumps(one))
        answers = rng.integers(1, 3, (15, *shape))
        expected = play(one, answers)
        assert [play(twin, answers) for twin in twins] == [expected] * 2


def plain(value):
    """Arrays as lists, however deep they stand."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    return value


def test_worker_processes_and_knowing_nothing():
    vec = gym.make_vec(
        BASE, num_envs=2, vectorization_mode="async", assistant="oracle", disable_env_checker=True
    )
    try:
        _, infos = vec.reset(seed=0)
        assert vec.step(infos["truth"])[1].tolist() == [1, 1]
        vec.call("set_assistant", KnowNothing())
    finally:
        vec.close()


# ------------------------------------------------------------------ looking ahead


@pytest.mark.parametrize("env_id", BASES)
@pytest.mark.parametrize("kwargs", [{}, {"assistant": "oracle"}, {"reward": "truth"}], ids=str)
def test_answers_judged_ahead_are_judged_as_those_that_are_not(env_id, kwargs, monkeypatch):
    """A single environment's tables hold what the overseer says of one answer at a time."""
    ahead, plain_one = make(env_id, **kwargs), make(env_id, **kwargs)
    engine = plain_one.engine
    monkeypatch.setattr(engine, "_judged", None, raising=False)
    monkeypatch.setattr(
        engine, "answer_one", lambda answer: engine.answer(engine.all_rows, np.array([answer]))[0]
    )
    rng = np.random.default_rng(1)
    for env in (ahead, plain_one):
        _, info = env.reset(seed=2)
    judged = 0
    for _ in range(150):
        judged += bool(ahead.engine._judged[ahead.engine.slots[0], ahead.engine.cursor[0]])
        answer = int(info["truth"] if rng.random() < 0.5 else rng.integers(env.domain.n_answers))
        assert plain(ahead.step(answer)) == plain(plain_one.step(answer))
        assert plain(ahead.reset()) == plain(plain_one.reset())
        info = {"truth": ahead.engine.truths[0]}
    assert judged > 50


@pytest.mark.parametrize("name", ["Permutation", "Assignment", "Wildcard"])
@pytest.mark.parametrize("trust", ["auto", None, 0.05])
def test_how_far_ahead_contexts_are_drawn_changes_nothing(name, trust, monkeypatch):
    """Where the overseer draws nothing at random, the questions are those drawn one by one."""
    far = play(make(f"IA-{name}-v0", trust=trust), 200, 3)
    monkeypatch.setattr("ia_gym.envs.questions.engine.CONTEXTS_AHEAD", 1)
    near = play(make(f"IA-{name}-v0", trust=trust), 200, 3)
    monkeypatch.setattr("ia_gym.envs.questions.engine.MAX_VERDICTS", 0)
    unjudged = play(make(f"IA-{name}-v0", trust=trust), 200, 3)
    assert plain(far) == plain(near) == plain(unjudged)


@pytest.mark.parametrize("env_id", BASES)
def test_the_overseer_goes_by_the_answers_given(env_id):
    """Sub-questions are opened ahead as if the answers were true, and anew where they are not."""
    env = make(env_id, trust=None)
    _, info = env.reset(seed=0)
    engine, domain, rng = env.engine, env.domain, np.random.default_rng(0)
    given, wrong = [], 0
    for _ in range(400):
        answer = int(info["truth"] if rng.random() < 0.6 else rng.integers(domain.n_answers))
        if info["is_root"]:
            transcript = engine.transcripts[engine.slots, engine.cursor][:, None]
            root = engine.questions[:, None]
            for round, slots in enumerate(domain.round_slots):
                asked = domain.ask(rng, round, engine.contexts, root, transcript)
                np.testing.assert_array_equal(asked, transcript.questions[:, :, slots])
            asked, said = transcript.questions[0, 0], transcript.answers[0, 0]
            awaited = (asked[:, 0] != 0) & ~domain.is_primitive(asked)
            assert given == [
                (row.tolist(), one) for row, one in zip(asked[awaited], said[awaited], strict=True)
            ]
            given = []
        else:
            given.append((engine.questions[0].tolist(), answer))
            wrong += answer != info["truth"]
        env.step(answer)
        _, info = env.reset()
    assert wrong > 50


def test_a_new_difficulty_holds_from_the_next_context_on():
    env = make(assistant="oracle")
    _, info = env.reset(seed=0)
    env.set_difficulty(max_depth=1, size=5)
    depths, sizes = [], []
    for _ in range(60):
        depths.append(int(info["depth"]))
        sizes.append(np.count_nonzero(env.engine.contexts["image"]))
        env.step(1)
        _, info = env.reset()
    assert set(depths[:16]) == {1, 2}
    assert set(depths[16:]) == {1}
    assert sizes == [8] * 16 + [5] * 44


def test_a_new_assistant_is_asked_from_the_next_question_on():
    """Sub-questions that were opened for the agent go to the assistant that is attached then."""
    env = make(trust=None)
    env.reset(seed=0)
    before = env.assistant_answers
    env.set_assistant(Oracle(env.domain))
    env.step(1)
    env.reset()
    assert env.assistant_answers > before
    roles = set()
    for _ in range(200):
        _, reward, _, _, info = env.step(env.engine.truths[0])
        roles.add(bool(info["is_root"]))
        assert not info["is_root"] or reward == 1
        env.reset()
    assert roles == {True}
