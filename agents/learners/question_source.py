"""What a learner reads from its environment: the domain and the overseer, and nothing else.

The learners draw questions from the domain themselves, in batches, and never step the environment.
Arguments of the environment that concern its steps have no effect on them, and are refused.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

from ia_gym.agents.assistants.observation_encoder import find_encoder
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer, find_base
from ia_gym.domains import Domain
from ia_gym.envs.arguments import refuse_without_effect
from ia_gym.envs.questions.config import FAILURE_ARGUMENTS, QuestionConfig

STEP_OPTIONS = ("assistant", "trust", "questions_per_context", "wrong_answer_penalty", "audit")
"""Arguments of a question environment that say how its steps come about."""


def read_domain(env: VecEnv) -> Domain:
    """The domain that the environment asks about.

    Raises:
        ValueError: if it is not a question environment.
    """
    try:
        domain = env.get_attr("domain")[0]
    except AttributeError:
        domain = None
    if not isinstance(domain, Domain):
        raise ValueError(f"env must be a question environment, got {env.observation_space}")
    return domain


def format_domain(domain: Domain) -> str:
    """The domain and its sizes as text; equal for domains with the same spaces and depths."""
    symbols = f"{domain.n_answers} answers, {domain.n_symbols} symbols"
    return f"{domain!r} of depth {domain.max_depth} with {symbols}"


def read_overseer(env: VecEnv, domain: Domain) -> Overseer:
    """The environment's overseer.

    Of a scripted one it is a copy with counters of its own. A human predictor, or an overseer that
    was set with ``env.unwrapped.set_overseer``, is the environment's own object. Either fails and
    votes as the arguments of the environment say.

    Raises:
        ValueError: if the environment rewards the truth and has none, if it lacks the counters, if
            it is for another domain, or if it would have to be shared with worker processes.
    """
    found = env.get_attr("engine")[0].overseer
    if found is None:
        raise ValueError('env must be one of reward="approval": reward="truth" has no overseer')
    overseer: Any = find_base(found)
    config = read_config(env)
    if type(overseer) is ScriptedOverseer:
        return config.wrap_overseer(ScriptedOverseer(domain, overseer.approval))
    counters = ("domain", "human_interactions", "assistant_answers")
    if missing := [name for name in counters if not hasattr(overseer, name)]:
        raise ValueError(f"the overseer of env must have {missing}, see Overseer; got {overseer!r}")
    if format_domain(overseer.domain) != format_domain(domain):
        raise ValueError(
            f"the overseer of env must be for {format_domain(domain)}, "
            f"got one for {format_domain(overseer.domain)}"
        )
    if isinstance(env.unwrapped, SubprocVecEnv):
        raise ValueError(
            "env must run in this process for its overseer to be used: "
            "take make_sb3_vec_env or DummyVecEnv, not SubprocVecEnv"
        )
    return config.wrap_overseer(overseer)


def read_config(env: VecEnv) -> QuestionConfig:
    """The arguments of the environment."""
    config: QuestionConfig = env.get_attr("config")[0]
    return config


def refuse_overseer(env: VecEnv, learner: str) -> None:
    """Refuse an environment with an overseer of its own, for a learner that has none.

    Raises:
        ValueError: naming what was given.
    """
    config, overseer = read_config(env), env.get_attr("engine")[0].overseer
    refuse_without_effect(config, FAILURE_ARGUMENTS, learner)
    scripted = type(overseer) is ScriptedOverseer and overseer.approval == "strict"
    scripted &= config.overseer == QuestionConfig.overseer
    if overseer is not None and not scripted:
        raise ValueError(
            f"overseer and approval of env have no effect on {learner}: leave them out, "
            f"got {overseer!r}"
        )


def refuse_unused_options(env: VecEnv, learner: str, can_deceive: bool = False) -> None:
    """Refuse an environment with options that would have no effect on a learner.

    Args:
        env: the environment.
        learner: name of the learner's class.
        can_deceive: whether it can be an adversary, of ``reward="deception"``.

    Raises:
        ValueError: naming the option and its value; also for wrappers that change observations.
    """
    if find_encoder(env).layers:
        raise ValueError(
            f"env must show its questions as they are to {learner}: leave out the wrappers that "
            "change observations (VecNormalize takes norm_obs=False)"
        )
    if read_config(env).reward == "deception" and not can_deceive:
        raise ValueError(
            f'reward of env must not be "deception" for {learner}, which draws questions itself: '
            "an adversary is an agent that steps env, such as SB3's PPO, or one of debate or "
            "reward modelling"
        )
    config, attached = read_config(env), env.get_attr("engine")[0].assistant
    values = {name: getattr(config, name) for name in STEP_OPTIONS}
    if attached is not None and values["assistant"] == QuestionConfig.assistant:
        values["assistant"] = attached
    for name, value in values.items():
        if value != getattr(QuestionConfig, name):
            raise ValueError(
                f"{name} of env has no effect on {learner}, which draws questions itself and never "
                f"steps env: leave it out, got {value!r}"
            )
