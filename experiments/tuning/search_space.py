"""A search space: which settings of an agent to vary, and over what values."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import optuna
import yaml

from ia_gym.experiments.recipe import TrainingRecipe
from ia_gym.experiments.settings import Settings, merge

FIXED = ("algorithm", "target_accuracy", "patience")
"""Settings that a search does not vary: the algorithm, and what else would stop a run."""
RANGE_KEYS = {"low", "high", "log", "step"}
MAX_CHOICES = 1000


@dataclass(frozen=True)
class Parameter:
    """A setting to vary.

    Attributes:
        name: its place in the settings, such as "model.learning_rate".
        choices: the values to choose from; None for a range.
        low: the smallest value of a range; whole numbers if this and ``high`` are.
        high: the largest value of a range, included.
        log: whether a range is searched on a logarithmic scale.
        step: distance of neighbouring values in a range; None for any.
    """

    name: str
    choices: tuple[Any, ...] | None = None
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None

    @property
    def extremes(self) -> list[Any]:
        """The values that are checked before the search: all choices, or the ends of a range."""
        return [self.low, self.high] if self.choices is None else list(self.choices)

    def suggest(self, trial: optuna.Trial) -> Any:
        """A value for ``trial``."""
        if self.choices is not None:
            # Optuna keeps scalars alone; lists are kept as JSON.
            labels = {_label(value): value for value in self.choices}
            return labels[trial.suggest_categorical(self.name, list(labels))]
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        if whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(
                self.name, int(self.low), int(self.high), step=step, log=self.log
            )
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)


def read_search_space(path: str | os.PathLike[str]) -> list[Parameter]:
    """Read a YAML file that maps names of settings to values or ranges.

    .. code-block:: yaml

        model.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}   # a range, on a log scale
        model.n_epochs: {low: 1, high: 4}                             # whole numbers
        n_envs: [64, 128, 256]                                        # a choice

    Raises:
        ValueError: if it is not one; the message names the file, and the parameter.
    """
    try:
        content = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"space must be a YAML file: {path}: {error}") from error
    if not isinstance(content, dict) or not content:
        raise ValueError(f"space must map names of settings to values, got {content!r} in {path}")
    return [_read_parameter(name, value) for name, value in content.items()]


def _read_parameter(name: Any, value: Any) -> Parameter:
    if not isinstance(name, str):
        raise ValueError(f"space must name settings, got {name!r}")
    if isinstance(value, list) and 1 <= len(value) <= MAX_CHOICES:
        choices = tuple(read_number(each) for each in value)
        if len({_label(each) for each in choices}) < len(choices):
            raise ValueError(f"space must give {name} distinct values, got {value!r}")
        return Parameter(name, choices)
    wanted = (
        f"space must give {name} a list of values, or {{low: ..., high: ...}} with low < high, "
        f"and log: true or step: ... as you like; got {value!r}"
    )
    if not isinstance(value, dict) or not {"low", "high"} <= value.keys() <= RANGE_KEYS:
        raise ValueError(wanted)
    low, high, step = (read_number(value.get(key)) for key in ("low", "high", "step"))
    log = value.get("log", False)
    numbers = [low, high, *([] if step is None else [step])]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
        raise ValueError(wanted)
    if not all(math.isfinite(each) for each in numbers) or not low < high:
        raise ValueError(wanted)
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise ValueError(f"{wanted}; log needs low > 0 and no step")
    whole = isinstance(low, int) and isinstance(high, int)
    if step is not None and (step <= 0 or (whole and not isinstance(step, int))):
        raise ValueError(f"{wanted}; step must be above 0, and whole between whole numbers")
    if whole or step is not None:
        return Parameter(name, None, low, high, log, step)
    return Parameter(name, None, float(low), float(high), log)


def read_number(value: Any) -> Any:
    """``value``, with the number for a text such as "1e-4", which YAML takes for no number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _label(value: Any) -> Any:
    """What Optuna keeps of a choice."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def apply_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with values in the places that their names say.

    Raises:
        ValueError: for a name of no setting, or a value that is not allowed.
    """
    whole = asdict(settings)
    for name, value in values.items():
        head, *rest = name.split(".")
        known = [field.name for field in fields(Settings) if field.name not in FIXED]
        nested = isinstance(whole.get(head), dict) or head in ("amplification", "curriculum")
        if head not in known or not all(rest) or bool(rest) != nested:
            inside = " or ".join(
                f"{each}.ARGUMENT" if isinstance(getattr(settings, each), dict | None) else each
                for each in known
            )
            raise ValueError(f"space must name settings, {inside}, got {name!r}")
        part: Any = value
        for key in reversed(rest):
            part = {key: part}
        whole = merge({**whole, head: whole[head] or {}} if rest else whole, {head: part})
    return Settings(**whole)


def check_search_space(env_id: str, settings: Settings, space: list[Parameter]) -> None:
    """Refuse a space with a name or a value that the agent does not take, before any trial.

    Environment, agent and callbacks are made once with each choice and the ends of each range,
    everything else as in ``settings``.

    Raises:
        ValueError: naming the parameter and the value.
    """
    for parameter in space:
        for value in parameter.extremes:
            changed = apply_values(settings, {parameter.name: value})
            try:
                recipe = TrainingRecipe(env_id, changed)
                with closing(recipe.make_env()) as env:
                    recipe.model_class(env=env, **recipe.model_kwargs)
                    recipe.make_callbacks()
            except (TypeError, ValueError, AssertionError, AttributeError, LookupError) as error:
                reason = " ".join(str(error).split())
                raise ValueError(
                    f"space must give settings that the agent takes, got {parameter.name} = "
                    f"{value!r}: {reason}"
                ) from error
