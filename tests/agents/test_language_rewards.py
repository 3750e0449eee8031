"""Rewards and data sets for language models: what needs no package of theirs."""

import gymnasium as gym
import numpy as np
import pytest

from ia_gym.agents.language import ApprovalReward, FormatReward, QuestionDataset, TruthReward
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK
from ia_gym.envs.questions.numbered_questions import BLOCK, NumberedQuestions

SMALL = {"size": 4, "observation": "text"}


def make_questions(name="Permutation", **kwargs):
    return NumberedQuestions(f"IA-{name}-v0", **{**SMALL, **kwargs})


def make_batch(questions, numbers):
    """Ids of questions, their true answers in words, and their classes."""
    contexts, asked = questions.find(numbers)
    domain = questions.domain
    truths = domain.truth(contexts, asked[:, None])[:, 0]
    texts = [domain.answer_text(int(truth)) for truth in truths]
    ids = [questions.make_id(number) for number in numbers]
    return ids, texts, domain.classes(contexts, asked[:, None])[:, 0]


# -------------------------------------------------------------------------- questions


@pytest.mark.parametrize("name", DOMAINS)
def test_a_number_always_stands_for_the_same_question(name):
    numbers = [5, BLOCK + 3, 5, 10**9]
    first, again = make_questions(name), make_questions(name)
    again.find([123])
    for one, other in zip(first.find(numbers), again.find(numbers[::-1])):
        np.testing.assert_array_equal(one, other[::-1])
    assert first.describe(numbers) == [again.describe([number])[0] for number in numbers]
    contexts, asked = first.find(numbers)
    shown = first.encoding.encode(contexts["facts"], asked)
    assert first.describe(numbers) == list(shown)
    assert first.describe(range(50)) != make_questions(name, seed=1).describe(range(50))
    np.testing.assert_array_equal(first.read_ids([first.make_id(n) for n in numbers]), numbers)


def test_the_distribution_is_that_of_the_environment():
    questions = make_questions("Wildcard", size=8)
    contexts, asked = questions.find(range(4 * BLOCK))
    depths = np.bincount(questions.domain.depth(contexts, asked[:, None]).ravel())[1:]
    np.testing.assert_allclose(depths / depths.sum(), 1 / 3, atol=0.03)


def test_ids_of_other_questions_are_refused():
    questions = make_questions()
    for other in (
        make_questions("Wildcard"),
        make_questions(size=5),
        make_questions(seed=1),
        make_questions(max_power=8),
    ):
        with pytest.raises(ValueError, match="question_id must begin with 'Permutation-N4"):
            questions.read_ids([other.make_id(3)])
    for junk in (3, None, questions.make_id(3)[:-1], questions.make_id(3) + "x"):
        with pytest.raises(ValueError, match="question_id must begin with"):
            ApprovalReward(questions, KnowNothing())(["1"], [junk])


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="observation must be one of"):
        make_questions(observation="tokens")
    with pytest.raises(ValueError, match="seed must be in"):
        make_questions(seed=-1)
    with pytest.raises(ValueError, match="asks questions"):
        NumberedQuestions("IA-FrozenLake-v0")


# ---------------------------------------------------------------------------- rewards


@pytest.mark.parametrize("name", DOMAINS)
def test_with_the_oracle_approval_is_truth(name):
    """Of right answers, and of any others."""
    questions = make_questions(name, assistant="oracle")
    approval, truth = ApprovalReward(questions), TruthReward(questions)
    ids, texts, _ = make_batch(questions, range(200))
    assert approval(texts, ids) == truth(texts, ids) == [1.0] * 200
    rng = np.random.default_rng(0)
    others = [texts[i] for i in rng.permutation(200)]
    assert approval(others, ids) == truth(others, ids)
    assert 0 < sum(truth(others, ids)) < 200


def test_the_form_is_what_can_be_read_whether_true_or_not():
    questions = make_questions(assistant="oracle")
    texts = ["1", "the answer is <answer>2</answer>", "I don't know", "", "σ", "Ответ"]
    ids, *_ = make_batch(questions, range(len(texts)))
    assert FormatReward(questions)(texts, ids) == [1, 1, 1, 0, 0, 0]


def test_a_batch_is_asked_about_at_once_and_each_question_once():
    class Counting(Oracle):
        calls = questions = 0

        def answer(self, contexts, questions):
            self.calls += 1
            asked = (questions[..., 0] != 0) & ~self.domain.is_primitive(questions)
            self.questions += np.count_nonzero(asked)  # primitive ones may come along
            return super().answer(contexts, questions)

    questions = make_questions(trust=None, max_power=8)
    assistant = Counting(questions.domain)
    approval = ApprovalReward(questions, assistant)
    ids, texts, _ = make_batch(questions, range(32))
    rewards = approval(texts * 4, ids * 4)
    assert rewards == [1.0] * 128
    assert approval.overseer.human_interactions == 32
    assert assistant.calls == 2  # rounds with sub-questions for the assistant
    assert 0 < assistant.questions == approval.overseer.assistant_answers <= 2 * 32


