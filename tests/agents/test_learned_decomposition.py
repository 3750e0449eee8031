"""Learning to decompose: what is rewarded, how far it drifts, and that it gets better."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from tiny_learners import SMALL, make_tiny_env, make_tiny_learner

from ia_gym.agents import LearnedDecomposition, QuestionEvaluator
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.decomposition_tree import count_questions, measure_tree
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Assignment, Permutation
from ia_gym.domains.transcript import IDK
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer

PREDICTOR = {"predictor_kwargs": {"width": 32, "heads": 2, "layers": 1}}
SHORT = {"n_demonstrations": 20, "pretraining_updates": 2, "n_rl_contexts": 2, **PREDICTOR}


def make_learner(**kwargs):
    return make_tiny_learner(LearnedDecomposition, make_tiny_env(overseer="novice"), **kwargs)


def ask_for_powers(domain, powers):
    """Contexts, and in each the question for a power of the name 1."""
    contexts = domain.sample_contexts(np.random.default_rng(0), len(powers))
    names = np.ones((len(powers), 1), int)
    return contexts, domain.make_questions(names, np.array(powers)[:, None])


# ------------------------------------------------------------------- sizes of trees


def count_halving_tree(power):
    """Questions below σ^power that are no lookups."""
    return 0 if power < 4 else 2 + 2 * count_halving_tree(power // 2)


@pytest.mark.parametrize("cls", [Permutation, Permutation.novice])
def test_trees_have_the_depths_and_sizes_of_a_closed_form(cls):
    domain, powers = cls(8, max_power=32), list(range(2, 32))
    contexts, questions = ask_for_powers(domain, powers)
    overseer, rng = ScriptedOverseer(domain), np.random.default_rng(0)
    depths, sizes = measure_tree(overseer, Oracle(domain), rng, contexts, questions)
    if cls is Permutation:
        assert depths[:, 0].tolist() == [k.bit_length() - 1 for k in powers]
        assert sizes[:, 0].tolist() == [count_halving_tree(k) for k in powers]
    else:
        assert depths[:, 0].tolist() == [k - 1 for k in powers]
        assert sizes[:, 0].tolist() == [k - 2 for k in powers]
    cut, _ = measure_tree(overseer, Oracle(domain), rng, contexts, questions, max_levels=3)
    assert cut.max() == 3


def test_questions_that_come_up_again_are_decomposed_once():
    """The same trees, question by question; in graphs most of their questions are repetitions."""
    domain, rng = Assignment.novice(8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 10)
    questions = domain.sample_questions(rng, contexts, 6)
    overseer = ScriptedOverseer(domain)
    depths, sizes = measure_tree(overseer, Oracle(domain), rng, contexts, questions)
    other = ScriptedOverseer(domain)

    def measure_below(context, question):
        transcript = amplify(other, Oracle(domain), rng, context, question[None, None])
        below = [
            measure_below(context, asked)
            for asked in transcript.questions[0, 0]
            if asked[0] and not domain.is_primitive(asked[None, None])[0, 0]
        ]
        return (
            1 + max((depth for depth, _ in below), default=0),
            sum(1 + size for _, size in below),
        )

    for place in np.ndindex(questions.shape[:2]):
        wanted = measure_below(contexts[place[0] : place[0] + 1], questions[place])
        assert (depths[place], sizes[place]) == wanted
    assert overseer.human_interactions <= 10 * 8 < other.human_interactions  # one a variable


def test_sub_questions_are_counted():
    domain, rng = Assignment.novice(8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 5)
    transcript = amplify(ScriptedOverseer(domain), Oracle(domain), rng, contexts, questions)
    counts = count_questions(domain, transcript)
    for place in np.ndindex(questions.shape[:2]):
        rows = transcript.questions[place]
        kinds = rows[:, 0] - domain.kind_symbol
        assert counts.questions[place] == (kinds == 0).sum()
        assert counts.lookups[place] == (kinds > 0).sum()
        ends = np.cumsum(domain.subquestions_per_round)
        rounds = sum(rows[a:b, 0].any() for a, b in zip([0, *ends[:-1]], ends))
        assert counts.rounds[place] == rounds


# ---------------------------------------------------------------------- what is drawn


def test_decompositions_are_drawn_with_the_probabilities_predicted():
    torch.manual_seed(0)
    domain = Permutation.novice(4, max_power=8)
    predictor = HumanPredictor(domain, 16, 2, 1)
    contexts, questions = ask_for_powers(domain, [5])
    many = np.repeat(questions, 4000, axis=1)
    for temperature in (1.0, 2.5):
        overseer = LearnedOverseer(domain, predictor, temperature=temperature, may_ask_root=False)
        transcript = amplify(overseer, Oracle(domain), np.random.default_rng(0), contexts, many)
        overseer.answer(contexts, many, transcript)
        rows, answers = overseer.drawn
        assert rows.shape == (1, 4000, 3, domain.question_length)
        first = torch.as_tensor(questions[0])
        nothing = torch.zeros(1, 3, domain.question_length, dtype=torch.long)
        predicted = predictor.predict_all(first, nothing, torch.zeros(1, 3, dtype=torch.long))
        expected = (predicted[0, 0] / temperature).softmax(-1).detach().numpy()
        for token in range(domain.question_length):
            seen = np.bincount(rows[0, :, 0, token], minlength=domain.n_symbols) / 4000
            np.testing.assert_allclose(seen, expected[token], atol=0.04)
        asked = transcript.questions[0]
        formed = domain.is_well_formed(rows[0]) & (rows[0] != questions[0, 0]).any(-1)
        np.testing.assert_array_equal(asked, rows[0] * formed[..., None])
        assert answers.shape == (1, 4000)
    with pytest.raises(ValueError, match="temperature must be"):
        LearnedOverseer(domain, predictor, temperature=-1.0)


# ----------------------------------------------------------------- what is rewarded


def test_the_judge_is_the_original_overseer_and_never_the_truth():
    """One level down to an agent that knows nothing yet, or six levels down to lookups."""
    shares = {}
    for levels in (1, 6):
        model = make_learner(judge_levels=levels, n_samples=2, **SHORT)
        domain = model.domain
        contexts, roots = ask_for_powers(domain, [2, 3, 4, 5, 6, 7] * 10)
        truth = domain.truth(contexts, roots)
        approvals = model.approve(contexts, roots, np.repeat(truth, 2, axis=1))
        assert (approvals[:, 0] == approvals[:, 1]).all()
        shares[levels] = approvals[:, 0].reshape(10, 6).mean(axis=0)
        assert not model.approve(contexts, roots, np.zeros((60, 2), int)).any()
        assert model.human_interactions >= 120
    assert (shares[6] == 1).all()
    assert shares[1][0] == 1  # σ^2 takes lookups alone
    assert shares[1][1:].mean() < 0.6


def test_agreement_is_the_share_of_the_others_with_the_same_answer():
    model = make_learner(judge="agreement", n_samples=5, **SHORT)
    contexts, roots = ask_for_powers(model.domain, [3, 5, 6])
    answers = np.random.default_rng(0).integers(0, 3, (3, 5))
    found = model.approve(contexts, roots, answers)
    for row, group in enumerate(answers.tolist()):
        for i, answer in enumerate(group):
            others = group[:i] + group[i + 1 :]
            share = sum(other == answer for other in others) / 4
            assert found[row, i] == (share if answer != IDK else 0)
    assert model.human_interactions == 0


def make_wildcard_learner(**kwargs):
    """Two wildcards at most: the judge's three questions lead to lookups within two levels."""
    env = gym.make("IA-Wildcard-v0", size=4, overseer="novice")
    arguments = {
        **{"n_contexts": 4, "n_questions": 8, "n_demonstrations": 200, "pretraining_updates": 80},
        **{"n_rl_contexts": 8, "n_rl_questions": 4, "n_samples": 8, "rl_learning_rate": 3e-3},
        **{"question_cost": 0.3, "round_cost": 0.0, "judge_levels": 2},
        **{"exploration_temperature": 1.5, "policy_kwargs": SMALL, "seed": 0, **PREDICTOR},
    }
    return LearnedDecomposition(env=env, **{**arguments, **kwargs})


