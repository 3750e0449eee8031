"""TRL, transformers and reasoning-gym, in an environment of their own: `make test-trl`."""

import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

transformers = pytest.importorskip("transformers")
trl = pytest.importorskip("trl")
reasoning_gym = pytest.importorskip("reasoning_gym")

import torch  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from ia_gym.agents.language import (  # noqa: E402
    ApprovalReward,
    CausalAssistant,
    SlowCopyCallback,
    TruthReward,
    make_prompt_dataset,
    make_tiny_model,
    make_tokenizer,
    register_with_reasoning_gym,
)
from ia_gym.amplification.amplify import amplify  # noqa: E402
from ia_gym.amplification.overseers import ScriptedOverseer  # noqa: E402
from ia_gym.amplification.trace import trace  # noqa: E402
from ia_gym.domains import DOMAINS  # noqa: E402
from ia_gym.domains.answer_parser import AnswerParser  # noqa: E402
from ia_gym.domains.transcript import IDK  # noqa: E402
from ia_gym.envs.questions.numbered_questions import NumberedQuestions  # noqa: E402
from ia_gym.experiments.cli import app  # noqa: E402
from ia_gym.networks.optimizers import MuonAdamW  # noqa: E402

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def make_parts(env_id="IA-Permutation-N4-v0", observation="text", **kwargs):
    """Questions, and a tiny model with its tokenizer."""
    questions = NumberedQuestions(env_id, 0, observation, **kwargs)
    tokenizer = make_tokenizer(questions.encoding)
    return questions, tokenizer, make_tiny_model(tokenizer, width=32, layers=2)


def make_trainer(parts, rewards, folder, callbacks=(), **kwargs):
    questions, tokenizer, model = parts
    arguments = {
        "max_steps": 2,
        "per_device_train_batch_size": 32,
        "num_generations": 4,
        "max_completion_length": 1,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "disable_tqdm": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": 0,
    }
    config = trl.GRPOConfig(str(folder), **{**arguments, **kwargs})
    return trl.GRPOTrainer(
        model,
        rewards,
        config,
        train_dataset=make_prompt_dataset(questions),
        processing_class=tokenizer,
        callbacks=list(callbacks),
        optimizers=(MuonAdamW(model.parameters(), lr=config.learning_rate), None),
    )


# -------------------------------------------------------------- tokenizer and assistant


@pytest.mark.parametrize("observation", ["text", "prompt"])
@pytest.mark.parametrize("name", DOMAINS)
def test_the_tokenizer_knows_all_prompts_and_answers(name, observation):
    for size in (4, 12):
        questions, tokenizer, _ = make_parts(f"IA-{name}-v0", observation, size=size)
        prompts = questions.describe(range(200))
        encoded = tokenizer(prompts)["input_ids"]
        assert not any(tokenizer.pad_token_id in row for row in encoded)
        squeezed = [re.sub(r"\s", "", prompt) for prompt in prompts]
        assert [re.sub(r"\s", "", text) for text in
                tokenizer.batch_decode(encoded, skip_special_tokens=True)] == squeezed  # fmt: skip
        domain = questions.domain
        _, asked = questions.find(range(200))
        truths = domain.truth(*(lambda c, q: (c, q[:, None]))(*questions.find(range(200))))[:, 0]
        written = [tokenizer(domain.answer_text(int(truth)))["input_ids"] for truth in truths]
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        np.testing.assert_array_equal(AnswerParser(domain).parse(texts, asked).answers, truths)


def test_a_tiny_model_is_tiny_and_the_same_for_a_seed():
    _, tokenizer, _ = make_parts()
    models = [make_tiny_model(tokenizer, seed=seed) for seed in (0, 0, 1)]
    assert models[0].num_parameters() < 10**6
    weights = [next(model.parameters()) for model in models]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_real_model_answers_the_sub_questions():
    questions, tokenizer, model = make_parts(max_power=8)
    domain = questions.domain
    assistant = CausalAssistant(model, tokenizer, domain, "text", max_new_tokens=3, temperature=1.0)
    contexts, asked = questions.find(range(40))
    torch.manual_seed(0)
    first = assistant.answer(contexts, asked[:, None])
    torch.manual_seed(0)
    np.testing.assert_array_equal(assistant.answer(contexts, asked[:, None]), first)
    overseer = ScriptedOverseer(domain)
    transcript = amplify(overseer, assistant, np.random.default_rng(0), contexts, asked[:, None])
    assert overseer.answer(contexts, asked[:, None], transcript).shape == (40, 1)
    assert trace(domain, assistant, contexts[:1], asked[0], 3).question


