"""Answers read from text: every symbol comes back, whatever stands around it; all else is none."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ia_gym.domains import DOMAINS, Permutation
from ia_gym.domains.answer_parser import AnswerParser
from ia_gym.domains.transcript import IDK

PARSERS = {}


def get_parser(name, size):
    if (name, size) not in PARSERS:
        PARSERS[name, size] = AnswerParser(DOMAINS[name](size))
    return PARSERS[name, size]


def list_questions(domain):
    """A question of each kind of root questions: a row that begins with the kind's symbol."""
    questions = np.ones((len(domain.kinds), domain.question_length), np.int64)
    questions[:, 0] = domain.kind_symbol + np.arange(len(domain.kinds))
    return questions


def read(domain, text, kind=0):
    answers, parsed = AnswerParser(domain).parse([text], list_questions(domain)[[kind]])
    return int(answers[0]) if parsed[0] else None


@st.composite
def written(draw, text):
    """A text as it may be written: in a tag or alone, in any case, with spaces."""
    spaces = st.text(" \n\t", max_size=3)
    recase = draw(st.sampled_from([str.lower, str.upper, str.title, str]))
    words = [recase(word) for word in text.split(" ")]
    body = words[0] + "".join(draw(st.sampled_from([" ", "  ", "\n"])) + each for each in words[1:])
    body = draw(spaces) + body + draw(st.sampled_from(["", ".", " ."])) + draw(spaces)
    if draw(st.booleans()):
        around = st.text(max_size=20).filter(lambda each: "<" not in each)
        opening = draw(st.sampled_from(["<answer>", "<ANSWER>"]))
        body = draw(around) + opening + body
        body += draw(st.just("") | around.map(lambda each: "</answer>" + each))
    return body


@settings(deadline=None, max_examples=50)
@given(st.data(), st.sampled_from(sorted(DOMAINS)), st.integers(2, 64))
def test_every_answer_comes_back(data, name, size):
    parser = get_parser(name, size)
    domain = parser.domain
    questions = list_questions(domain)
    allowed = domain.answer_mask(questions)
    symbols = data.draw(st.lists(st.integers(0, domain.n_answers - 1), min_size=1, max_size=4))
    texts = [data.draw(written(domain.answer_text(symbol))) for symbol in symbols]
    asked = questions[[int(allowed[:, symbol].argmax()) for symbol in symbols]]
    answers, parsed = parser.parse(texts, asked)
    np.testing.assert_array_equal(answers, symbols)
    assert parsed.all()


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("size", [2, 3, 4, 8, 16, 33, 64, 256, 1024])
def test_all_answers_of_a_size_come_back_at_once(name, size):
    parser = AnswerParser(DOMAINS[name](size))
    questions = list_questions(parser.domain)
    for kind, allowed in enumerate(parser.domain.answer_mask(questions)):
        symbols = np.flatnonzero(allowed)
        texts = [parser.domain.answer_text(symbol) for symbol in symbols.tolist()]
        answers, parsed = parser.parse(texts, questions[[kind] * len(texts)])
        np.testing.assert_array_equal(answers, symbols)
        assert parsed.all()


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(DOMAINS)), st.text(max_size=30))
def test_any_text_is_read_or_idk(name, text):
    domain = get_parser(name, 8).domain
    (answer,), (parsed,) = get_parser(name, 8).parse([text], list_questions(domain)[:1])
    assert 0 <= answer < domain.n_answers
    assert parsed or answer == IDK


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3", 3),
        ("  3. ", 3),
        ("+03", 3),
        ("I think that σ(2) = <answer>3</answer>, not 4", 3),
        ("<answer>1</answer> no: <ANSWER> 3 </ANSWER>", 3),
        ("<answer>3", 3),
        ("<answer></answer>3", None),
        ("I don't know", IDK),
        ("i don’t know.", IDK),
        ("<answer>idk</answer>", IDK),
        ("", None),
        ("0", None),  # no name
        ("9", None),
        ("-3", None),
        ("1 2", None),
        ("3 or 4", None),
        ("the answer is 3", None),  # no tag
        ("inf", None),  # no answer of this domain
        ("³", None),
        ("٣", None),
        ("三", None),
        ("1" * 5000, None),
    ],
)
def test_the_grammar(text, answer):
    assert read(Permutation(8), text) == answer


def test_a_number_is_of_the_kind_that_is_asked_for():
    domain = DOMAINS["ShortestPath"](8)
    d, s = (domain.kinds.index(kind) for kind in "DS")
    assert domain.answer_text(read(domain, "3", d)) == "3 steps"
    assert domain.answer_text(read(domain, "1 steps", d)) == "1 step"
    assert domain.answer_text(read(domain, "3STEPS", d)) == "3 steps"
    assert domain.answer_text(read(domain, "3", s)) == "3"
    assert domain.answer_text(read(domain, "3 steps", s)) == "3 steps"  # read, and wrong
    for text in ("inf", "Infinity", "<answer>∞</answer>"):
        assert domain.answer_text(read(domain, text, d)) == "inf"
    wildcard = DOMAINS["Wildcard"](8)
    for text in ("-2", "−2", " -02 "):
        assert wildcard.answer_text(read(wildcard, text)) == "-2"
    assert wildcard.answer_text(read(wildcard, "-0")) == "0"


def test_bad_input_is_refused():
    parser = AnswerParser(Permutation(8))
    question = list_questions(parser.domain)
    with pytest.raises(ValueError, match="answer must be a text, got None"):
        parser.parse([None], question)
    with pytest.raises(ValueError, match="one for each of the 1 questions, got 2"):
        parser.parse(["1", "2"], question)

    class Mute(Permutation):
        def answer_text(self, answer):
            return "something"

    with pytest.raises(ValueError, match=re.escape("tell all answers apart")):
        AnswerParser(Mute(4))
