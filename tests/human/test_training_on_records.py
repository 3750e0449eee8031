"""Learners train on records of people; what is learned is as good as from the script itself."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from ia_gym.agents import AnswerSearch, IteratedAmplification
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.human_predictor_trainer import train_on_recorded
from ia_gym.agents.learners.recorded_interactions import RecordedInteractions
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS, Permutation, Wildcard
from ia_gym.experiments.human.interactions import read_interactions
from ia_gym.experiments.human.learning import measure_with_oracle
from ia_gym.experiments.human.simulation import simulate
from ia_gym.experiments.run_folder import INTERACTIONS, OVERSEER
from ia_gym.experiments.train import train_agent
from ia_gym.networks.learned_overseer import LearnedOverseer

TINY = {"width": 16, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of three people about the small Permutation."""
    path = tmp_path_factory.mktemp("records") / "records.sqlite"
    simulate(path, "IA-Permutation-N4-v0", {"script": 60, "one-step": 40, "sloppy": 10})
    return path


def make_env(**kwargs):
    return gym.make("IA-Permutation-N4-v0", observation="tokens", **kwargs)


@pytest.mark.parametrize("name", DOMAINS)
def test_transcripts_in_steps_keep_the_sub_questions_in_order(name):
    domain = DOMAINS[name](8)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 4)
    questions = domain.sample_questions(rng, contexts, 8)
    overseer = ScriptedOverseer(domain)
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions, judging=False)
    steps = transcript.in_steps(12)
    assert steps.questions.shape == (4, 8, 12, domain.question_length)
    for at in np.ndindex(4, 8):
        used = transcript.questions[at][:, 0] != 0
        n = used.sum()
        assert (steps.questions[at][:n] == transcript.questions[at][used]).all()
        assert (steps.answers[at][:n] == transcript.answers[at][used]).all()
        assert not steps.questions[at][n:].any()
    most = int((transcript.questions[..., 0] != 0).sum(axis=-1).max())
    with pytest.raises(ValueError, match=f"at least {most}"):
        transcript.in_steps(most - 1)


def test_the_script_has_no_place_where_people_ask_in_steps():
    domain = Permutation(4)
    stepwise = domain.with_steps(5)
    assert (stepwise.subquestions_per_round, stepwise.n_slots) == ((1,) * 5, 5)
    assert domain.subquestions_per_round == (1, 1, 1)
    with pytest.raises(ValueError, match="rounds of its script"):
        ScriptedOverseer(stepwise)
    for steps in (0, 65):
        with pytest.raises(ValueError, match="steps must be"):
            domain.with_steps(steps)


def test_a_predictor_learns_a_persons_own_way(records):
    # σ^(k-1) first: no slot of the script is made for it.
    domain = QuestionEvaluator("IA-Permutation-N4-v0", 256)
    learned = train_on_recorded(
        domain.domain, read_interactions(records, domain.domain, ["one-step"]), record_updates=150
    )
    assert learned.domain.subquestions_per_round == (1, 1)
    assert measure_with_oracle(learned, domain) > 0.9
    contexts, questions = domain.contexts[:4], domain.questions[:4]
    rng = np.random.default_rng(0)
    transcript = amplify(learned, Oracle(learned.domain), rng, contexts, questions, judging=False)
    name, power = domain.domain.parse_questions(questions)
    first = domain.domain.make_questions(name, power - 1)
    assert (transcript.questions[..., 0, :] == first).all(axis=-1).mean() > 0.9


def test_a_model_of_a_person_oversees_an_environment(records, tmp_path):
    domain = make_env().unwrapped.domain
    learned = train_on_recorded(
        domain, read_interactions(records, domain, ["one-step"]), record_updates=20, **TINY
    )
    learned.save(tmp_path / "human.safetensors")
    loaded = LearnedOverseer.load(tmp_path / "human.safetensors", domain)
    assert (loaded.domain.steps, loaded.human_interactions) == (2, 40)
    envs = gym.make_vec(
        "IA-Permutation-N4-v0",
        num_envs=3,
        observation="tokens",
        overseer=str(tmp_path / "human.safetensors"),
    )
    envs.reset(seed=0)
    for _ in range(40):
        envs.step(envs.action_space.sample())
    with pytest.raises(ValueError, match="in the rounds"):
        make_env().unwrapped.set_overseer(loaded)


