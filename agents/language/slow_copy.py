"""A slow copy of the model that is trained, as the overseer's assistant."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ia_gym.agents.language.causal_assistant import CausalAssistant
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.validation import check_range


class SlowCopyCallback(TrainerCallback):  # type: ignore[misc]
    """Keeps the Polyak average of a model's parameters, and lets it answer the sub-questions.

    It is to language models what :class:`~ia_gym.agents.AmplificationCallback` is to SB3's agents::

        copy = SlowCopyCallback(model, tokenizer, questions.domain)
        approval = ApprovalReward(questions, copy.assistant)
        trainer = GRPOTrainer(model, approval, config, dataset, callbacks=[copy], ...)

    Args:
        model: the model that the trainer trains.
        tokenizer: its tokenizer.
        domain: of the questions.
        observation: "prompt" or "text", as in training.
        polyak_tau: weight of the latest parameters in the average at each renewal, in (0, 1]; 1 for
            a snapshot.
        period: optimizer steps from one renewal to the next.
        temperature: of the sampled sub-answers; 1 samples as the training does.
        **assistant_kwargs: further arguments of
            :class:`~ia_gym.agents.language.CausalAssistant`.

    Attributes:
        assistant: answers with the copy.

    Raises:
        ValueError: for a value out of range.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        domain: Any,
        observation: str = "prompt",
        *,
        polyak_tau: float = 0.1,
        period: int = 1,
        temperature: float = 1.0,
        **assistant_kwargs: Any,
    ) -> None:
        self.period = check_range("period", period, 1, 10**9)
        self.average = make_polyak_average(model, polyak_tau)
        self.assistant = CausalAssistant(
            self.average.module,
            tokenizer,
            domain,
            observation,
            temperature=temperature,
            **assistant_kwargs,
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Renew the copy."""
        if state.global_step % self.period == 0:
            model = kwargs["model"]
            self.average.update_parameters(getattr(model, "module", model))
