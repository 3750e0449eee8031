"""A language model as an assistant; the model is a stub that writes what it is told to."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ia_gym.agents.language import CausalAssistant
from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Permutation, ShortestPath, Wildcard
from ia_gym.domains.transcript import IDK
from ia_gym.envs.questions.observations import ObservationEncoding

PAD, END = 0, 1


class Characters:
    """A tokenizer with a token a character; 0 pads, 1 ends."""

    chat_template = None

    def __init__(self, pad=PAD, end=END):
        self.pad_token_id, self.eos_token_id = pad, end

    def __call__(self, texts, add_special_tokens):
        assert add_special_tokens == (self.chat_template is None)
        return {"input_ids": [[ord(each) for each in text] for text in texts]}

    def decode(self, ids):
        return "".join(chr(each) for each in ids if each > END)

    def batch_decode(self, rows, skip_special_tokens):
        assert skip_special_tokens
        return [self.decode(row) for row in rows.tolist()]


class Stub(torch.nn.Module):
    """Writes ``write(prompt)`` after each prompt, and remembers how it was asked."""

    def __init__(self, write, window=None):
        super().__init__()
        self.write = write
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(max_position_embeddings=window)
        self.prompts, self.calls = [], []

    def generate(self, input_ids, attention_mask, max_new_tokens, pad_token_id, **kwargs):
        assert not self.training
        self.calls.append(kwargs)
        written = torch.full((len(input_ids), max_new_tokens), pad_token_id)
        for i, (row, mask) in enumerate(zip(input_ids, attention_mask)):
            assert (row[mask == 0] == pad_token_id).all()
            assert mask.diff().min() >= 0  # padding stands on the left
            prompt = Characters().decode(row[mask == 1].tolist())
            self.prompts.append(prompt)
            text = self.write(prompt)[:max_new_tokens]
            written[i, : len(text)] = torch.tensor([ord(each) for each in text])
        return torch.cat([input_ids, written], dim=1)


def make_case(domain, n_contexts=6, n_questions=5, mode="prompt"):
    """Questions, one of them none, and what a model that knows all would write."""
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, n_contexts)
    questions = domain.sample_questions(rng, contexts, n_questions)
    questions[2, 3] = 0
    truths = domain.truth(contexts, questions) * (questions[..., 0] != 0)
    encoding = ObservationEncoding(domain, mode)
    facts = np.repeat(contexts["facts"], n_questions, axis=0)
    prompts = encoding.encode(facts, questions.reshape(len(facts), -1))
    known = {
        prompt: f"<answer>{domain.answer_text(int(truth))}</answer>"
        for prompt, truth in zip(prompts, truths.ravel())
    }
    return contexts, questions, truths, known


@pytest.mark.parametrize("mode", ["prompt", "text"])
@pytest.mark.parametrize("domain", [Permutation(12), ShortestPath(5), Wildcard(8)], ids=repr)
def test_the_answers_are_what_the_model_writes(domain, mode):
    contexts, questions, truths, known = make_case(domain, mode=mode)
    model = Stub(known.__getitem__).train()
    assistant = CausalAssistant(model, Characters(), domain, mode, batch_size=4)
    np.testing.assert_array_equal(assistant.answer(contexts, questions), truths)
    assert model.training
    assert assistant.n_answers == 29
    assert assistant.n_unparsed == assistant.n_too_long == 0
    assert len(model.prompts) == len(set(model.prompts)) <= 29  # equal ones are put once
    assert not assistant.answer(contexts, questions * 0).any()


def test_sampled_answers_are_written_one_by_one():
    contexts, questions, truths, known = make_case(Permutation(4))
    model = Stub(known.__getitem__)
    assistant = CausalAssistant(model, Characters(), Permutation(4), temperature=0.7)
    twice = np.concatenate([questions, questions], axis=1)
    answers = assistant.answer(contexts, twice)
    np.testing.assert_array_equal(answers, np.concatenate([truths, truths], axis=1))
    assert len(model.prompts) == 58
    assert {call["do_sample"] for call in model.calls} == {True}
    assert {call["temperature"] for call in model.calls} == {0.7}


def test_amplification_helps_a_model_that_knows_shallow_questions():
    """It knows powers below 4; the overseer with its help knows those below 8."""
    domain = Permutation(6, max_power=16)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 40)
    questions = domain.sample_questions(rng, contexts, 6)

    def write(prompt):
        facts, question = prompt.splitlines()
        image = dict(each.removeprefix("σ(").split(") = ") for each in facts.split("; "))
        power, name = question.removeprefix("σ^").removesuffix(") = ?").split("(")
        for _ in range(int(power)):
            name = image[name]
        return name if int(power) < 4 else "hm"

    assistant = CausalAssistant(Stub(write), Characters(), domain, "text")
    depths = domain.depth(contexts, questions)
    for level in range(3):
        right = domain.is_correct(contexts, questions, assistant.answer(contexts, questions))
        np.testing.assert_array_equal(right, depths <= level + 1)
        assistant = AmplifiedAssistant(ScriptedOverseer(domain), assistant, rng)


@pytest.mark.parametrize("text", ["", "no idea", "<answer>σ</answer>", "五", "\x02\x03"])
def test_what_it_cannot_say_is_idk(text):
    contexts, questions, _, _ = make_case(Permutation(4))
    assistant = CausalAssistant(Stub(lambda prompt: text), Characters(), Permutation(4))
    assert (assistant.answer(contexts, questions) == IDK).all()
    assert assistant.n_unparsed == assistant.n_answers == 29


def test_prompts_longer_than_the_context_window_are_idk():
    contexts, questions, _, known = make_case(Permutation(4), mode="text")
    lengths = sorted(len(prompt) for prompt in known)
    model = Stub(known.__getitem__, window=lengths[-1] + 31)
    assistant = CausalAssistant(model, Characters(), Permutation(4), "text", max_new_tokens=31)
    assert (assistant.answer(contexts, questions) > 0).sum() == 29
    short = Stub(known.__getitem__, window=lengths[0] + 30)
    assistant = CausalAssistant(short, Characters(), Permutation(4), "text", max_new_tokens=31)
    assert not assistant.answer(contexts, questions).any()
    assert assistant.n_too_long > 0
    assert not short.calls


def test_without_a_padding_token_the_end_pads():
    contexts, questions, truths, known = make_case(Permutation(12))
    domain = Permutation(12)
    assistant = CausalAssistant(Stub(known.__getitem__), Characters(pad=None), domain)
    assert assistant.pad_token_id == END
    np.testing.assert_array_equal(assistant.answer(contexts, questions), truths)
    with pytest.raises(ValueError, match="must have a padding or an end-of-text token"):
        CausalAssistant(Stub(str), Characters(pad=None, end=None), domain)


def test_a_chat_template_makes_messages_of_prompts():
    class Chatting(Characters):
        chat_template = "..."

        def apply_chat_template(self, messages, tokenize, add_generation_prompt):
            assert add_generation_prompt
            assert not tokenize
            return f"[{messages[0]['role']}] {messages[0]['content']} [assistant]"

    contexts, questions, truths, known = make_case(Permutation(4))
    model = Stub(lambda text: known[text.removeprefix("[user] ").removesuffix(" [assistant]")])
    assistant = CausalAssistant(model, Chatting(), Permutation(4))
    np.testing.assert_array_equal(assistant.answer(contexts, questions), truths)


def test_arguments_out_of_range_are_refused():
    for kwargs, message in (
        ({"observation": "tokens"}, "observation must be one of"),
        ({"max_new_tokens": 0}, "max_new_tokens must be in"),
        ({"temperature": -1}, "temperature must be a number in"),
        ({"batch_size": 0}, "batch_size must be in"),
    ):
        with pytest.raises(ValueError, match=message):
            CausalAssistant(Stub(str), Characters(), Permutation(4), **kwargs)