def test_greedy_answers_are_those_of_the_plain_forward_pass():
    """Batched, padded and sorted, they are what the model gives for each prompt alone."""
    questions, tokenizer, model = make_parts("IA-Permutation-v0", size=12)
    assistant = CausalAssistant(model, tokenizer, questions.domain, "text", max_new_tokens=1)
    prompts = questions.describe(range(30))
    written = assistant.write(prompts)
    for prompt, text in zip(prompts, written):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        token = model(input_ids=ids).logits[0, -1].argmax()
        assert text == tokenizer.decode([int(token)], skip_special_tokens=True)


# ------------------------------------------------------------------------------- TRL


def test_the_data_set_is_endless_and_numbered():
    questions, *_ = make_parts()
    rows = list(islice(make_prompt_dataset(questions, start=7), 3000))
    assert [row["prompt"] for row in rows] == questions.describe(range(7, 3007))
    ids = [row["question_id"] for row in rows]
    np.testing.assert_array_equal(questions.read_ids(ids), range(7, 3007))
    chat = next(iter(make_prompt_dataset(questions, conversational=True)))
    assert chat["prompt"] == [{"role": "user", "content": questions.describe([0])[0]}]


def test_grpo_on_approval_learns_what_lookups_can_check(tmp_path):
    """Two names, powers 2 and 3: eight questions, whose sub-questions are looked up."""
    parts = make_parts("IA-Permutation-v0", size=2, max_power=4)
    questions, tokenizer, model = parts
    copy = SlowCopyCallback(model, tokenizer, questions.domain, "text", max_new_tokens=1)
    before = next(copy.average.module.parameters()).clone()
    rewards = [ApprovalReward(questions, copy.assistant), TruthReward(questions)]
    trainer = make_trainer(
        parts,
        rewards,
        tmp_path,
        [copy],
        reward_weights=[1.0, 0.0],
        max_steps=150,
        per_device_train_batch_size=64,
        learning_rate=2e-3,
        entropy_coef=0.03,
        scale_rewards="none",
        warmup_steps=5,
        logging_steps=10,
    )
    trainer.train()
    history = [row for row in trainer.state.log_history if "rewards/truth/mean" in row]
    for row in history:  # what needs no assistant is approved of if and only if it is true
        assert row["rewards/approval/mean"] == pytest.approx(row["rewards/truth/mean"])
    assert history[0]["rewards/truth/mean"] < 0.5
    assert history[-1]["rewards/truth/mean"] > 0.7  # a guess is right in half
    assert history[-1]["unparsed"] < 0.05 < history[0]["unparsed"]
    after, latest = next(copy.average.module.parameters()), next(model.parameters())
    assert not torch.equal(before, after)
    assert not torch.equal(after, latest)
    contexts, asked = questions.find(range(200))
    answers = CausalAssistant(model, tokenizer, questions.domain, "text", max_new_tokens=1).answer(
        contexts, asked[:, None]
    )
    assert questions.domain.is_correct(contexts, asked[:, None], answers).mean() > 0.7


def test_sub_questions_go_to_the_slow_copy(tmp_path):
    parts = make_parts("IA-Wildcard-v0", size=8, trust=None)
    questions, tokenizer, model = parts
    copy = SlowCopyCallback(
        model, tokenizer, questions.domain, "text", max_new_tokens=2, polyak_tau=1.0, period=2
    )
    approval = ApprovalReward(questions, copy.assistant)
    make_trainer(parts, approval, tmp_path, [copy], max_completion_length=2).train()
    assert approval.overseer.human_interactions == 16  # two steps of eight prompts
    assert 0 < copy.assistant.n_answers == approval.overseer.assistant_answers
    assert torch.equal(next(copy.average.module.parameters()), next(model.parameters()))


