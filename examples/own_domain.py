"""A domain of your own: the value of a node in a tree of sums, differences and products, modulo 7.

Node i has the children 2i and 2i + 1. The overseer looks at the node; if it holds an operator, it
asks for the values of the children and combines them. Arrays have the axes (contexts, questions).
"""

import gymnasium as gym
import numpy as np
import torch
import typer

from ia_gym import register_domain
from ia_gym.agents import EvaluationCallback, ImitationIA, QuestionEvaluator
from ia_gym.domains import Domain
from ia_gym.domains.batch_arrays import pick, take
from ia_gym.domains.transcript import IDK

MODULUS = 7
VALUE, LOOK = 0, 1  # kinds: value(node), for the assistant; look(node), which is primitive


class Expression(Domain):
    """Symbols: 0 is idk; then the numbers 0..6; the nodes; "+", "-", "*"; and the two kinds."""

    name = "Expression"
    base_size = 15
    kinds = ("value",)
    subquestions_per_round = (1, 2)  # look(node); then the values of the children

    def __init__(self, size=15, max_size=None):
        super().__init__(size, max_size)
        nodes = [f"node {node}" for node in range(1, self.max_size + 1)]
        self.texts = ["idk", *map(str, range(MODULUS)), *nodes, "+", "-", "*", "value", "look"]
        self.n_answers, self.n_symbols = 1 + MODULUS, len(self.texts)
        self.operators = self.n_answers + self.max_size + np.arange(3)
        self.kind_symbol = self.n_symbols - 2
        self.fact_shape, self.question_length = (self.max_size, 2), 2
        self.max_depth = self.max_size.bit_length()
        fields = [(field, int, 2 * self.max_size + 2) for field in ("rule", "value", "depth")]
        self.context_dtype = np.dtype([("facts", int, self.fact_shape), *fields])

    def combine(self, operator, left, right):
        results = [left + right, left - right, left * right]
        return np.choose(operator - self.operators[0], results, mode="clip") % MODULUS

    def sample_contexts(self, rng, count, size=None):
        size = size or self.size
        contexts = np.zeros(count, self.context_dtype)
        rule, value, depth = (contexts[field] for field in ("rule", "value", "depth"))
        for node in range(size, 0, -1):
            left, right = 2 * node, 2 * node + 1
            if right > size:
                value[:, node] = rng.integers(MODULUS, size=count)
                rule[:, node], depth[:, node] = 1 + value[:, node], 1
            else:
                rule[:, node] = rng.choice(self.operators, count)
                value[:, node] = self.combine(rule[:, node], value[:, left], value[:, right])
                depth[:, node] = 1 + depth[:, left]
        contexts["facts"][:, :size, 0] = self.n_answers + np.arange(size)
        contexts["facts"][:, :size, 1] = rule[:, 1 : size + 1]
        return contexts

    def make_questions(self, kind, nodes):
        rows = np.stack([np.full_like(nodes, self.kind_symbol + kind), MODULUS + nodes], axis=-1)
        return rows * (nodes > 0)[..., None]  # a row of zeros is no question

    def sample_questions(self, rng, contexts, count, depths=None):
        allowed = np.isin(contexts["depth"], self.check_depths(depths))
        return self.make_questions(VALUE, pick(rng, allowed, count))

    def read(self, field, contexts, questions):  # a field of the node in question
        return take(contexts[field], np.maximum(questions[..., 1] - MODULUS, 0))

    def truth(self, contexts, questions):
        return 1 + self.read("value", contexts, questions)

    def depth(self, contexts, questions):
        return self.read("depth", contexts, questions) * ~self.is_primitive(questions)

    def dependencies(self, kind, depth):
        return [(0, lower) for lower in range(depth)]

    def is_primitive(self, questions):
        return questions[..., 0] == self.kind_symbol + LOOK

    def look_up(self, rng, contexts, questions):
        return self.read("rule", contexts, questions)

    def ask(self, rng, round, contexts, questions, transcript):
        node, rule = np.maximum(questions[..., 1:] - MODULUS, 0), transcript.answers[..., :1]
        if round == 0:
            return self.make_questions(LOOK, node)
        return self.make_questions(VALUE, (2 * node + [0, 1]) * (rule >= self.operators[0]))

    def answer(self, contexts, questions, transcript):
        rule, left, right = np.moveaxis(transcript.answers, -1, 0)
        result = (1 + self.combine(rule, left - 1, right - 1)) * ((left != IDK) & (right != IDK))
        return np.where(rule < self.n_answers, rule, result)

    def symbol_text(self, symbol):
        return self.texts[symbol]


register_domain(Expression)


def main(timesteps: int = 2_000_000) -> None:
    """Train on the amplified overseer's answers, and print the accuracy ten times."""
    torch.set_num_threads(1)
    evaluator = QuestionEvaluator("IA-Expression-v0")
    evaluation = EvaluationCallback(
        evaluator, timesteps // 10, lambda row: print(row["eval/accuracy"])
    )
    ImitationIA(env=gym.make("IA-Expression-v0"), seed=0).learn(timesteps, evaluation)


if __name__ == "__main__":
    typer.run(main)
