"""What holds in every domain. The truth of each is checked in a file of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from recursive_assistant import RecursiveAssistant

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.amplification.trust import TrustGate
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK, Transcript

ALL = pytest.mark.parametrize("cls", DOMAINS.values(), ids=DOMAINS)
RECURSIVE = ["Permutation", "Assignment", "Wildcard"]


@st.composite
def domains(draw, names=tuple(DOMAINS)):
    max_size = draw(st.integers(2, 40))
    size = draw(st.integers(2, max_size))
    return DOMAINS[draw(st.sampled_from(names))](size, max_size)


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=80, deadline=None)
@given(domains(), seeds)
def test_tokens_are_in_the_vocabulary_and_facts_of_the_size_asked_for(domain, seed):
    rng = np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, 4)
    facts = contexts["facts"]
    assert facts.shape == (4, *domain.fact_shape)
    assert facts.min() >= 0
    assert facts.max() < domain.n_symbols
    assert not facts[facts[..., 0] == 0].any()  # a row that starts with 0 is padding
    questions = domain.sample_questions(rng, contexts, 16)
    assert questions.shape == (4, 16, domain.question_length)
    assert questions.min() >= 0
    assert questions.max() < domain.n_symbols
    assert (questions[..., 0] != 0).all()
    assert not domain.is_primitive(questions).any()
    truth = domain.truth(contexts, questions)
    assert truth.min() > IDK
    assert truth.max() < domain.n_answers
    assert np.take_along_axis(domain.answer_mask(questions), truth[..., None], axis=-1).all()
    assert domain.is_correct(contexts, questions, truth).all()
    depth = domain.depth(contexts, questions)
    assert depth.min() >= 1
    assert depth.max() <= domain.max_depth


@settings(max_examples=80, deadline=None)
@given(domains(), seeds)
def test_with_the_oracle_the_overseer_is_right_and_approves_of_right_answers(domain, seed):
    rng = np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, 4)
    questions = domain.sample_questions(rng, contexts, 16)
    overseer = ScriptedOverseer(domain)
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
    answers = overseer.answer(contexts, questions, transcript)
    assert domain.is_correct(contexts, questions, answers).all()
    for answer in range(domain.n_answers):
        given_ = np.full(answers.shape, answer)
        approval = overseer.judge(contexts, questions, transcript, given_)
        np.testing.assert_array_equal(approval, domain.is_correct(contexts, questions, given_))


@settings(max_examples=60, deadline=None)
@given(domains(RECURSIVE), seeds)
def test_decomposition_down_to_primitive_questions_gives_the_truth(domain, seed):
    rng = np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, 2)
    questions = domain.sample_questions(rng, contexts, 6)
    overseer = ScriptedOverseer(domain)
    itself = RecursiveAssistant(overseer, rng)
    answers = itself.answer(contexts, questions)
    np.testing.assert_array_equal(answers, domain.truth(contexts, questions))


@ALL
@pytest.mark.parametrize("n_triples", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_strict_approval_with_the_oracle_is_correctness_on_many_triples(cls, n_triples):
    domain = cls(12, 16)
    rng = np.random.default_rng(0)
    overseer = ScriptedOverseer(domain)
    triples = 0
    while triples < n_triples:
        contexts = domain.sample_contexts(rng, 512)
        questions = domain.sample_questions(rng, contexts, 64)
        transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
        truth = domain.truth(contexts, questions)
        near = np.roll(truth, 1, axis=1)  # of another question: wrong, and yet likely
        guesses = rng.integers(0, domain.n_answers, truth.shape)
        answers = np.choose(rng.integers(3, size=truth.shape), [truth, near, guesses])
        approval = overseer.judge(contexts, questions, transcript, answers)
        np.testing.assert_array_equal(approval, domain.is_correct(contexts, questions, answers))
        assert not approval[answers == IDK].any()
        assert 0.3 < approval.mean() < 0.9
        triples += answers.size


@ALL
def test_graded_approval_is_one_for_the_right_answer_and_falls_with_the_error(cls):
    domain = cls(16)
    rng = np.random.default_rng(0)
    overseer = ScriptedOverseer(domain, "graded")
    contexts = domain.sample_contexts(rng, 64)
    questions = domain.sample_questions(rng, contexts, 32)
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
    grades = set()
    for answer in range(domain.n_answers):
        answers = np.full(questions.shape[:2], answer)
        approval = overseer.judge(contexts, questions, transcript, answers)
        np.testing.assert_array_equal(
            approval == 1, domain.is_correct(contexts, questions, answers)
        )
        grades |= set(np.unique(approval))
    if cls.name in ("Permutation", "Assignment"):
        assert grades == {0, 1}
    else:
        assert {0, 0.25, 0.5, 1} <= grades


@ALL
def test_equal_seeds_give_equal_contexts_questions_and_transcripts(cls):
    def play(seed):
        domain, rng = cls(10, 12), np.random.default_rng(seed)
        batch = sample_batch(ScriptedOverseer(domain), Oracle(domain), rng, 5, 7)
        parts = batch.contexts, batch.questions, batch.transcript.questions, batch.targets
        return [part.tobytes() for part in parts]

    assert play(1) == play(1)
    assert play(1) != play(2)


@ALL
def test_questions_of_chosen_depths_and_contexts_of_chosen_size(cls):
    domain = cls(16)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 50, size=9)
    questions = domain.sample_questions(rng, contexts, 20, depths=[1, 2])
    assert set(np.unique(domain.depth(contexts, questions))) == {1, 2}
    assert (domain.truth(contexts, questions) != IDK).all()
    rows = (contexts["facts"][..., 0] != 0).sum(axis=1)
    full = (domain.sample_contexts(rng, 50)["facts"][..., 0] != 0).sum(axis=1)
    assert rows.mean() < full.mean()


@ALL
@pytest.mark.parametrize("depths", [[], [0], [1, 99]])
def test_bad_depths_are_refused(cls, depths):
    domain = cls(8)
    contexts = domain.sample_contexts(np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match=rf"depths must be some of 1\.\.{domain.max_depth}"):
        domain.sample_questions(np.random.default_rng(0), contexts, 1, depths)


@pytest.mark.parametrize("name", ["Assignment", "ShortestPath", "UnionFind"])
def test_depths_that_do_not_occur_are_refused(name):
    domain = DOMAINS[name](8)
    contexts = domain.sample_contexts(np.random.default_rng(0), 100)
    with pytest.raises(ValueError, match=r"depths must occur in every context, but context \d+"):
        domain.sample_questions(np.random.default_rng(0), contexts, 1, [domain.max_depth - 1])


@ALL
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"size": 1}, "size"),
        ({"size": 9, "max_size": 8}, "size"),
        ({"size": 2.5}, "size"),
        ({"size": True}, "size"),
        ({"size": "8"}, "size"),
        ({"size": 4, "max_size": 10**6}, "max_size"),
    ],
)
def test_bad_sizes_are_named(cls, arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be .*got"):
        cls(**arguments)


@ALL
def test_a_context_size_out_of_range_is_refused(cls):
    with pytest.raises(ValueError, match=r"size must be in 2\.\.8, got 9"):
        cls(8).sample_contexts(np.random.default_rng(0), 1, size=9)


@ALL
@pytest.mark.parametrize("size", [128, 256])
def test_large_sizes_run(cls, size):
    domain, rng = cls(size), np.random.default_rng(0)
    batch = sample_batch(ScriptedOverseer(domain), Oracle(domain), rng, 2, 8)
    assert domain.is_correct(batch.contexts, batch.questions, batch.targets).all()


# ------------------------------------------------------------- asking and classes


@ALL
def test_a_transcript_holds_only_what_was_asked(cls):
    domain, rng = cls(12), np.random.default_rng(0)
    overseer = ScriptedOverseer(domain)
    contexts = domain.sample_contexts(rng, 30)
    questions = domain.sample_questions(rng, contexts, 10)
    for assistant in (Oracle(domain), KnowNothing()):
        transcript = amplify(overseer, assistant, rng, contexts, questions)
        empty = transcript.questions[..., 0] == 0
        assert not transcript.questions[empty].any()
        assert not transcript.answers[empty].any()
        kinds = transcript.questions[~empty][:, 0]
        assert kinds.min() >= domain.kind_symbol
        assert kinds.max() < domain.n_symbols


@ALL
def test_what_the_judge_alone_needs_is_left_out_for_an_answer(cls):
    domain = cls(12)
    contexts = domain.sample_contexts(np.random.default_rng(0), 30)
    questions = domain.sample_questions(np.random.default_rng(1), contexts, 10)

    def ask(judging):
        overseer, rng = ScriptedOverseer(domain), np.random.default_rng(2)
        return amplify(overseer, Oracle(domain), rng, contexts, questions, judging=judging)

    n = sum(domain.subquestions_per_round)
    assert ask(judging=False).questions.shape[2] == n
    np.testing.assert_array_equal(ask(True).questions[..., :n, :], ask(False).questions)


@ALL
def test_rows_of_zeros_have_no_sub_questions(cls):
    domain, rng = cls(8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    questions = np.zeros((1, 3, domain.question_length), np.int64)
    transcript = Transcript.empty((1, 3), domain.n_slots, domain.question_length)
    for round in range(len(domain.round_slots)):
        assert not domain.ask(rng, round, contexts, questions, transcript).any()


@ALL
def test_without_help_the_overseer_answers_what_it_can_look_up(cls):
    domain, rng = cls(8), np.random.default_rng(0)
    batch = sample_batch(ScriptedOverseer(domain), KnowNothing(), rng, 50, 20)
    correct = domain.is_correct(batch.contexts, batch.questions, batch.targets)
    assert correct[batch.depths == 1].all()
    if cls.name in RECURSIVE:
        assert not correct[batch.depths > 1].any()


@ALL
def test_rare_classes_are_merged_into_the_one_below(cls):
    domain, rng = cls(16), np.random.default_rng(5)
    contexts = domain.sample_contexts(rng, 400)
    questions = domain.sample_questions(rng, contexts, 50)
    classes = domain.classes(contexts, questions)
    kinds, depths = domain.kind(questions), domain.depth(contexts, questions)
    np.testing.assert_array_equal(classes, 1 + kinds * domain.max_depth + depths - 1)
    shares = np.bincount(classes.ravel(), minlength=domain.n_classes) / classes.size
    names = [domain.class_name(c) for c in np.unique(domain.merged_into)]
    assert len(set(names)) == len(names)
    for c in range(1, domain.n_classes):
        leader = domain.merged_into[c]
        assert (leader - 1) // domain.max_depth == (c - 1) // domain.max_depth  # of one kind
        assert domain.merged_into[leader] == leader <= c
        if leader == c:
            assert shares[c] > 0.005 or (c - 1) % domain.max_depth == 0
        else:
            assert shares[c] < 0.015


@ALL
def test_trust_can_climb_to_the_top(cls):
    """Whoever is right is trusted with everything in the end: nothing depends on itself."""
    domain = cls(16)
    assert not domain.depends_on.diagonal().any()
    gate = TrustGate(domain.depends_on, domain.merged_into, window=4)
    for _ in range(domain.n_classes):
        asked = np.unique(domain.merged_into)
        asked = np.repeat(asked[gate.open[asked]], 4)
        gate.record(asked, np.ones(len(asked)))
    assert gate.trusted.all()


@ALL
def test_answers_depend_on_the_classes_that_the_domain_states(cls):
    """Trusting only that, the overseer answers every question of the class correctly."""
    domain, rng = cls(10), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 200)
    questions = domain.sample_questions(rng, contexts, 40)
    classes = domain.classes(contexts, questions)
    overseer = ScriptedOverseer(domain)
    for c in np.unique(classes):
        trusted = domain.depends_on[c].copy()
        trusted[0] = True
        mine = questions * (classes == c)[..., None]
        transcript = amplify(overseer, Oracle(domain), rng, contexts, mine, trusted=trusted)
        truth = domain.truth(contexts, questions)
        approval = overseer.judge(contexts, mine, transcript, truth)
        assert approval[classes == c].all(), domain.class_name(c)


@ALL
def test_sub_questions_of_classes_without_trust_are_not_asked(cls):
    domain, rng = cls(12), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 100)
    questions = domain.sample_questions(rng, contexts, 20)
    trusted = np.zeros(domain.n_classes, bool)
    trusted[0] = True
    trusted[1 :: domain.max_depth] = True
    overseer = ScriptedOverseer(domain)
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions, trusted=trusted)
    flat = transcript.questions.reshape(100, -1, domain.question_length)
    asked = (flat[..., 0] != 0) & ~domain.is_primitive(flat)
    assert asked.any()
    assert (domain.depth(contexts, flat)[asked] == 1).all()


def is_question(domain, row):
    """Whether a row of tokens is a question, by the domain's own account of its symbols."""
    kind, *rest = (int(token) for token in row)
    named = 1 <= rest[0] <= domain.max_size
    if domain.name == "Permutation":
        bits = (domain.bit_symbol, domain.bit_symbol + 1)
        return kind == domain.kind_symbol and named and all(token in bits for token in rest[1:])
    if domain.name == "Wildcard":
        tokens = range(domain.bit_symbol, domain.bit_symbol + 3)
        return kind == domain.kind_symbol and all(token in tokens for token in rest)
    if domain.name == "Assignment":  # any two values or variables; b may be left out
        symbols = range(1, domain.kind_symbol)
        return kind >= domain.kind_symbol and rest[0] in symbols and rest[1] < domain.kind_symbol
    return kind >= domain.kind_symbol and named and 0 <= rest[1] <= domain.max_size


