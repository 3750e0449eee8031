"""The trials of a search, in an Optuna study on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from ia_gym.experiments.tuning.search_space import Parameter

STUDY = "study.db"
"""The study's SQLite file in the folder of a search."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class SearchStudy:
    """An Optuna study that survives its process.

    Every trial's values depend on the seed, the trial's number and the trials before it, so that a
    search with one run at a time, stopped and resumed, tries the same values as one that was not.

    Args:
        folder: holds the study's file; the study in it is continued.
        space: what to vary.
        pruner: which trials to stop early.
        seed: of the sampler (Optuna's TPE).
    """

    def __init__(
        self, folder: Path, space: list[Parameter], pruner: optuna.pruners.BasePruner, seed: int
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.seed = space, seed
        self.study = optuna.create_study(
            storage=f"sqlite:///{(folder / STUDY).resolve()}",
            study_name="ia-gym",
            direction="maximize",
            pruner=pruner,
            load_if_exists=True,
        )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials so far."""
        return self.study.get_trials(deepcopy=False)

    def draw(self, n_trials: int) -> Iterator[tuple[optuna.Trial, dict[str, Any]]]:
        """Trials to run, until the study has ``n_trials``: first those that were interrupted.

        Yields:
            A trial, and its values by name.
        """
        interrupted = [trial for trial in self.trials if trial.state == TrialState.RUNNING]
        for frozen in interrupted:
            self.study.sampler = self._make_sampler(frozen.number)
            trial = optuna.Trial(self.study, frozen._trial_id)  # its values are those it had
            yield trial, {each.name: each.suggest(trial) for each in self.space}
        while len(self.trials) < n_trials:
            self.study.sampler = self._make_sampler(len(self.trials))
            trial = self.study.ask()
            yield trial, {each.name: each.suggest(trial) for each in self.space}

    def _make_sampler(self, number: int) -> optuna.samplers.TPESampler:
        """The sampler of a trial, whose random numbers depend on the trial's number."""
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)

    def finish(self, trial: optuna.Trial, score: float | None, pruned: bool) -> None:
        """Record how a trial ended.

        Args:
            trial: the trial.
            score: its result; None if it has none.
            pruned: whether it was stopped early; without a result, it has failed otherwise.
        """
        if score is not None:
            self.study.tell(trial, score)
        else:
            self.study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)
