"""SB3 on gymnasium's vector environments, and the features extractor."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorWrapper
from gymnasium.wrappers import FlattenObservation, TimeLimit
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import CallbackList, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from ia_gym.agents import (
    AmplificationCallback,
    CurriculumCallback,
    FactsExtractor,
    GymnasiumVecEnv,
    PolicyAssistant,
    QuestionEvaluator,
    make_sb3_vec_env,
)
from ia_gym.agents.policies.facts_extractor import find_distinct_rows, read_pairs
from ia_gym.domains import Permutation
from ia_gym.networks.answer_network import FactsNetwork
from ia_gym.networks.optimizers import MuonAdamW

BASE = "IA-Permutation-v0"
POLICY = {"features_extractor_class": FactsExtractor}
SMALL = {**POLICY, "features_extractor_kwargs": {"width": 16, "heads": 2}}


def test_infos_rewards_and_terminal_observations():
    vec = make_sb3_vec_env(BASE, num_envs=3, trust=None)
    vec.seed(0)
    observations = vec.reset()
    infos = vec.reset_infos
    roles = set()
    for _ in range(40):
        actions = np.array([info["truth"] for info in infos])
        shown = [{key: value[i] for key, value in observations.items()} for i in range(3)]
        observations, rewards, dones, answered = vec.step(actions)
        assert dones.all()
        assert rewards.dtype == np.float32
        for i, info in enumerate(answered):
            assert info["truth"] == actions[i]
            assert info["TimeLimit.truncated"] is False
            for key, value in shown[i].items():
                np.testing.assert_array_equal(info["terminal_observation"][key], value)
            assert ("episode" in info) == (info["is_root"])
            if info["is_root"]:
                assert info["episode"]["r"] == rewards[i] == 1
                assert info["episode"]["l"] == 1
            roles.add(info["is_root"])
        infos = vec.reset_infos
    assert roles == {True, False}


def test_seeds_repeat():
    vec = make_sb3_vec_env(BASE, num_envs=3)
    first = [vec.seed(7), vec.reset()][1]
    other = vec.reset()
    again = [vec.seed(7), vec.reset()][1]
    np.testing.assert_array_equal(first["facts"], again["facts"])
    assert not np.array_equal(first["question"], other["question"])


def test_attributes_methods_and_masks():
    vec = make_sb3_vec_env(BASE, num_envs=3)
    vec.reset()
    assert vec.has_attr("action_masks")
    assert not vec.has_attr("colour")
    masks = vec.env_method("action_masks")
    assert [mask.shape for mask in masks] == [(9,)] * 3
    assert [mask.shape for mask in vec.env_method("action_masks", indices=[1])] == [(9,)]
    assert len(vec.get_attr("domain")) == 3
    vec.set_attr("note", "hello")
    assert vec.get_attr("note", indices=0) == ["hello"]
    with pytest.raises(ValueError, match="indices must name all environments"):
        vec.set_attr("note", "hello", indices=[0])
    assert vec.env_is_wrapped(gym.Wrapper) == [False] * 3
    vec.close()


@pytest.mark.parametrize("kind", ["native", "sync"])
def test_a_list_is_one_value_for_all_environments(kind):
    """As in SB3's own vector environments; gymnasium's would hand it out, one entry each."""
    vec = make_sb3_vec_env(BASE, num_envs=3)
    if kind == "sync":
        make = [lambda: gym.make(BASE)] * 3
        vec = GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))
    for value in ([1, 2, 3], (4, 5), [6]):
        vec.set_attr("note", value)
        assert vec.get_attr("note") == [value] * 3


@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_a_method_is_an_attribute_that_is_not_called(env_id):
    """``has_attr`` reads attributes; gymnasium's SyncVectorEnv calls those that are methods."""
    vec = make_sb3_vec_env(env_id, num_envs=2)
    assert vec.has_attr("set_assistant")
    assert not vec.has_attr("no_such_method")


def test_wrappers_are_found():
    make = [lambda: FlattenObservation(gym.make(BASE))] * 2
    vec = GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))
    assert vec.env_is_wrapped(FlattenObservation) == [True, True]
    assert vec.env_is_wrapped(TimeLimit, indices=0) == [False]


def test_a_method_is_an_attribute_like_any_other():
    """gymnasium's vectors of single environments call it."""
    make = [lambda: gym.make("IA-CartPole-v0")] * 2
    vec = GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))
    assert vec.has_attr("set_assistant")
    assert all(callable(each) for each in vec.get_attr("set_assistant"))