@ALL
def test_well_formed_questions_are_distinguished_from_other_rows(cls):
    """All sub-questions, and each with one token exchanged for every other symbol."""
    domain, rng = cls(5, 7), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 4)
    questions = domain.sample_questions(rng, contexts, 10)
    transcript = amplify(ScriptedOverseer(domain), Oracle(domain), rng, contexts, questions)
    asked = np.concatenate([questions[..., None, :], transcript.questions], axis=2)
    asked = np.unique(asked.reshape(-1, domain.question_length), axis=0)
    formed = domain.is_well_formed(asked)
    np.testing.assert_array_equal(formed, asked[:, 0] != 0)
    rows = [asked]
    for place in range(domain.question_length):
        others = np.repeat(asked[formed], domain.n_symbols, axis=0)
        others[:, place] = np.tile(np.arange(domain.n_symbols), formed.sum())
        rows.append(others)
    rows = np.concatenate(rows)
    expected = [is_question(domain, row) for row in rows]
    np.testing.assert_array_equal(domain.is_well_formed(rows), expected)
    assert 0.1 < np.mean(expected) < 0.9
    assert domain.is_well_formed(rows[None, :, None])[0, :, 0].tolist() == expected


@ALL
def test_the_vocabulary_ends_with_the_kinds_of_questions(cls):
    primitive = {"Assignment": 3, "ShortestPath": 2, "UnionFind": 3}.get(cls.name, 0)
    for size in (3, 16):
        domain = cls(size)
        assert domain.n_symbols == domain.kind_symbol + len(domain.kinds) + primitive


