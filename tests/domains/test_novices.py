"""Overseers that decompose badly: what they ask, and that they are right all the same."""

import gymnasium as gym
import numpy as np
import pytest
from recursive_assistant import RecursiveAssistant

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.domains.transcript import IDK

ALL = pytest.mark.parametrize("name", DOMAINS)


def decompose(name, size=8, max_size=None, n_questions=16, **kwargs):
    """Questions that a novice has decomposed with the oracle's help."""
    domain = DOMAINS[name].novice(size, max_size, **kwargs)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 100)
    questions = domain.sample_questions(rng, contexts, n_questions)
    overseer = ScriptedOverseer(domain)
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
    return overseer, contexts, questions, transcript


def list_asked(domain, transcript, place):
    """The sub-questions about one question, with their answers."""
    rows, answers = transcript.questions[place], transcript.answers[place]
    return [(tuple(row), int(a)) for row, a in zip(rows.tolist(), answers) if row[0]]


@ALL
@pytest.mark.parametrize("sizes", [(8, None), (16, 32), (3, 4)])
def test_with_the_oracle_every_target_is_true_and_approval_is_correctness(name, sizes):
    overseer, contexts, questions, transcript = decompose(name, *sizes)
    domain = DOMAINS[name](*sizes)  # with the usual script: truth is the same
    answers = overseer.answer(contexts, questions, transcript)
    assert domain.is_correct(contexts, questions, answers).all()
    for answer in range(domain.n_answers):
        given = np.full(answers.shape, answer)
        approval = overseer.judge(contexts, questions, transcript, given)
        np.testing.assert_array_equal(approval, domain.is_correct(contexts, questions, given))


@ALL
def test_a_novice_draws_the_same_questions_about_the_same_contexts(name):
    one, other = DOMAINS[name](8), DOMAINS[name].novice(8)
    drawn = []
    for domain in (one, other):
        rng = np.random.default_rng(3)
        contexts = domain.sample_contexts(rng, 5)
        drawn.append((contexts, domain.sample_questions(rng, contexts, 7)))
    assert (drawn[0][0] == drawn[1][0]).all()
    assert (drawn[0][1] == drawn[1][1]).all()
    assert other.name == one.name


class LevelCounter(RecursiveAssistant):
    """Counts how many levels deep it is asked."""

    level = deepest = 0

    def answer(self, contexts, questions):
        if not (questions[..., 0] * ~self.overseer.domain.is_primitive(questions)).any():
            return super().answer(contexts, questions)
        self.level += 1
        self.deepest = max(self.deepest, self.level)
        answers = super().answer(contexts, questions)
        self.level -= 1
        return answers


@pytest.mark.parametrize("power", range(2, 16))
def test_permutation_is_a_chain_and_not_a_tree(power):
    rng = np.random.default_rng(0)
    for cls, levels in (
        (Permutation.novice, power - 1),
        (Permutation, int(np.log2(power))),
    ):
        domain = cls(8, max_power=16)
        contexts = domain.sample_contexts(rng, 20)
        questions = domain.make_questions(np.ones((20, 1), int), np.full((20, 1), power))
        counter = LevelCounter(ScriptedOverseer(domain), rng)
        answers = counter.answer(contexts, questions)
        assert counter.deepest == levels
        image = contexts["facts"][..., 1]  # of 1, 2, ...: all names occur
        expected = np.ones(20, int)
        for _ in range(power):
            expected = image[np.arange(20), expected - 1]
        np.testing.assert_array_equal(answers[:, 0], expected)


def test_wildcard_splits_the_last_one_and_asks_for_nothing():
    overseer, _, questions, transcript = decompose("Wildcard", 16)
    domain = overseer.domain
    star, zero, one = (domain.bit_symbol + i for i in (2, 0, 1))
    for place in np.ndindex(questions.shape[:2]):
        pattern = questions[place].tolist()
        last, first = len(pattern) - 1 - pattern[::-1].index(star), pattern.index(star)
        wanted = []
        for where, bit in ((last, zero), (last, one), (first, zero)):
            wanted.append([*pattern[:where], bit, *pattern[where + 1 :]])
        assert transcript.questions[place].tolist() == wanted


def test_assignment_asks_for_the_value_of_every_variable_it_sees_used():
    overseer, contexts, questions, transcript = decompose("Assignment", 16)
    domain = overseer.domain
    more = 0
    for b, q in np.ndindex(questions.shape[:2]):
        used_by = {x: {y, z} for x, y, z in contexts["facts"][b, :16].tolist()}
        x = int(questions[b, q, 1])
        seen = {y for y in used_by[x] if y in used_by}
        seen |= {z for y in seen for z in used_by[y] if z in used_by}
        asked = [row for row, _ in list_asked(domain, transcript, (b, q))]
        values = {row[1] for row in asked if row[0] == domain.kind_symbol}
        assert values == seen
        more += len(values) > 2
    assert more > 300


