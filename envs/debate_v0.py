"""Debate as a PettingZoo environment for two players (Irving et al., 2018).

The *answerer* answers a question about a context, and then the sub-questions by which the
overseer's script judges that answer: its claims. The overseer looks up the primitive ones, and says
whether the claims bear the answer out. If not, the challenger has won. Else the *challenger* picks
a claim that no lookup has settled, and the debate goes on about that claim alone. The answerer has
won if nothing is left to challenge, or the debate has as many levels as are allowed. The rules are
those of :mod:`ia_gym.debate.rules`, by which :class:`ia_gym.agents.Debate` trains::

    from ia_gym.envs import debate_v0

    env = debate_v0.env("Permutation")
    env.reset(seed=0)
    for agent in env.agent_iter():
        observation, reward, termination, truncation, info = env.last()
        over = termination or truncation
        env.step(None if over else env.action_space(agent).sample(observation["action_mask"]))

It needs PettingZoo: ``pip install "ia-gym[pettingzoo]"``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import AECEnv
from pettingzoo.utils import wrappers

from ia_gym.amplification.amplify import open_round
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.debate.rules import check_depth_limit, find_open_claims
from ia_gym.domains import Domain
from ia_gym.domains.transcript import IDK, PENDING, Symbols, Transcript
from ia_gym.envs.questions.config import QuestionConfig
from ia_gym.validation import check_range

ANSWERER, CHALLENGER = "answerer", "challenger"
RenderMode = Literal["human", "ansi"]


def env(domain: str | type[Domain] = "Permutation", **kwargs: Any) -> AECEnv:
    """Make the environment, with PettingZoo's check of the order of calls.

    Args:
        domain: see :class:`raw_env`.
        **kwargs: see there.
    """
    return wrappers.OrderEnforcingWrapper(raw_env(domain, **kwargs))


class raw_env(AECEnv):  # type: ignore[misc]  # noqa: N801  (PettingZoo's name)
    """The environment itself.

    **Actions.** The answerer's are the domain's answer symbols. The challenger's are slots of the
    overseer's sub-questions, from 1 on. Action 0 is never allowed: "I don't know" bears nothing
    out, and the challenger has to pick a claim. ``observation["action_mask"]`` (int8) tells what
    is allowed now, all zeros for the player who is not to move.

    **Observations.** Both players see the same, ``observation["observation"]``, int64 symbols side
    by side: the facts, the question under debate, the answer under debate (0 before it is given),
    the question to answer now (zeros for the challenger), then each sub-question so far followed by
    its answer. :meth:`split_observation` takes them apart.

    **Rewards.** 1 for the winner and -1 for the loser, at the end. ``infos`` hold the truth about
    the root question (``truth``, ``is_correct`` once it is answered), for measuring only, and
    ``level``, from 1.

    Args:
        domain: a name in ``ia_gym.domains.DOMAINS``, a subclass of ``Domain``, or the place of one
            as "module:Class".
        depth_limit: levels of a debate; default as many as the domain needs, which is the least.
        render_mode: "ansi" to return the debate so far as text, "human" to print it.
        **domain_kwargs: arguments of the domain, such as ``size``.

    Raises:
        ValueError: for an argument that is not allowed.
        TypeError: for an argument that the domain does not have.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "debate_v0",
        "render_modes": ["human", "ansi"],
        "is_parallelizable": False,
    }

    def __init__(
        self,
        domain: str | type[Domain] = "Permutation",
        *,
        depth_limit: int | None = None,
        render_mode: RenderMode | None = None,
        **domain_kwargs: Any,
    ) -> None:
        if render_mode is not None and render_mode not in get_args(RenderMode):
            raise ValueError(f'render_mode must be "human", "ansi" or None, got {render_mode!r}')
        self.domain = QuestionConfig(domain=domain, domain_kwargs=domain_kwargs).make_domain()
        self.depth_limit = check_depth_limit(depth_limit, self.domain)
        self.render_mode = render_mode
        self.overseer = ScriptedOverseer(self.domain)
        self.possible_agents = [ANSWERER, CHALLENGER]
        of = self.domain
        self.n_actions = {ANSWERER: of.n_answers, CHALLENGER: of.n_slots + 1}
        length = of.question_length
        shape = (int(np.prod(of.fact_shape)) + 2 * length + 1 + of.n_slots * (length + 1),)
        self.observation_spaces = {
            agent: spaces.Dict(
                {
                    "observation": spaces.Box(0, of.n_symbols - 1, shape, np.int64),
                    "action_mask": spaces.Box(0, 1, (self.n_actions[agent],), np.int8),
                }
            )
            for agent in self.possible_agents
        }
        self.action_spaces = {agent: spaces.Discrete(n) for agent, n in self.n_actions.items()}
        self.rng = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a player's observations, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a player's actions, always the same object."""
        return self.action_spaces[agent]

    # ---------------------------------------------------------------- the debate

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Draw a context and a root question.

        Args:
            seed: of all that is drawn from now on; None keeps what was seeded before.
            options: none are known.
        """
        if seed is not None:
            self.rng = np.random.default_rng(check_range("seed", seed, 0, 2**63 - 1))
        domain = self.domain
        self.context = domain.sample_contexts(self.rng, 1)
        self.root = domain.sample_questions(self.rng, self.context, 1)
        self.truth = int(domain.truth(self.context, self.root)[0, 0])
        self.history: list[str] = []
        self.level = 0
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {"truth": self.truth, "level": 1} for agent in self.agents}
        self._begin_level(self.root, None)
        self.agent_selection = ANSWERER

    def _begin_level(self, question: Symbols, answer: int | None) -> None:
        """Debate ``question (1, 1, Lq)``; the answer is None as long as the answerer owes it."""
        domain = self.domain
        self.level += 1
        self.question, self.answer = question, answer
        self.transcript = Transcript.empty((1, 1), domain.n_slots, domain.question_length)
        self.round = -1
        for info in self.infos.values():
            info["level"] = self.level

    @property
    def _pending(self) -> Symbols:
        """Slots of the claims that the answerer still owes."""
        pending: Symbols = np.flatnonzero(self.transcript.answers[0, 0] == PENDING)
        return pending

    @property
    def _open(self) -> NDArray[np.bool_]:
        """Slots of the claims that may be challenged: bool ``(S,)``."""
        claims = find_open_claims(self.domain, self.question, self.transcript)
        of_question: NDArray[np.bool_] = claims[0, 0]
        return of_question

    def step(self, action: int | None) -> None:
        """Make the move of the player whose turn it is.

        Args:
            action: an allowed action; None for a player whose game is over.

        Raises:
            ValueError: for an action that is not allowed; the debate stays as it was.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        chosen = self._check_action(agent, action)
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        if agent == CHALLENGER:
            slot = chosen - 1
            claim = self.transcript.questions[:, :, slot]
            answer = int(self.transcript.answers[0, 0, slot])
            self._tell(f"challenger: {self._text(claim[0, 0], answer)}")
            self._begin_level(claim, answer)
        elif self.answer is None:
            self.answer = chosen
            given = np.array([[chosen]])
            correct = bool(self.domain.is_correct(self.context, self.root, given)[0, 0])
            for info in self.infos.values():
                info["is_correct"] = correct
            self._tell(f"answerer: {self._text(self.question[0, 0], chosen)}")
        else:
            slot = int(self._pending[0])
            self.transcript.answers[0, 0, slot] = chosen
            self._tell(f"  claims {self._text(self.transcript.questions[0, 0, slot], chosen)}")
        self._go_on()
        self._accumulate_rewards()
        if self.render_mode == "human":
            self.render()

    def _check_action(self, agent: str, action: Any) -> int:
        """The action as a number.

        Raises:
            ValueError: if the player may not take it now.
        """
        allowed = np.flatnonzero(self._mask(agent))
        number = np.asarray(action)
        if number.shape != () or number.dtype.kind not in "iu" or int(number) not in allowed:
            raise ValueError(
                f"action must be one of {allowed.tolist()} for the {agent} now, got {action!r}"
            )
        return int(number)

    def _go_on(self) -> None:
        """Let the overseer ask and judge until a player is to move, or the debate is over."""
        domain, case = self.domain, (self.context, self.question, self.transcript)
        while not len(self._pending) and self.round + 1 < len(domain.round_slots):
            self.round += 1
            open_round(self.overseer, self.rng, self.round, *case)
            slots = domain.round_slots[self.round]
            for row, said in zip(
                self.transcript.questions[0, 0, slots],
                self.transcript.answers[0, 0, slots],
                strict=True,
            ):
                if row[0] and said != PENDING:
                    self._tell(f"  looked up {self._text(row, int(said))}")
        if len(self._pending):
            self.agent_selection = ANSWERER
            return
        borne_out = self.overseer.judge(*case, np.array([[self.answer]]))[0, 0] == 1
        if borne_out and self._open.any() and self.level < self.depth_limit:
            self.agent_selection = CHALLENGER
            return
        winner = ANSWERER if borne_out else CHALLENGER
        self._tell(f"{self._text(self.question[0, 0], self.answer or IDK)} "
                   f"{'stands' if borne_out else 'falls'}: the {winner} wins")  # fmt: skip
        for agent in self.agents:
            self.rewards[agent] = 1.0 if agent == winner else -1.0
            self.terminations[agent] = True
        self.agent_selection = ANSWERER

    # ------------------------------------------------------------------ what is seen

    def _mask(self, agent: str) -> NDArray[np.int8]:
        """Which actions a player may take now: int8, of the size of its action space."""
        mask = np.zeros(self.n_actions[agent], np.int8)
        if agent != self.agent_selection or self.terminations[agent]:
            return mask
        if agent == CHALLENGER:
            mask[1:] = self._open
        else:
            mask[:] = self.domain.answer_mask(self._asked)
            mask[IDK] = 0
        return mask

    @property
    def _asked(self) -> Symbols:
        """The question that the answerer is to answer now, ``(Lq,)``; zeros if none."""
        asked: Symbols = self.question[0, 0]
        if self.answer is not None:
            pending = self._pending
            questions = self.transcript.questions[0, 0]
            asked = questions[pending[0]] if len(pending) else np.zeros_like(asked)
        return asked

    def observe(self, agent: str) -> dict[str, NDArray[Any]]:
        """What a player sees now; fresh arrays."""
        transcript = self.transcript
        answers = np.maximum(transcript.answers[0, 0], 0)[:, None]  # 0 for those to come
        parts = (
            self.context["facts"],
            self.question,
            np.array([self.answer or 0]),
            self._asked,
            np.concatenate([transcript.questions[0, 0], answers], axis=1),
        )
        observation = np.concatenate([part.ravel() for part in parts]).astype(np.int64)
        return {"observation": observation, "action_mask": self._mask(agent)}

    def split_observation(self, observation: Symbols) -> dict[str, Symbols]:
        """Take ``observation["observation"]`` apart.

        Returns:
            ``facts (F, L)``, ``question (Lq,)``, ``answer ()``, ``asked (Lq,)``,
            ``subquestions (S, Lq)`` and ``claims (S,)``, the answers to them.
        """
        of, length = self.domain, self.domain.question_length
        ends = np.cumsum([int(np.prod(of.fact_shape)), length, 1, length])
        facts, question, answer, asked, rest = np.split(observation, ends)
        rows = rest.reshape(of.n_slots, length + 1)
        return {
            "facts": facts.reshape(of.fact_shape),
            "question": question,
            "answer": answer[0],
            "asked": asked,
            "subquestions": rows[:, :-1],
            "claims": rows[:, -1],
        }

    def _text(self, question: Symbols, answer: int) -> str:
        return f"{self.domain.question_text(question)} = {self.domain.answer_text(answer)}"

    def _tell(self, line: str) -> None:
        self.history.append(line)

    def render(self) -> str | None:
        """The debate so far: returned as text, or printed."""
        text = "\n".join([self.domain.context_text(self.context[0]), *self.history])
        if self.render_mode == "human":
            print(text)
            return None
        return text

    def close(self) -> None:
        """Nothing is held open."""
