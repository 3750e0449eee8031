"""Language models as agents: rewards, assistants, and the forms that their trainers want.

- ``rewards.py``: approval, truth and form as reward functions of TRL's trainers.
- ``causal_assistant.py``: a causal language model as the overseer's assistant.
- ``prompts.py``: an endless data set of prompts for TRL.
- ``slow_copy.py``: keeps a slow copy of the model that is trained, as its assistant.
- ``tiny_model.py``: a small model and its tokenizer, made from a domain's vocabulary.
- ``procedural_dataset.py``: the questions in reasoning-gym's form.

``prompts.py``, ``slow_copy.py`` and ``tiny_model.py`` need the packages of ``ia-gym[trl]``, the
others none.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "ApprovalReward": "rewards",
    "CausalAssistant": "causal_assistant",
    "FormatReward": "rewards",
    "QuestionDataset": "procedural_dataset",
    "SlowCopyCallback": "slow_copy",
    "TruthReward": "rewards",
    "make_prompt_dataset": "prompts",
    "make_tiny_model": "tiny_model",
    "make_tokenizer": "tiny_model",
    "register_with_reasoning_gym": "procedural_dataset",
}

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    """Import public names on first use: some need packages that the others do without."""
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