def test_shortest_path_tries_all_out_neighbours_one_by_one():
    overseer, contexts, questions, transcript = decompose("ShortestPath")
    domain = overseer.domain
    tried = 0
    for b, q in np.ndindex(questions.shape[:2]):
        edges = {(x, y) for x, y in contexts["facts"][b].tolist()}
        _, x, y = questions[b, q].tolist()
        asked = [row for row, _ in list_asked(domain, transcript, (b, q))]
        distances = [row[1] for row in asked if row[0] == domain.kind_symbol]
        assert len(set(distances)) == len(distances)
        expected = set() if (x, y) in edges else {z for w, z in edges if w == x}
        assert set(distances) == expected
        tried += len(distances)
    assert tried > 500


def test_union_find_walks_on_to_any_neighbour():
    overseer, _, questions, transcript = decompose("UnionFind")
    domain = overseer.domain
    away = 0
    for place in np.ndindex(questions.shape[:2]):
        asked = list_asked(domain, transcript, place)
        kinds = [domain.kind_names[row[0] - domain.kind_symbol] for row, _ in asked]
        kind, x = domain.kind_names[questions[place][0] - domain.kind_symbol], questions[place][1]
        if asked[0][1] != IDK:
            assert kinds == ["label"]
        elif kind == "V":
            assert kinds == ["label", "neighbour", "V"]
        elif kind == "D":
            assert kinds == ["label", "neighbour", "D", "P"]
            away += asked[3][1] == x  # not towards the label
        else:
            steps = [answer for row, answer in asked if row[0] == domain.kind_symbol + 1]
            assert [step == x for step in steps] == [True] * (len(steps) - 1) + [False]
    assert away > 50


def ask_for_neighbour(domain, x, after):
    """The primitive question for the neighbour of x after another one; 0 for any."""
    everywhere = np.ones((1, 1), bool)
    return domain.make_questions(domain.neighbour_kind, np.array([[x]]), after, everywhere)


@pytest.mark.parametrize("name", ["ShortestPath", "UnionFind"])
def test_the_next_neighbour_goes_round_all_of_them(name):
    domain = DOMAINS[name](8)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    for x in range(1, 9):
        found = []
        z = int(domain.look_up(rng, contexts, ask_for_neighbour(domain, x, 0))[0, 0])
        while z not in found and z != IDK:
            found.append(z)
            z = int(domain.look_up(rng, contexts, ask_for_neighbour(domain, x, z))[0, 0])
        both = [tuple(edge) for edge in contexts["facts"][0].tolist() if max(edge) <= 8]
        pairs = both if name == "ShortestPath" else both + [edge[::-1] for edge in both]
        assert sorted(found) == sorted({end for start, end in pairs if start == x})
        absent = next(y for y in range(1, 9) if y not in found)
        assert domain.look_up(rng, contexts, ask_for_neighbour(domain, x, absent))[0, 0] == IDK


@ALL
def test_environments_take_a_novice(name):
    env = gym.make(f"IA-{name}-v0", overseer="novice", assistant="oracle").unwrapped
    _, info = env.reset(seed=0)
    for _ in range(50):
        _, reward, *_ = env.step(info["truth"])
        assert reward == 1
        _, info = env.reset()
    vec = gym.make_vec(f"IA-{name}-v0", 4, overseer="novice")  # inline: the agent is asked
    _, infos = vec.reset(seed=0)
    earned = 0.0
    for _ in range(60):
        _, rewards, *_, infos = vec.step(infos["truth"])
        root = infos["final_info"]["is_root"]
        np.testing.assert_array_equal(rewards, root)
        earned += rewards.sum()
    assert 0 < earned < 240


def test_what_does_not_go_with_a_novice_is_refused():
    with pytest.raises(ValueError, match=r'trust must be left out.*overseer="novice"'):
        gym.make("IA-Permutation-v0", overseer="novice", trust=0.5)
    with pytest.raises(ValueError, match=r'overseer must be left out.*reward="truth"'):
        gym.make("IA-Permutation-v0", overseer="novice", reward="truth")

    class Own(Permutation):
        name = "Own"
        novice = None

    with pytest.raises(ValueError, match='overseer must not be "novice" for Own'):
        gym.make("IA-Permutation-v0", domain=Own, overseer="novice")
    env = gym.make("IA-Assignment-v0").unwrapped
    with pytest.raises(ValueError, match=r"overseer must be for Assignment.*NoviceAssignment"):
        env.set_overseer(ScriptedOverseer(DOMAINS["Assignment"].novice(8)))
