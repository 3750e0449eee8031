"""A causal language model as the overseer's assistant, or as the agent itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.answer_parser import AnswerParser
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.envs.questions.observations import ObservationEncoding
from ia_gym.envs.questions.texts import TEXT_MODES
from ia_gym.validation import check_number, check_range


class CausalAssistant:
    """Answers questions by what a causal language model writes.

    The questions are put to it as prompts, in batches; what it writes is read by the grammar of
    :mod:`ia_gym.domains.answer_parser`. What holds no answer, and a prompt that leaves no room for
    an answer in the model's context window, count as "I don't know". Primitive questions are not
    put to it: overseers look these up.

    Args:
        model: a causal model of ``transformers``, or anything with its ``generate``, ``config`` and
            ``parameters``.
        tokenizer: its tokenizer. Without a padding token, the end-of-text token pads.
        domain: of the questions.
        observation: "prompt" or "text", how questions are shown. If the tokenizer has a chat
            template, each is a message of the user.
        max_new_tokens: tokens of an answer, 1..65536.
        temperature: of sampling; 0 takes the likeliest token each time, and puts equal questions
            once.
        batch_size: prompts at a time, 1..65536.

    Attributes:
        n_answers: questions put to the model so far.
        n_unparsed: texts without an answer among them.
        n_too_long: prompts among them that were too long for the model.

    Raises:
        ValueError: for an argument out of range, or a tokenizer without either token.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        domain: Domain,
        observation: str = "prompt",
        *,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        batch_size: int = 64,
    ) -> None:
        if observation not in TEXT_MODES:
            raise ValueError(f"observation must be one of {list(TEXT_MODES)}, got {observation!r}")
        pad = tokenizer.pad_token_id
        self.pad_token_id = tokenizer.eos_token_id if pad is None else pad
        if self.pad_token_id is None:
            raise ValueError("tokenizer must have a padding or an end-of-text token, has neither")
        self.model = model
        self.tokenizer = tokenizer
        self.encoding = ObservationEncoding(domain, observation)  # type: ignore[arg-type]
        self.parser = AnswerParser(domain)
        self.max_new_tokens = check_range("max_new_tokens", max_new_tokens, 1, 1 << 16)
        self.temperature = check_number("temperature", temperature, "[0, inf)")
        self.batch_size = check_range("batch_size", batch_size, 1, 1 << 16)
        self.n_answers = self.n_unparsed = self.n_too_long = 0

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`ia_gym.amplification.assistants.Assistant`."""
        answers = np.full(questions.shape[:2], IDK, np.int64)
        is_question = questions[..., 0] != 0
        asked = np.nonzero(is_question & ~self.encoding.domain.is_primitive(questions))
        if not len(asked[0]):
            return answers
        put = questions[asked]
        prompts: Any = self.encoding.encode(contexts["facts"][asked[0]], put)
        if self.temperature == 0:
            places = {prompt: i for i, prompt in enumerate(prompts)}
            texts = dict(zip(places, self.write(list(places)), strict=True))
            written = [texts[prompt] for prompt in prompts]
        else:
            written = self.write(list(prompts))
        read = self.parser.parse(written, put)
        self.n_answers += len(put)
        self.n_unparsed += int(np.count_nonzero(~read.parsed))
        answers[asked] = read.answers
        return answers

    def write(self, prompts: list[str]) -> list[str]:
        """What the model writes after each prompt; nothing after one that is too long for it."""
        tokens = self._tokenize(prompts)
        limit = self._find_limit()
        fitting = [i for i, row in enumerate(tokens) if limit is None or len(row) <= limit]
        self.n_too_long += len(prompts) - len(fitting)
        fitting.sort(key=lambda i: len(tokens[i]))  # less padding
        texts = [""] * len(prompts)
        training = getattr(self.model, "training", False)
        if training:
            self.model.eval()
        try:
            for start in range(0, len(fitting), self.batch_size):
                chosen = fitting[start : start + self.batch_size]
                written = self._generate([tokens[i] for i in chosen])
                for i, text in zip(chosen, written, strict=True):
                    texts[i] = text
        finally:
            if training:
                self.model.train()
        return texts

    def _tokenize(self, prompts: list[str]) -> list[list[int]]:
        special = True
        if getattr(self.tokenizer, "chat_template", None):
            special = False  # the template has them
            prompts = [
                self.tokenizer.apply_chat_template(
                    [{"role": "user", "content": prompt}],
                    tokenize=False,
                    add_generation_prompt=True,
                )
                for prompt in prompts
            ]
        return list(self.tokenizer(prompts, add_special_tokens=special)["input_ids"])

    def _find_limit(self) -> int | None:
        """The most tokens of a prompt that leave room for an answer; None if there is no limit."""
        window = getattr(self.model.config, "max_position_embeddings", None)
        return None if window is None else window - self.max_new_tokens

    def _generate(self, rows: list[list[int]]) -> list[str]:
        device = next(self.model.parameters()).device
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad_token_id, device=device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, longest - len(row) :] = torch.tensor(row)
            mask[i, longest - len(row) :] = 1
        sampling: dict[str, Any] = {"do_sample": False}
        if self.temperature:
            sampling = {
                "do_sample": True,
                "temperature": self.temperature,
                "top_k": 0,
                "top_p": 1.0,
            }
        with torch.no_grad():
            written = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=self.max_new_tokens,
                pad_token_id=self.pad_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                **sampling,
            )
        texts: list[str] = self.tokenizer.batch_decode(
            written[:, longest:], skip_special_tokens=True
        )
        return texts