@ALL
def test_a_base_size_is_what_a_domain_has_without_arguments(cls):
    assert cls().size == cls().max_size == cls.base_size


# ---------------------------------------------------------------------- reading


@ALL
def test_everything_has_a_text(cls):
    domain, rng = cls(9, 12), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 20)
    transcript = amplify(ScriptedOverseer(domain), Oracle(domain), rng, contexts, questions)
    assert domain.context_text(contexts[0])
    rows = np.concatenate([questions[..., None, :], transcript.questions], axis=2)
    texts = {}
    for row in np.unique(rows.reshape(-1, domain.question_length), axis=0):
        texts.setdefault(domain.question_text(row), []).append(row)
    assert all(len(same) == 1 for same in texts.values())  # no two questions read alike
    assert domain.question_text(np.zeros_like(rows[0, 0, 0])) == "(no question)"
    answers = [domain.answer_text(answer) for answer in range(domain.n_answers)]
    assert answers[0] == "idk"
    assert len(set(answers)) == len(answers)
    facts = contexts["facts"].reshape(-1, domain.fact_shape[1])
    assert [bool(domain.fact_text(fact)) for fact in facts] == (facts[:, 0] != 0).tolist()


@ALL
@pytest.mark.parametrize("size", [2, 8, 64])
def test_pictures_are_drawn(cls, size):
    domain = cls(size)
    figure = Figure()
    canvas = FigureCanvasAgg(figure)
    domain.draw(domain.sample_contexts(np.random.default_rng(0), 1)[0], figure.subplots())
    canvas.draw()
    assert np.asarray(canvas.buffer_rgba())[..., :3].min() < 128


@ALL
def test_no_contexts_at_all_and_every_other_context(cls):
    """Lookups read fields where they lie, whatever the stride."""
    domain, rng = cls(8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 10)
    questions = domain.sample_questions(rng, contexts, 6)
    truth = domain.truth(contexts, questions)
    assert domain.truth(contexts[:0], questions[:0]).shape == (0, 6)
    np.testing.assert_array_equal(domain.truth(contexts[::2], questions[::2]), truth[::2])
    np.testing.assert_array_equal(domain.truth(contexts[[7]], questions[[7]]), truth[[7]])
    np.testing.assert_array_equal(domain.truth(contexts[::-1], questions[::-1]), truth[::-1])
