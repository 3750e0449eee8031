"""GRPO of TRL on the overseer's approval: a tiny language model learns to answer from nothing.

python examples/trl_grpo.py --config examples/trl_grpo.yaml
python examples/trl_grpo.py --config examples/trl_grpo.yaml --reward truth
python examples/trl_grpo.py --config examples/trl_grpo.yaml --trust -1
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer, TrlParser

from ia_gym.agents import QuestionEvaluator
from ia_gym.agents.language import (
    ApprovalReward,
    CausalAssistant,
    FormatReward,
    SlowCopyCallback,
    TruthReward,
    make_prompt_dataset,
    make_tiny_model,
    make_tokenizer,
)
from ia_gym.envs.questions.numbered_questions import NumberedQuestions
from ia_gym.networks.optimizers import MuonAdamW


@dataclass
class Task:
    """What is asked, of which model, and for which reward."""

    env_id: str = field(default="IA-Permutation-N4-v0", metadata={"help": "Environment."})
    observation: str = field(default="text", metadata={"help": "text, or prompt with the rules."})
    reward: str = field(default="approval", metadata={"help": "approval, or truth for a baseline."})
    trust: float = field(default=0.75, metadata={"help": "Of the trust gate; below 0 without."})
    width: int = field(default=64, metadata={"help": "Of the model."})
    layers: int = field(default=3, metadata={"help": "Of the model."})
    heads: int = field(default=4, metadata={"help": "Of the model."})
    format_steps: int = field(default=40, metadata={"help": "Steps of learning the format."})
    polyak_tau: float = field(default=0.1, metadata={"help": "Weight of the latest model."})
    minutes: float = field(default=1e9, metadata={"help": "Stop the training after so long."})


class TimeLimit(TrainerCallback):
    """Stops the training after some minutes."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def on_step_end(self, args, state, control, **kwargs):
        """Stop once the time is up."""
        control.should_training_stop |= time.monotonic() > self.end


def teach_format(model, tokenizer, questions, n_steps, config):
    """Supervised on the form of answers alone: the right kind, drawn at random."""
    numbers = range(10**9, 10**9 + 64 * n_steps)  # other questions than those of the training
    _, asked = questions.find(numbers)
    rng = np.random.default_rng(config.seed)
    allowed = questions.domain.answer_mask(asked)
    answers = np.where(allowed, rng.random(allowed.shape), -1)[:, 1:].argmax(axis=1) + 1  # not idk
    rows = {
        "prompt": questions.describe(numbers),
        "completion": [questions.domain.answer_text(int(answer)) for answer in answers],
    }
    arguments = SFTConfig(
        output_dir=config.output_dir,
        max_steps=n_steps,
        per_device_train_batch_size=64,
        learning_rate=config.learning_rate,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=config.use_cpu,
        disable_tqdm=config.disable_tqdm,
        save_strategy="no",
        logging_steps=n_steps,
        report_to="none",
        seed=config.seed,
    )
    SFTTrainer(
        model,
        arguments,
        train_dataset=Dataset.from_dict(rows),
        processing_class=tokenizer,
        optimizers=(MuonAdamW(model.parameters(), lr=config.learning_rate), None),
    ).train()


def write_history(rows, completions_per_step, folder):
    """Write what TRL logged of the rewards, as ``history.csv``."""
    history = pd.DataFrame([row for row in rows if "rewards/truth/mean" in row])
    history.insert(0, "completions", history["step"] * completions_per_step)
    names = ("approval/mean", "truth/mean", "format/mean")
    columns = ["completions", *(f"rewards/{name}" for name in names), "idk", "entropy"]
    columns += [name for name in ("trusted_classes",) if name in history]
    history[columns].to_csv(Path(folder) / "history.csv", index=False)


def main() -> None:
    """Train, and print the accuracy on held-out questions."""
    task, config = TrlParser((Task, GRPOConfig)).parse_args_and_config()
    torch.set_num_threads(1)
    trust = task.trust if task.trust >= 0 else None
    questions = NumberedQuestions(task.env_id, config.seed, task.observation, trust=trust)
    tokenizer = make_tokenizer(questions.encoding)
    model = make_tiny_model(
        tokenizer, width=task.width, layers=task.layers, heads=task.heads, seed=config.seed
    )
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} words")
    teach_format(model, tokenizer, questions, task.format_steps, config)
    # Loaded from a folder, since TRL loads what the KL penalty compares with by the model's name.
    model.save_pretrained(Path(config.output_dir) / "format")
    model = AutoModelForCausalLM.from_pretrained(Path(config.output_dir) / "format")

    shown = {"max_new_tokens": config.max_completion_length, "batch_size": 512}
    copy = SlowCopyCallback(
        model, tokenizer, questions.domain, task.observation, polyak_tau=task.polyak_tau, **shown
    )
    approval = float(task.reward == "approval")
    config.reward_weights = [approval, 1 - approval, 0.0]  # the form is only logged
    rewards = [
        ApprovalReward(questions, copy.assistant),
        TruthReward(questions),
        FormatReward(questions),
    ]
    trainer = GRPOTrainer(
        model,
        rewards,
        config,
        train_dataset=make_prompt_dataset(questions),
        processing_class=tokenizer,
        callbacks=[copy, TimeLimit(task.minutes)],
        optimizers=(MuonAdamW(model.parameters(), lr=config.learning_rate), None),
    )
    trainer.train()
    trainer.save_model()
    trainer.save_state()
    size = config.per_device_train_batch_size * config.gradient_accumulation_steps
    write_history(trainer.state.log_history, size, config.output_dir)

    held_out = QuestionEvaluator(task.env_id, 1024)
    agent = CausalAssistant(model, tokenizer, questions.domain, task.observation, **shown)
    score = held_out.score(agent.answer(held_out.contexts, held_out.questions))
    print(f"accuracy {score['accuracy']:.1%} on held-out questions; model: {config.output_dir}")


if __name__ == "__main__":
    main()
