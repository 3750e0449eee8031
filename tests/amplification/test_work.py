"""The overseer's work, counted by one rule wherever it is done."""

import gymnasium as gym
import numpy as np
import pytest

import ia_gym  # noqa: F401
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.amplification.work import leave_uncounted, read_work
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK


@pytest.mark.parametrize("name", DOMAINS)
def test_lookups_combinations_and_verdicts_are_counted(name):
    """Lookups are the transcript's primitive questions, told one by one."""
    domain, rng = DOMAINS[name](6), np.random.default_rng(0)
    overseer = ScriptedOverseer(domain)
    contexts = domain.sample_contexts(rng, 3)
    questions = domain.sample_questions(rng, contexts, 4)
    questions[1, 2] = 0  # no question
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
    seen = sum(
        bool(row[0]) and bool(domain.is_primitive(row[None])[0])
        for row in transcript.questions.reshape(-1, domain.question_length)
    )
    assert read_work(overseer) == {"lookups": seen, "combinations": 0, "verdicts": 0}
    answers = overseer.answer(contexts, questions, transcript)
    answers[0, 0] = IDK
    with leave_uncounted(overseer):
        overseer.judge(contexts, questions, transcript, answers)
    assert read_work(overseer) == {"lookups": seen, "combinations": 11, "verdicts": 0}
    overseer.judge(contexts, questions, transcript, answers)
    assert overseer.verdicts == 10  # "I don't know" needs none, nor does what is no question


@pytest.mark.parametrize("vector", [False, True])
def test_environments_count_what_is_used(vector):
    """One verdict a question answered, though a single environment has all answers judged ahead."""
    options = {"size": 4, "max_power": 4, "assistant": "oracle"}
    if vector:
        env = gym.make_vec("IA-Permutation-v0", num_envs=3, **options)
    else:
        env = gym.make("IA-Permutation-v0", **options)
    env.reset(seed=0)
    for step in range(20):
        action = step % 2  # idk, then the first name
        env.step(np.full(3, action) if vector else action)
        if not vector:
            env.reset()
    inner = env.unwrapped
    assert (inner.verdicts, inner.combinations) == (30 if vector else 10, 0)
    assert inner.lookups > 20