def test_interactions_survive_saving_and_are_checked(records, tmp_path):
    domain = make_env().unwrapped.domain
    read = read_interactions(records, domain)
    assert read.people == {"script": 60, "one-step": 40, "sloppy": 10}
    assert "script (60)" in read.describe()
    path = tmp_path / "interactions.safetensors"
    read.save(path, domain)
    again = RecordedInteractions.load(path, domain)
    for name in ("questions", "asked", "answers", "targets"):
        assert (getattr(again, name) == getattr(read, name)).all()
    with pytest.raises(ValueError, match="records must be about"):
        RecordedInteractions.load(path, Wildcard(4))
    with pytest.raises(FileNotFoundError):
        RecordedInteractions.load(tmp_path / "none", domain)
    broken = dataclasses.replace(read, targets=read.targets + 1000)
    with pytest.raises(ValueError, match="targets of records must be in"):
        broken.check(domain)


@pytest.mark.parametrize(
    "learner", [IteratedAmplification, pytest.param(AnswerSearch, marks=pytest.mark.slow)]
)
def test_learners_mix_recorded_people_with_the_script_and_resume(learner, records, tmp_path):
    domain = make_env().unwrapped.domain
    path = tmp_path / "interactions.safetensors"
    read_interactions(records, domain).save(path, domain)
    sizes = {"n_contexts": 4, "n_questions": 4, "policy_kwargs": {"width": 16, "heads": 2}}
    predictor = {**TINY, "records": str(path), "record_updates": 3}
    arguments = {**sizes, "interaction_rate": 4.0, "predictor_kwargs": predictor, "seed": 0}
    whole = learner(env=make_env(), **arguments)
    whole.learn(16 * 6)
    assert whole.human_interactions > 110  # those of people, and queries to the script
    assert len(whole.predictor_trainer.records["targets"]) == whole.human_interactions
    half = learner(env=make_env(), **arguments)
    half.learn(16 * 6, callback=lambda *_: half.num_timesteps < 16 * 3)
    half.save(tmp_path / "model")
    resumed = learner.load(tmp_path / "model", env=make_env())
    assert resumed.human_interactions == half.human_interactions
    assert resumed.predictor_trainer.updates_due == 0
    for name, rows in half.predictor_trainer.records.items():
        assert np.array_equal(resumed.predictor_trainer.records[name], rows)


def train(agent, tmp_path, **kwargs):
    return train_agent(
        agent,
        "IA-Permutation-N4-v0",
        log_dir=tmp_path / "run",
        n_eval_questions=64,
        n_timesteps=4096,
        **kwargs,
    )


@pytest.mark.parametrize("agent", ["imitation", pytest.param("ppo", marks=pytest.mark.slow)])
def test_the_command_trains_on_records_and_says_whose(agent, records, tmp_path, monkeypatch):
    from ia_gym.experiments import train as module

    short = lambda *args: train_on_recorded(*args, record_updates=5, **TINY)  # noqa: E731
    monkeypatch.setattr(module, "train_on_recorded", short)
    result = train(agent, tmp_path, human=records, people=["script", "one-step"])
    assert result["interactions"] == {"script": 60, "one-step": 40}
    assert result["settings"]["env_kwargs"]["overseer"] == str(tmp_path / "run" / OVERSEER)
    assert result["final"]["overseer/human_interactions"] == 100
    assert "recorded of script: 60, one-step: 40" in module.describe_result(result)
    # It can be the overseer of another run.
    again = train("imitation", tmp_path / "other", overseer=tmp_path / "run" / OVERSEER)
    assert "interactions" not in again


def test_a_resumed_run_keeps_the_records_that_it_began_with(records, tmp_path, monkeypatch):
    from ia_gym.experiments import train as module

    short = lambda *args: train_on_recorded(*args, record_updates=5, **TINY)  # noqa: E731
    monkeypatch.setattr(module, "train_on_recorded", short)
    train("imitation", tmp_path, human=records)
    kept = (tmp_path / "run" / INTERACTIONS).read_bytes()
    (tmp_path / "run" / "result.json").unlink()
    more = tmp_path / "more.sqlite"
    simulate(more, "IA-Permutation-N4-v0", {"script": 5})
    result = train("imitation", tmp_path, human=more, resume=True)
    assert (tmp_path / "run" / INTERACTIONS).read_bytes() == kept
    assert result["interactions"]["script"] == 60


def test_arguments_without_effect_are_refused(records, tmp_path):
    for kwargs, match in (
        ({"human": records, "overseer": records}, "cannot both"),
        ({"people": ["script"]}, "need human"),
        ({"human": records, "people": ["nobody"]}, "holds none"),
        ({"overseer": records}, "saved human predictor"),
    ):
        with pytest.raises(ValueError, match=match):
            train("imitation", tmp_path, **kwargs)
    with pytest.raises(ValueError, match="learns from the truth"):
        train("supervised", tmp_path, human=records)
    with pytest.raises(ValueError, match="own learners"):
        train("ppo", tmp_path, human=records, with_script=True)