def make_sync(num_envs=3, **kwargs):
    make = [lambda: gym.make(BASE, **kwargs)] * num_envs
    return GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))


def test_separate_environments_are_reached_one_by_one():
    """gymnasium's ``call`` and ``set_attr`` always reach all."""
    vec = make_sync()
    vec.env_method("set_difficulty", 1, indices=[1])
    assert [engine.max_depth for engine in vec.get_attr("engine")] == [2, 1, 2]
    vec.set_attr("note", [1, 2], indices=2)
    assert vec.get_attr("note", indices=2) == [[1, 2]]
    with pytest.raises(AttributeError):
        vec.get_attr("note", indices=0)


def test_worker_processes_of_gymnasium_are_refused():
    """Callbacks would reach none of them alone: their counters came out as 0."""
    make = [lambda: gym.make(BASE)]
    venv = AsyncVectorEnv(make, context="fork", autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match=r"must not be an AsyncVectorEnv; .*SubprocVecEnv"):
        GymnasiumVecEnv(venv)
    venv.close()


@pytest.mark.parametrize("make", [lambda **kwargs: make_sb3_vec_env(BASE, 2, **kwargs), make_sync])
def test_without_a_mode_of_pictures_there_are_none(make):
    for render_mode in (None, "ansi"):
        vec = make(render_mode=render_mode)
        vec.reset()
        assert vec.get_images() == [None] * vec.num_envs


def test_vector_wrappers_hide_no_methods():
    inside = gym.make_vec(BASE, num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP)
    vec = GymnasiumVecEnv(VectorWrapper(inside))
    vec.reset()
    assert vec.get_attr("domain")[0].size == 8
    assert len(vec.env_method("action_masks")) == 2
    vec.set_attr("note", "hello")
    assert inside.unwrapped.note == "hello"


def test_sb3_evaluates_whole_episodes_of_root_questions_without_a_warning(recwarn):
    """The bridge fills what SB3's Monitor fills, so that it is taken for monitored."""
    vec = make_sb3_vec_env(BASE, num_envs=3, reward="truth")
    assert vec.env_is_wrapped(Monitor) == [True] * 3
    model = PPO("MultiInputPolicy", vec, policy_kwargs=SMALL, n_steps=4, batch_size=4)
    returns, lengths = evaluate_policy(
        model, vec, n_eval_episodes=20, return_episode_rewards=True, deterministic=True
    )
    assert set(returns) <= {0.0, 1.0}
    assert set(lengths) == {1}
    model.learn(24, EvalCallback(vec, n_eval_episodes=3, eval_freq=4, verbose=0))
    messages = [str(warning.message) for warning in recwarn]
    assert not [message for message in messages if "Monitor" in message]


def test_pictures_of_all_environments():
    vec = make_sb3_vec_env(BASE, num_envs=2, render_mode="rgb_array")
    vec.reset()
    assert vec.render().shape == (1200, 800, 3)  # tiled by SB3


def test_any_same_step_vector_env_is_bridged_and_others_refused():
    make = [lambda: gym.make("CartPole-v1", max_episode_steps=7)] * 2
    vec = GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))
    vec.seed(3)
    vec.reset()
    lengths = []
    for _ in range(60):
        _, _, dones, infos = vec.step(np.ones(2, int))
        assert all(("terminal_observation" in info) == done for info, done in zip(infos, dones))
        truncated = [info["TimeLimit.truncated"] for info, done in zip(infos, dones) if done]
        lengths += [info["episode"]["l"] for info in infos if "episode" in info]
        assert all(done == (length == 7) for done, length in zip(truncated, lengths[-2:]))
    assert max(lengths) == 7
    assert len(lengths) >= 16
    with pytest.raises(ValueError, match="venv must have autoreset_mode SAME_STEP"):
        GymnasiumVecEnv(SyncVectorEnv(make))


@pytest.mark.parametrize(
    ("algorithm", "arguments"),
    [
        (PPO, {"n_steps": 4, "batch_size": 8}),
        (A2C, {}),
        (DQN, {"learning_starts": 8, "buffer_size": 100}),
    ],
)
def test_sb3_agents_train_with_a_slow_copy_of_themselves(algorithm, arguments):
    vec = make_sb3_vec_env(BASE, num_envs=4, trust=None)
    model = algorithm("MultiInputPolicy", vec, policy_kwargs=SMALL, seed=0, **arguments)
    callback = AmplificationCallback(polyak_tau=0.5)
    model.learn(64, callback=CallbackList([callback, CurriculumCallback()]))
    engine = vec.venv.unwrapped.engine
    assert isinstance(engine.assistant, PolicyAssistant)
    assert engine.max_depth == 1
    assert engine.assistant.policy is callback.average.module
    assert engine.assistant.policy is not model.policy