def test_bad_input_does_not_stop_the_trainer(tmp_path):
    """A model without pad token, whose prompts fill its window, and that ends at once."""
    questions, tokenizer, _ = make_parts("IA-Permutation-v0", trust=None)
    tokenizer.pad_token = None
    model = make_tiny_model(tokenizer, width=16, layers=1, heads=2, context_window=30)
    longest = max(len(row) for row in tokenizer(questions.describe(range(50)))["input_ids"])
    assert longest > 30
    copy = SlowCopyCallback(model, tokenizer, questions.domain, "text", max_new_tokens=1)
    approval = ApprovalReward(questions, copy.assistant)
    trainer = make_trainer((questions, tokenizer, model), approval, tmp_path, [copy])
    trainer.train()
    assert copy.assistant.n_too_long == copy.assistant.n_answers > 0
    contexts, asked = questions.find([0])
    assert copy.assistant.answer(contexts, asked[:, None]) == IDK


def test_the_example_runs_and_its_model_is_evaluated(tmp_path):
    command = [sys.executable, ROOT / "examples" / "trl_grpo.py"]
    command += ["--config", ROOT / "examples" / "trl_grpo.yaml", "--output_dir", tmp_path]
    command += ["--max_steps", "2", "--format_steps", "2", "--logging_steps", "1"]
    command += ["--per_device_train_batch_size", "16"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"accuracy \d+\.\d% on held-out questions", done.stdout)
    history = json.loads((tmp_path / "trainer_state.json").read_text())["log_history"]
    assert {"rewards/approval/mean", "rewards/truth/mean"} <= set(history[0])
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header.startswith("completions,rewards/approval/mean,rewards/truth/mean")
    assert len(rows) == len([row for row in history if "rewards/truth/mean" in row])
    out = tmp_path / "scores.json"
    arguments = ["eval", "--hf", str(tmp_path), "--env", "IA-Permutation-N4-v0", "--out", str(out)]
    arguments += ["--observation", "text", "--eval-questions", "128", "--max-new-tokens", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "questions put to the model" in result.output
    scores = json.loads(out.read_text())["scores"]["4"]
    assert list(scores) == ["0", "1", "2"]
    assert scores["1"]["accuracy_depth_1"] == 1  # lookups alone
    assert scores["2"]["accuracy"] == 1


def test_folders_without_a_model_are_refused(tmp_path):
    for path, message in ((tmp_path / "none", "found none at"), (tmp_path, "with a causal model")):
        arguments = ["eval", "--hf", str(path), "--env", "IA-Permutation-N4-v0"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert message in result.output
        assert "Traceback" not in result.output


# --------------------------------------------------------------------- reasoning-gym


def test_the_domains_are_data_sets_of_reasoning_gym():
    names = register_with_reasoning_gym()
    assert names == register_with_reasoning_gym()  # a second time: nothing new
    assert len(names) == 5
    for name in names:
        data = reasoning_gym.create_dataset(name, size=20, seed=42, n_names=6)
        again = reasoning_gym.create_dataset(name, size=20, seed=42, n_names=6)
        assert [entry["question"] for entry in data] == [entry["question"] for entry in again]
        assert len(data) == 20
        score = reasoning_gym.get_score_answer_fn(name)
        for entry in data:
            assert entry["metadata"]["source_dataset"] == name
            assert data.score_answer(entry["answer"], entry) == 1.0
            assert data.score_answer(None, entry) == 0.0
        assert callable(score)
        other = reasoning_gym.create_dataset(name, size=20, seed=43, n_names=6)
        assert other[0]["question"] != data[0]["question"]


def test_they_mix_with_its_own_data_sets():
    from reasoning_gym.composite import DatasetSpec
    from reasoning_gym.utils import extract_answer

    register_with_reasoning_gym()
    specs = [
        DatasetSpec(name="leg_counting", weight=1, config={}),
        DatasetSpec(name="ia_shortest_path", weight=1, config={"n_names": 5}),
    ]
    data = reasoning_gym.create_dataset("composite", size=30, seed=1, datasets=specs)
    names = set()
    for entry in data:
        names.add(entry["metadata"]["source_dataset"])
        completion = f"I believe it is <answer>{entry['answer']}</answer>"
        assert data.score_answer(extract_answer(completion), entry) == 1.0
    assert names == {"leg_counting", "ia_shortest_path"}