def test_approval_improves_on_the_novice_within_the_limit_on_drift():
    """The agent knows nothing yet. The novice asks it; lookups would do for half of the sums."""
    evaluator = QuestionEvaluator("IA-Wildcard-v0", 128, size=4)
    model = make_wildcard_learner(drift_coef=0.003).learn(0)
    model.imitate_overseer()
    weights = [each.clone() for each in model.reference.parameters()]
    before, rewards = model.measure(evaluator), []
    assert before["human/same_questions"] > 0.95
    for _ in range(40):
        model.improve_decomposition()
        rewards.append(model.logger.name_to_value["decomposition/reward"])
    assert model.logger.name_to_value["decomposition/drift"] > 1
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 0.2
    after = model.measure(evaluator)
    assert after["human/questions"] < before["human/questions"] / 2
    for kept, each in zip(weights, model.reference.parameters()):
        assert torch.equal(kept, each)

    model = make_wildcard_learner(drift_coef=10.0).learn(0)
    model.imitate_overseer()
    for _ in range(15):
        model.improve_decomposition()
    assert model.logger.name_to_value["decomposition/drift"] < 0.3
    assert model.measure(evaluator)["human/same_questions"] > 0.9


@pytest.mark.parametrize(("rl_start", "may_ask"), [(1.0, True), (0.5, False)])
def test_only_who_imitates_alone_asks_the_question_itself(rl_start, may_ask):
    """As the script of ShortestPath does: what would the agent guess?"""
    sizes = {"n_demonstrations": 300, "pretraining_updates": 60, "rl_start": rl_start}
    arguments = {**sizes, "policy_kwargs": SMALL, "seed": 0, **PREDICTOR}
    env = gym.make("IA-ShortestPath-v0", size=4)
    model = LearnedDecomposition(env=env, n_contexts=4, n_questions=8, **arguments).learn(0)
    model.imitate_overseer()
    domain, rng = model.domain, np.random.default_rng(1)
    contexts = domain.sample_contexts(rng, 40)
    roots = domain.sample_questions(rng, contexts, 8)
    overseer = model.predictor_trainer.overseer
    asked = amplify(overseer, Oracle(domain), rng, contexts, roots, judging=False).questions
    itself = (asked == roots[:, :, None]).all(axis=-1).any()
    assert itself == may_ask


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_demonstrations": 0}, "n_demonstrations must be"),
        ({"rl_start": 2}, "rl_start must be"),
        ({"n_samples": 1}, "n_samples must be"),
        ({"exploration_temperature": 0}, "exploration_temperature must be"),
        ({"drift_coef": (1.0, -1.0)}, "drift_coef must be"),
        ({"max_drift": "0.1"}, "max_drift must be"),
        ({"judge": "truth"}, "judge must be one of"),
        ({"judge": "agreement", "judge_levels": 2}, "judge_levels must be left out"),
        ({"predictor_kwargs": {"first_interactions": 3}}, "predictor_kwargs must be some of width"),
    ],
)
def test_arguments_are_refused_by_name(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_learner(**kwargs)


def test_a_human_predictor_cannot_be_queried(tmp_path):
    domain = make_tiny_env().unwrapped.domain
    LearnedOverseer(domain, HumanPredictor(domain, 16, 2, 1)).save(tmp_path / "human.safetensors")
    env = make_tiny_env(overseer=tmp_path / "human.safetensors")
    with pytest.raises(ValueError, match="overseer of env must be one who can be queried"):
        make_tiny_learner(LearnedDecomposition, env)
