"""Debate and consultancy: what answers earn, what challengers learn, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from tiny_learners import SMALL, TINY, make_tiny_env, make_tiny_learner

from ia_gym.agents import Consultancy, Debate, QuestionEvaluator
from ia_gym.agents.learners.debate_challengers import DoubtfulChallenger, LearnedChallenger
from ia_gym.debate.rules import count_levels, debate, find_standing
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK

RELATIONAL = {"relational": True, "heads": 2, "width": 32, "polyak_tau": 0.1}


@pytest.mark.parametrize("cls", [Debate, pytest.param(Consultancy, marks=pytest.mark.slow)])
def test_debates_alone_teach_what_is_true(cls, monkeypatch):
    env = gym.make("IA-Wildcard-v0", size=4)
    batch = {"n_contexts": 16, "n_questions": 16, "learning_rate": 6e-3}
    more = {"challenger_kwargs": SMALL} if cls is Debate else {}
    model = cls(env=env, seed=0, policy_kwargs=RELATIONAL, **batch, **more)
    with monkeypatch.context() as patch:
        patch.setattr(DOMAINS["Wildcard"], "truth", None)
        model.learn(16_000)
    evaluator = QuestionEvaluator("IA-Wildcard-v0", 1024, size=4)
    result = evaluator.evaluate(model)
    assert result["eval/accuracy"] > 0.9
    assert result["judge/accuracy"] > 0.9
    assert result["judge/score_difference"] > 0.8
    assert model.human_interactions > model.num_timesteps  # one query a level
    assert model.verdicts > model.human_interactions  # all answers are argued for


CASES = [
    *[(name, {}) for name in DOMAINS],
    ("Permutation", {"overseer_failure": 0.3, "failure_kind": "hashed"}),
    ("Wildcard", {"overseer_failure": 0.3, "failure_kind": "hashed", "failure_at": "approval"}),
    ("Permutation", {"reward": "deception"}),
]


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_an_answer_earns_whether_it_stands_in_a_debate_of_its_own(name, kwargs, monkeypatch):
    """One path judges every answer; here each is debated alone, with the same claims and picks."""
    env = gym.make(f"IA-{name}-v0", size=5, **kwargs)
    few = {"n_contexts": 3, "n_questions": 6, "policy_kwargs": SMALL, "seed": 0}
    model = Debate(
        env=env, challenger="doubt", claim_temperature=0.0, exploration=0.0, **few
    ).learn(0)
    seen = {}
    monkeypatch.setattr("ia_gym.agents.learners.debate_learner.compute_gains", seen_by(seen))
    monkeypatch.setattr(model, "minimize", lambda loss: None)
    state = model.rng.bit_generator.state
    torch.nn.init.normal_(model.policy.average_network.head.weight)  # answers of all sorts
    model.train_step()
    domain, rng = model.domain, np.random.default_rng()
    rng.bit_generator.state = state
    contexts = domain.sample_contexts(rng, 3)
    questions = domain.sample_questions(rng, contexts, 6)
    assert seen["scores"].shape[2] == domain.n_answers - 1
    n_wins = 0
    for i, answer in enumerate(range(1, domain.n_answers)):
        parts = model.overseer, model.assistant, model.challenger_side
        given = np.full(questions.shape[:2], answer)
        levels = debate(*parts, rng, contexts, questions, given, count_levels(domain))
        stands = find_standing(levels)[0]
        if kwargs.get("reward") == "deception":  # true answers earn an adversary nothing
            stands &= ~domain.is_correct(contexts, questions, given)
        np.testing.assert_array_equal(seen["scores"][:, :6, i].numpy(), stands)
        n_wins += stands.sum()
    assert n_wins > 0


def seen_by(seen):
    """A policy gradient of nothing, that notes what is earned."""

    def compute_gains(log_p, answers, scores, is_sampled):
        seen["scores"] = scores
        return log_p.sum(dim=-1) * 0, scores.mean(dim=-1)

    return compute_gains


def test_a_challenger_learns_which_answers_fall():
    """Of two claims it then picks the one that falls more often."""
    domain, rng = DOMAINS["Permutation"](4), np.random.default_rng(0)
    torch.manual_seed(0)
    challenger = LearnedChallenger(domain, torch.device("cpu"), 1.0, **SMALL)
    for _ in range(60):
        contexts = domain.sample_contexts(rng, 8)
        questions = domain.sample_questions(rng, contexts, 8)
        answers = torch.as_tensor(rng.integers(1, 5, size=(8, 8, 2)))
        falls = (answers == 2).float()
        certain = torch.ones_like(falls)
        certain[..., 1], falls[..., 1] = 0, 0.5  # of these nothing is known
        loss = challenger.learn(contexts["facts"], questions, answers, falls, certain, 3e-3)
    assert loss < 0.1
    for answer, low, high in ((1, 0, 0.2), (2, 0.8, 1), (IDK, 1, 1)):
        scores = challenger.score(contexts, questions, np.full((8, 8), answer))
        assert low <= scores.min() <= scores.max() <= high


def test_doubt_is_one_less_the_probability_of_a_claim():
    model = make_tiny_learner(Debate, challenger="doubt").learn(64)
    assert isinstance(model.challenger_side, DoubtfulChallenger)
    evaluator = QuestionEvaluator("IA-Permutation-v0", 64, **TINY)
    answers = evaluator.truths
    scores = model.challenger_side.score(evaluator.contexts, evaluator.questions, answers)
    rows = torch.as_tensor(evaluator.contexts["facts"]), torch.as_tensor(evaluator.questions)
    with torch.no_grad():
        p = model.policy.average_network(*rows).softmax(dim=-1).numpy()
    likely = np.take_along_axis(p, answers[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(scores, 1 - likely, atol=1e-6)


def test_all_of_the_verdict_is_learning_from_approval():
    """With verdict_share=1 what becomes of claims does not matter."""
    scores = {}
    for share in (0.0, 0.5, 1.0):
        model = make_tiny_learner(Consultancy, verdict_share=share)
        with pytest.MonkeyPatch.context() as patch:
            seen = {}
            patch.setattr("ia_gym.agents.learners.debate_learner.compute_gains", seen_by(seen))
            model.learn(32)
        scores[share] = seen["scores"].numpy()
    assert set(np.unique(scores[0.0])) == set(np.unique(scores[1.0])) == {0, 1}
    np.testing.assert_allclose(scores[0.5], (scores[0.0] + scores[1.0]) / 2)
    assert scores[1.0].sum() > scores[0.0].sum()


def test_a_judge_says_the_same_twice_and_comes_with_the_file(tmp_path):
    model = make_tiny_learner(Debate, challenger_kwargs=SMALL).learn(320)
    evaluator = QuestionEvaluator("IA-Permutation-v0", 128, **TINY)
    case = evaluator.contexts, evaluator.questions, evaluator.truths
    verdicts = model.make_judge(0).judge(*case)
    np.testing.assert_array_equal(model.make_judge(0).judge(*case), verdicts)
    assert set(np.unique(verdicts)) <= {0.0, 1.0}
    for resumable in (True, False):
        model.save(tmp_path / "model", resumable=resumable)
        loaded = Debate.load(tmp_path / "model")
        assert loaded.make_judge(0) is None  # the domain is not known
        judge = loaded.make_debate_judge(evaluator.domain)
        np.testing.assert_array_equal(judge.judge(*case), verdicts)
        evaluator.evaluate(loaded)
        with pytest.raises(ValueError, match=r"^domain must have the symbols, .* got Wildcard"):
            loaded.make_debate_judge(DOMAINS["Wildcard"](8))
        loaded.set_env(make_tiny_env())
        np.testing.assert_array_equal(loaded.make_judge(0).judge(*case), verdicts)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (Debate, {"challenger": "oracle"}, r'^challenger must be "learned" or "doubt"'),
        (Debate, {"challenger_kwargs": 3}, "^challenger_kwargs must be None or a dict"),
        (
            Debate,
            {"challenger": "doubt", "challenger_kwargs": SMALL},
            "^challenger_kwargs has no effect",
        ),
        (Debate, {"challenger_kwargs": {"width": 0}}, "^width must be"),
        (Debate, {"exploration": 1.5}, "^exploration must be"),
        (Debate, {"verdict_share": -1}, "^verdict_share must be"),
        (Debate, {"claim_temperature": -1}, "^claim_temperature must be"),
        (Debate, {"depth_limit": 1}, r"^depth_limit must be .*2.*needs 2 levels"),
        (Consultancy, {"depth_limit": 0}, "^depth_limit must be"),
        (Consultancy, {"n_samples": 0}, "^n_samples must be"),
        (Consultancy, {"ent_coef": -0.1}, "^ent_coef must be"),
    ],
)
def test_bad_arguments_are_refused(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_tiny_learner(cls, **arguments)


def test_graded_approval_has_no_effect_on_debates():
    env = gym.make("IA-Wildcard-v0", size=4, approval="graded")
    with pytest.raises(ValueError, match=r"^approval of env has no effect on Debate"):
        make_tiny_learner(Debate, env)


@pytest.mark.parametrize("name", ["assistant_failure", "votes"])
def test_failures_that_have_no_effect_on_debates_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name} must be left out"):
        make_tiny_learner(Debate, make_tiny_env(**{name: {"votes": 3}.get(name, 0.1)}))


def test_a_judge_fails_in_training_and_not_in_evaluations():
    model = make_tiny_learner(Consultancy, make_tiny_env(overseer_failure=1.0)).learn(320)
    could, failed = model.failures["overseer"].sum(axis=1)
    assert could == failed == model.human_interactions
    evaluator = QuestionEvaluator("IA-Permutation-v0", 256, **TINY)
    assert model.measure(evaluator)["failures/overseer"] == 1
    truth = model.domain.truth(evaluator.contexts, evaluator.questions)
    judged = model.make_judge().judge(evaluator.contexts, evaluator.questions, truth)
    depths = model.domain.depth(evaluator.contexts, evaluator.questions)
    assert judged[depths == 1].all()  # a failing judge would let a fifth of them stand


@pytest.mark.parametrize("cls", [Debate, pytest.param(Consultancy, marks=pytest.mark.slow)])
def test_an_adversary_is_measured_by_its_false_answers_that_stand(cls):
    model = make_tiny_learner(cls, make_tiny_env(reward="deception"), ent_coef=0.0).learn(640)
    evaluator = QuestionEvaluator("IA-Permutation-v0", 512, **TINY)
    measured = model.measure(evaluator)
    asked = evaluator.contexts, evaluator.questions
    answers = model.predict(evaluator.observations, deterministic=True)[0]
    answers = answers.reshape(evaluator.questions.shape[:2])
    stand = model.make_judge(evaluator.seed).judge(*asked, answers)
    truth, depths = model.domain.truth(*asked), model.domain.depth(*asked)
    n_false = n_deceived = 0
    for cell in np.ndindex(answers.shape):
        if depths[cell] == 2 and answers[cell] not in (IDK, truth[cell]):
            n_false += 1
            n_deceived += stand[cell]
    assert measured["deception/deceived_depth_1"] == 0  # lookups settle all
    assert measured["deception/deceived_depth_2"] == n_deceived / (depths == 2).sum()
    assert measured["deception/accepted_depth_2"] == n_deceived / n_false
