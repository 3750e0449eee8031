"""A small causal model with random weights, and a tokenizer of a domain's own words.

Nothing is downloaded. It serves for tests and for examples that take minutes on a CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ia_gym.envs.questions.observations import ObservationEncoding

WORD = r"\p{L}+\(?|\)=\??|:=|."
"""Letters, with the bracket that follows; the end of one side of an equation; else one character.
So numbers are read digit by digit."""

PAD, BEGIN, END = "<pad>", "<s>", "</s>"


def make_tokenizer(encoding: ObservationEncoding) -> PreTrainedTokenizerFast:
    """Make a tokenizer of words for the prompts and answers of a domain.

    Words are runs of letters; digits are words of their own; spaces are left out. It knows every
    prompt and answer of the domain.

    Args:
        encoding: of "text" or "prompt".
    """
    domain, space = encoding.domain, encoding.space
    assert isinstance(space, spaces.Text)
    normalizer = normalizers.Replace(" = ", "=")
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(WORD), "removed", invert=True),
        ]
    )
    questions = domain.longest_questions()
    facts = np.repeat(domain.longest_facts()[None], len(questions), axis=0)
    texts = [
        *encoding.describer.describe(facts, questions),
        *map(domain.answer_text, range(domain.n_answers)),
        *map(domain.symbol_text, range(domain.n_symbols)),
        *space.character_list,
    ]
    words = {
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    }
    vocabulary = {word: i for i, word in enumerate([PAD, BEGIN, END, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, vocabulary[BEGIN])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def make_tiny_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    width: int = 64,
    layers: int = 3,
    heads: int = 4,
    context_window: int = 256,
    seed: int = 0,
) -> LlamaForCausalLM:
    """Make a causal model of Llama's kind with random weights.

    Args:
        tokenizer: tells the vocabulary.
        width: of the hidden state.
        layers: of attention.
        heads: of attention.
        context_window: the most tokens of prompt and answer.
        seed: of the weights.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context_window,
        initializer_range=width**-0.5,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    state: Any = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    torch.random.set_rng_state(state)
    model.get_input_embeddings().weight.use_muon = False  # for MuonAdamW: it is a table
    return model
