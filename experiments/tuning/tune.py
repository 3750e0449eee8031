"""The search over an agent's settings: trials, their progress, and the table at the end."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import TrialState
from rich.console import Console

from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class, make_evaluator
from ia_gym.experiments import provenance
from ia_gym.experiments.execution.executor import Row, execute
from ia_gym.experiments.execution.make_executor import check_engine, make_executor
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.recipe import EVALUATIONS
from ia_gym.experiments.reports.formatting import DASH, format_known, format_percent
from ia_gym.experiments.reports.terminal_tables import print_rows
from ia_gym.experiments.run import Run
from ia_gym.experiments.run_folder import (
    ERROR,
    RESULT,
    RUN,
    clear_folder,
    is_resumable,
    lock_folder,
    prepare_folder,
    read_result,
)
from ia_gym.experiments.settings import Settings, load_settings
from ia_gym.experiments.signals import raise_on_sigterm
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.experiments.tuning.pruners import make_pruner
from ia_gym.experiments.tuning.search_space import (
    apply_values,
    check_search_space,
    read_search_space,
)
from ia_gym.experiments.tuning.study import FINISHED, STUDY, SearchStudy
from ia_gym.files import write_json
from ia_gym.validation import check_range

SEARCH, TRIALS = "search.json", "trials.csv"
"""What is searched, and one row a trial; beside the study and the folders of the trials."""
N_SHOWN = 20
"""Rows of the table in the terminal; ``TRIALS`` has all."""


def tune(
    agent: str,
    env_id: str = "IA-Permutation-v0",
    space: str | os.PathLike[str] = "space.yaml",
    n_trials: int = 32,
    log_dir: str | os.PathLike[str] = "runs/tune",
    seed: int = 0,
    pruner: str = "asha",
    n_eval_questions: int | None = None,
    jobs: int | None = None,
    n_timesteps: int | None = None,
    resume: bool = False,
    engine: str = "processes",
    address: str | None = None,
) -> pd.DataFrame:
    """Search for an agent's best settings on an environment, with Optuna.

    Every trial is a run with a folder of its own, ``trial0000`` and so on, as ``ia-gym train``
    makes them. A trial's result is its last score on the held-out questions, the same for all
    trials: the best of many is an optimistic estimate, so train the best settings again with other
    seeds.

    Args:
        agent: one of :func:`~ia_gym.experiments.settings.list_agents`; its tuned settings are what
            the space does not name.
        env_id: an environment of the suite.
        space: a YAML file, see
            :func:`~ia_gym.experiments.tuning.search_space.read_search_space`.
        n_trials: trials in all, those of an earlier search that is resumed included.
        log_dir: a folder for all results. An earlier search there is replaced.
        seed: of the search, and of every trial's agent and environment.
        pruner: which trials to stop early, one of
            :data:`~ia_gym.experiments.tuning.pruners.PRUNERS`.
        n_eval_questions: held-out questions of the evaluation; default 4096. None where actions
            are approved of.
        jobs: trials at a time; default one a core, of the cluster with Ray.
        n_timesteps: questions to train on, instead of the agent's own number.
        resume: continue the search in ``log_dir``: interrupted trials from their checkpoints, then
            further ones up to ``n_trials``.
        engine: what trains the runs, see :func:`~ia_gym.experiments.compare.compare`.
        address: of a Ray cluster, see there.

    Returns:
        The table: one row a trial, the best first.

    Raises:
        ValueError: for an unknown id, agent, or name in the space, a value that the agent does not
            take, a number out of range, a folder that cannot be used or is in use, or a search to
            be resumed that is another one.
        KeyboardInterrupt: after Ctrl-C, once the table of the trials is written.
        Interrupted: after SIGTERM, likewise.
    """
    env_id = check_env_id(env_id)
    check_range("n_trials", n_trials, 1, 100_000)
    check_range("seed", seed, 0, 2**32 - 1)
    check_engine(engine, jobs, address)
    settings = load_settings(agent, env_id)
    if n_timesteps is not None:
        settings = replace(settings, n_timesteps=n_timesteps)
    parameters = read_search_space(space)
    rule = make_pruner(pruner)
    make_evaluator(env_id, n_eval_questions, **settings.env_kwargs)  # or say what is wrong, now
    check_search_space(env_id, settings, parameters)
    folder = prepare_folder(log_dir)
    base = Run(env_id, agent, seed, settings, n_eval_questions, folder)
    description = {
        **base.describe(),
        "pruner": pruner,
        "space": json.loads(json.dumps([vars(parameter) for parameter in parameters])),
    }
    console = TerminalConsole()
    with lock_folder(folder), raise_on_sigterm():
        prepare_search(folder, description, resume, console)
        executor = make_executor(engine, jobs, address, folder)
        study = SearchStudy(folder, parameters, rule, seed)
        search = Search(study, base, n_trials, console)
        stopped_by = execute(search.draw_runs(), executor, search)
        table = search.build_table()
        write_results(folder, table, search, console)
    if stopped_by is not None:
        raise stopped_by
    return table


def prepare_search(
    folder: Path, description: dict[str, Any], resume: bool, console: Console
) -> None:
    """Check that an earlier search can be resumed; remove it if it is not to be.

    Raises:
        ValueError: if there is none to be resumed, or another one.
    """
    earlier = (folder / SEARCH).exists()
    if resume:
        known = json.loads((folder / SEARCH).read_text("utf-8")) if earlier else {}
        if {key: known.get(key) for key in description} != description:
            raise ValueError(
                "resume needs a search with the same agent, settings, space, seed and pruner in "
                f"log_dir, got {folder}"
            )
        return
    if earlier:
        console.print(f"replacing the search in {folder}", markup=False, soft_wrap=True)
    for trial in folder.glob("trial*/" + RUN):
        with lock_folder(trial.parent):
            clear_folder(trial.parent)
    for name in (STUDY, TRIALS):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / SEARCH, {"command": provenance.describe_command(), **description})


class Search:
    """The trials of a search as runs; what ``execute`` watches.

    Args:
        study: the trials so far.
        base: agent, environment, seed and tuned settings; the search's folder.
        n_trials: trials in all.
        console: where to print.
    """

    def __init__(self, study: SearchStudy, base: Run, n_trials: int, console: Console) -> None:
        self.study, self.base, self.n_trials = study, base, n_trials
        self.console = console
        self.labels = find_evaluator_class(base.env_id).labels
        self.trials: dict[str, tuple[optuna.Trial, Run]] = {}
        self.pruned: set[str] = set()

    def draw_runs(self) -> Iterator[Run]:
        """The runs of the trials to come, and of those that were interrupted."""
        for trial, values in self.study.draw(self.n_trials):
            settings: Settings = apply_values(self.base.settings, values)
            folder = prepare_folder(self.base.folder / name_trial(trial.number))
            run = replace(self.base, settings=settings, folder=folder)
            with lock_folder(folder):
                if not is_resumable(folder, run.describe()):
                    clear_folder(folder)
                (folder / ERROR).unlink(missing_ok=True)
            self.trials[folder.name] = trial, run
            if (folder / RESULT).exists():  # finished while the search was being stopped
                self.on_end(folder.name)
            else:
                yield run

    def on_start(self, run: Run) -> None:
        """See ``Watcher`` of ``execution/executor.py``, as for the methods that follow."""

    def on_evaluation(self, name: str, row: Row) -> bool:
        """Report the score to the pruner; steps are fortieths of the trial's budget."""
        trial, run = self.trials[name]
        step = int(EVALUATIONS * row["timesteps"] // run.settings.n_timesteps)
        if step in self.study.trials[trial.number].intermediate_values:
            return True  # evaluated again, after the run was resumed
        trial.report(row[self.labels.score], step)
        if trial.should_prune():
            self.pruned.add(name)
            return False
        return True

    def on_end(self, name: str) -> None:
        """Record the result, and print a line."""
        trial, run = self.trials[name]
        score = None
        if (run.folder / RESULT).exists():
            score = read_result(run.folder / RESULT)["final"][self.labels.score]
        self.study.finish(trial, score, name in self.pruned)
        frozen = self.study.trials[trial.number]
        words = [name, frozen.state.name.lower()]
        if score is not None:
            words.append(f"{self.labels.score_label} {score:.1%}")
        elif (run.folder / ERROR).exists():
            words.append(f"see {run.folder / ERROR}")
        words += [f"{key} {format_value(value)}" for key, value in frozen.params.items()]
        self.console.print("  ".join(words), markup=False, highlight=False, soft_wrap=True)

    def build_table(self) -> pd.DataFrame:
        """One row a trial: the finished ones first, the best first; then by their last score."""
        rows = []
        for trial in self.study.trials:
            last = max(trial.intermediate_values, default=None)
            score = math.nan if last is None else trial.intermediate_values[last]
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                score = trial.value
            rows.append(
                {
                    "trial": trial.number,
                    "state": trial.state.name.lower(),
                    self.labels.score_name: score,
                    "share_trained": 0.0 if last is None else last / EVALUATIONS,
                    **trial.params,
                }
            )
        columns = ["trial", "state", self.labels.score_name, "share_trained"]
        table = pd.DataFrame(rows, columns=[*columns, *(each.name for each in self.study.space)])
        order = table.assign(unfinished=table["state"] != "complete").sort_values(
            ["unfinished", self.labels.score_name, "trial"], ascending=[True, False, True]
        )
        return table.loc[order.index].reset_index(drop=True)


def write_results(folder: Path, table: pd.DataFrame, search: Search, console: Console) -> None:
    """Write ``trials.csv``, and print the best trials and how to train the best one again."""
    table.to_csv(folder / TRIALS, index=False)
    names = [each.name for each in search.study.space]
    score = search.labels.score_name
    headings = ["trial", "state", f"{search.labels.score_label}, %", "trained, %"]
    headings += [name.split(".")[-1] for name in names]
    rows = [
        [
            str(row["trial"]),
            row["state"],
            format_known(row[score], format_percent),
            format_percent(row["share_trained"]),
            *(format_value(row[name]) for name in names),
        ]
        for row in table.head(N_SHOWN).to_dict("records")
    ]
    print_rows(f"{search.base.agent} on {search.base.env_id}", headings, rows, console)
    notes = [f"all {len(table)} trials: {folder / TRIALS}"]
    if any(table["state"] == "complete"):
        best = folder / name_trial(int(table["trial"].iloc[0]))
        command = ["ia-gym", "train", str(best / RUN), "--seed", "1", "--log-dir", "runs/best"]
        notes.append(f"the best one again, with another seed: {shlex.join(command)}")
    unfinished = search.n_trials - count_finished(search.study.trials)
    if unfinished > 0:
        notes.append(f"{unfinished} trials are not finished; --resume continues the search")
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def count_finished(trials: Sequence[optuna.trial.FrozenTrial]) -> int:
    """Trials that have come to an end: with a result, stopped early, or failed."""
    return sum(trial.state in FINISHED for trial in trials)


def name_trial(number: int) -> str:
    """The name of a trial's folder."""
    return f"trial{number:04d}"


def format_value(value: Any) -> str:
    """A setting's value, for a table."""
    if isinstance(value, float):
        return DASH if value != value else f"{value:.3g}"
    return str(value)