def test_the_copy_is_renewed_at_intervals_and_kept_beside_the_model(tmp_path):
    vec = make_sb3_vec_env(BASE, num_envs=4)
    model = PPO("MultiInputPolicy", vec, policy_kwargs=SMALL, seed=0, n_steps=4, batch_size=8)
    path = tmp_path / "assistant.safetensors"
    kept = AmplificationCallback(polyak_tau=0.3333333333, path=path)
    model.learn(16 * 5, callback=kept)
    assert int(kept.average.n_averaged) == 5
    resumed = AmplificationCallback(polyak_tau=0.3333333333, path=path)
    resumed.init_callback(model)
    resumed.on_training_start({}, {})
    assistant = vec.venv.unwrapped.engine.assistant.policy
    for old, new in zip(kept.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(old, new)
    assert assistant is resumed.average.module
    snapshots = AmplificationCallback(polyak_tau=1, period=2)
    model.learn(16 * 5, callback=snapshots)
    assert int(snapshots.average.n_averaged) == 3
    other = PPO("MultiInputPolicy", vec, policy_kwargs={**SMALL, "net_arch": [3]})
    with pytest.raises(ValueError, match="path must hold the copy of such a policy"):
        other.learn(16, callback=AmplificationCallback(path=path))


@pytest.mark.parametrize("name", ["MaskablePPO", "QRDQN"])
def test_agents_of_sb3_contrib_train(name):
    """MaskablePPO never answers with what is not of the kind asked for, as assistant or agent."""
    contrib = pytest.importorskip("sb3_contrib")
    env_id = "IA-UnionFind-v0"
    vec = make_sb3_vec_env(env_id, num_envs=4)
    few = {"n_steps": 8, "batch_size": 8} if name == "MaskablePPO" else {"learning_starts": 8}
    model = getattr(contrib, name)("MultiInputPolicy", vec, policy_kwargs=SMALL, seed=0, **few)
    model.learn(64, callback=AmplificationCallback())
    held_out = QuestionEvaluator(env_id, 256)
    answers = PolicyAssistant(model, domain=held_out.domain).answer(
        held_out.contexts, held_out.questions
    )
    allowed = held_out.domain.answer_mask(held_out.questions)
    fitting = np.take_along_axis(allowed, answers[..., None], -1)
    assert fitting.all() == (name == "MaskablePPO")
    assert 0 <= held_out.evaluate(model)["eval/certainty"] <= 1


def test_sb3_agents_train_inline_in_worker_free_vectors():
    env = DummyVecEnv([lambda: gym.make(BASE, trust=None)] * 2)
    PPO("MultiInputPolicy", env, policy_kwargs=SMALL, n_steps=8, batch_size=8).learn(32)
    assert sum(env.get_attr("human_interactions")) > 0


def test_ppo_learns_from_approval_alone():
    """Permutations of 3 names, k in {2, 3}: the overseer can look all of it up."""
    vec = make_sb3_vec_env(BASE, num_envs=64, size=3, max_power=4)
    network = {"width": 32, "heads": 2, "fact_layers": 1, "question_layers": 1}
    policy = {**POLICY, "features_extractor_kwargs": network, "optimizer_class": MuonAdamW}
    model = PPO(
        "MultiInputPolicy", vec, policy_kwargs={**policy, "net_arch": [], "ortho_init": False},
        n_steps=8, batch_size=256, n_epochs=4, learning_rate=3e-3, ent_coef=0.1, gamma=0.0, seed=0,
    )  # fmt: skip
    model.learn(30_000, callback=AmplificationCallback())
    test = make_sb3_vec_env(BASE, num_envs=500, size=3, max_power=4, reward="truth")
    observations = test.reset()
    answers, _ = model.predict(observations, deterministic=True)
    assert test.step(answers)[1].mean() > 0.8  # x itself is right in two thirds


# ------------------------------------------------------------- features extractor


def draw_pairs(n_contexts, each, **options):
    domain = Permutation(6, 9)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, n_contexts)
    questions = domain.sample_questions(rng, contexts, each)
    order = rng.permutation(n_contexts * each)
    facts = contexts["facts"].reshape(n_contexts, -1).repeat(each, axis=0)[order]
    flat = questions.reshape(n_contexts * each, -1)[order]
    network = FactsNetwork(
        domain.n_symbols, domain.fact_shape, domain.question_length, 16, 2, **options
    )
    for parameter in network.parameters():  # blocks start as the identity: wake them up
        torch.nn.init.normal_(parameter, std=0.3)
    return domain, network, torch.as_tensor(facts), torch.as_tensor(flat)