def test_what_cannot_be_read_earns_nothing_and_costs_nothing():
    questions = make_questions(assistant="oracle", wrong_answer_penalty=0.5)
    approval = ApprovalReward(questions)
    (one,), (text,), _ = make_batch(questions, [0])
    wrong = "1" if text != "1" else "2"
    chat = [{"role": "assistant", "content": f"So <answer>{text}</answer>"}]
    empty = [{"role": "assistant", "content": None}]
    completions = [text, wrong, "", "三", "I don't know", chat, empty, []]
    logged = {}
    rewards = approval(completions, [one] * 8, log_metric=logged.__setitem__, prompts=["?"] * 8)
    assert rewards == [1.0, -0.5, 0, 0, 0, 1.0, 0, 0]
    assert logged == {"unparsed": 4 / 8, "idk": 5 / 8}
    assert approval.n_unparsed == 4


def test_the_gate_opens_from_the_bottom():
    questions = make_questions(max_power=8)
    domain = questions.domain
    approval = ApprovalReward(questions, Oracle(domain))
    ids, texts, classes = make_batch(questions, range(800))
    logged = {}
    rewards = np.array(approval(texts, ids, log_metric=logged.__setitem__))
    np.testing.assert_array_equal(rewards > 0, classes == 1)  # what rests on lookups alone
    assert approval.gate.trusted.tolist() == [True, True, False]
    assert logged["trusted_classes"] == 2
    assert approval(texts, ids) == [1.0] * 800
    assert approval.gate.trusted.all()
    bare = ApprovalReward(make_questions(max_power=8, trust=None), Oracle(domain))
    assert bare(texts, ids) == [1.0] * 800


def test_a_question_counts_once_however_often_it_is_answered():
    questions = make_questions(max_power=8)
    approval = ApprovalReward(questions, Oracle(questions.domain))
    ids, texts, classes = make_batch(questions, range(800))
    first = np.flatnonzero(classes == 1)[:100]
    for _ in range(2):  # 100 questions, four times each, half of the answers right
        approval([texts[i] for i in first] * 2 + ["idk"] * 200, [ids[i] for i in first] * 4)
    assert not approval.gate.trusted[1]
    assert approval.gate.averages.means[1] in (0, 0.5)


def test_rewards_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match='reward="approval", got reward="truth"'):
        ApprovalReward(make_questions(reward="truth"))
    with pytest.raises(ValueError, match="assistant must be given"):
        ApprovalReward(make_questions())
    with pytest.raises(ValueError, match="and for no others"):
        ApprovalReward(make_questions(assistant="none"), KnowNothing())
    with pytest.raises(ValueError, match="must have a method answer"):
        ApprovalReward(make_questions(), "oracle")
    approval = ApprovalReward(make_questions(), KnowNothing())
    with pytest.raises(ValueError, match="texts must be one for each"):
        approval(["1", "2"], [make_questions().make_id(0)])


# ------------------------------------------------------------- reasoning-gym's form


@pytest.mark.parametrize("name", DOMAINS)
def test_entries_hold_a_question_and_its_answer(name):
    data = QuestionDataset(f"IA-{name}-v0", size=60, seed=3)
    entries = list(data)
    assert len(entries) == len(data) == 60
    assert entries[7] == data[7] == QuestionDataset(f"IA-{name}-v0", 10, seed=3)[7]
    space = gym.make(f"IA-{name}-v0", observation="prompt").observation_space
    for entry in entries:
        assert entry["question"] in space
        assert data.score_answer(entry["answer"], entry) == 1
        assert data.score_answer(f"<answer>{entry['answer']}</answer>", entry) == 1
        assert entry["metadata"]["difficulty"]["depth"] >= 1
    scores = [data.score_answer(other["answer"], entries[0]) for other in entries]
    assert 0 < sum(scores) < 60


def test_several_right_answers_all_score():
    """Next vertices on a shortest path, found by trying all vertices."""
    data = QuestionDataset("IA-ShortestPath-v0", size=200, question_kinds=("S",))
    several = 0
    for entry in data:
        scores = [data.score_answer(str(vertex), entry) for vertex in range(1, 9)]
        if entry["answer"] != "inf":
            assert scores[int(entry["answer"]) - 1] == 1
        several += sum(scores) > 1
    assert several > 0


def test_answers_that_are_none_score_nothing():
    data = QuestionDataset("IA-Permutation-v0", n_names=5)
    assert data.domain.size == 5
    for answer in (None, "", 3, "idk", "五", "I cannot tell"):
        assert data.score_answer(answer, data[0]) == 0
    other = QuestionDataset("IA-Wildcard-v0")
    with pytest.raises(ValueError, match="question_id must begin with"):
        data.score_answer("1", other[0])
    with pytest.raises(IndexError, match=r"index must be in 0\.\.499, got 500"):
        data[500]
    with pytest.raises(ValueError, match="size must be in"):
        QuestionDataset("IA-Permutation-v0", size=0)
    assert IDK == 0