def one_by_one(network, facts, questions):
    rows = facts.view(len(facts), *network.fact_shape)
    return torch.cat([network(f[None], q[None, None])[0] for f, q in zip(rows, questions)])


NETWORK_OPTIONS = [
    {},
    *({"relational": True, more: True} for more in ("relational", "meeting", "any_hop")),
]


@pytest.mark.parametrize("options", NETWORK_OPTIONS)
@pytest.mark.parametrize(("n_contexts", "each"), [(1, 1), (5, 1), (4, 6)])
def test_encoding_each_context_once_changes_nothing(n_contexts, each, options):
    _, network, facts, questions = draw_pairs(n_contexts, each, **options)
    expected = one_by_one(network, facts, questions)
    torch.testing.assert_close(read_pairs(network, facts, questions), expected)


def test_distinct_rows_are_found():
    rows = torch.tensor([[1, 2], [2, 1], [1, 2], [0, 0], [2, 1]])
    first, inverse = find_distinct_rows(rows)
    assert len(first) == 3
    torch.testing.assert_close(rows[first][inverse], rows)


@pytest.mark.parametrize("options", NETWORK_OPTIONS)
def test_the_order_of_the_facts_and_padding_do_not_matter(options):
    _, network, facts, questions = draw_pairs(4, 1, **options)
    expected = one_by_one(network, facts, questions)
    rows = facts.view(4, *network.fact_shape)
    shuffled = rows[:, torch.randperm(rows.shape[1])].reshape(4, -1)
    torch.testing.assert_close(one_by_one(network, shuffled, questions), expected)
    unpadded = FactsNetwork(
        network.embedding.num_embeddings, (6, 2), questions.shape[1], 16, 2, **options
    )
    unpadded.load_state_dict(network.state_dict())
    cut = rows[:, :6].reshape(4, -1)
    torch.testing.assert_close(one_by_one(unpadded, cut, questions), expected)


@pytest.mark.parametrize("relational", [False, True])
def test_the_cache_gives_what_a_fresh_encoding_gives(relational):
    """As rows change one by one, and as weights do, also in ways that autograd does not count."""
    env = make_sb3_vec_env(BASE, num_envs=8, questions_per_context=2)
    extractor = FactsExtractor(env.observation_space, 16, heads=2, relational=relational)
    for parameter in extractor.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    observations = env.reset()
    for step in range(12):
        tensors = {key: torch.as_tensor(value).float() for key, value in observations.items()}
        with torch.no_grad():
            cached = extractor(tensors)
        pairs = [tensors[key].long() for key in ("facts", "question")]
        torch.testing.assert_close(cached, read_pairs(extractor.network, *pairs))
        if step % 4 == 3:
            for parameter in extractor.parameters():
                parameter.data.mul_(0.9)
        observations, *_ = env.step(np.full(8, step % 9))


def test_a_foreign_observation_space_is_refused():
    with pytest.raises(ValueError, match="observation_space must be Dict"):
        FactsExtractor(gym.make("CartPole-v1").observation_space)


def test_normalized_symbols_are_refused():
    model = PPO("MultiInputPolicy", VecNormalize(make_sb3_vec_env(BASE, 4)), policy_kwargs=SMALL)
    with pytest.raises(ValueError, match=r"facts must hold symbols.*norm_obs=False"):
        model.learn(16)


def test_heads_must_divide_width():
    with pytest.raises(ValueError, match="heads must divide width"):
        FactsNetwork(5, (2, 2), 3, width=10, heads=4)


@pytest.mark.parametrize("name", ["meeting", "any_hop"])
def test_only_a_network_with_pointers_hops_or_meets(name):
    with pytest.raises(ValueError, match=f"{name} needs relational"):
        FactsNetwork(5, (2, 2), 3, **{name: True})


@pytest.mark.parametrize("sizes", [{"fact_layers": 0}, {"heads": 1}])
def test_pointers_need_heads_and_facts_to_hop_on(sizes):
    with pytest.raises(ValueError, match="relational needs fact_layers"):
        FactsNetwork(5, (2, 2), 3, relational=True, **sizes)
