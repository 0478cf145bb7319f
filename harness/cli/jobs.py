"""The jobs of a command line: started one by one, then what is asked for behind them, a report."""

import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from harness.cli.settings import Settings, settings
from harness.core import UserError
from harness.core.errors import in_words
from harness.interventions.validation.settings import ValidationSettings
from harness.run.progress import console
from harness.store.folder import FILE, set_aside
from harness.store.reading import read_json
from harness.store.status import fail, status_file


def attempt(config: Any) -> None:
    """One job; in a sweep a failure goes to the status files so that the others still run."""
    from harness.run.job import (
        job,  # imports torch: not before the command line is known to be right
    )

    todo = settings(config)
    sweep = HydraConfig.get().mode is RunMode.MULTIRUN
    try:
        with todo.mirror.kept(todo.folder) if todo.mirror else nullcontext():
            job(todo.run)
    except UserError as error:
        print(f"error: {', '.join(todo.run.entries)}: {error}", file=sys.stderr)
        if not sweep:
            sys.exit(2)  # Hydra adds lines of its own to what is raised
        _failed(todo, str(error), by_user=True)
    except Exception as error:  # the sweep goes on whatever happens to one of its jobs
        if not sweep:
            raise
        traceback.print_exc()
        _failed(todo, f"{type(error).__name__}: {error}", by_user=False)


def _failed(todo: Settings, error: str, *, by_user: bool) -> None:
    if not (todo.folder / FILE).exists():  # refused before there was a run
        return
    try:
        for name in todo.run.entries:
            fail(todo.folder, name, error, by_user=by_user)
    except UserError as refused:  # a full disk, which the other jobs would meet too
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(2)


def prepare(jobs: Sequence[Settings]) -> None:
    """Move aside the run folders that are to be made anew, each once."""
    for folder in {job.folder: None for job in jobs if job.overwrite}:
        set_aside(folder)


def tidy(jobs: Sequence[Settings]) -> None:
    """Remove what Hydra leaves of a sweep, unless a launcher keeps something there."""
    for sweep in {job.folder.parent / ".hydra" for job in jobs}:
        (sweep / "multirun.yaml").unlink(missing_ok=True)
        with suppress(OSError):  # not there, or not empty
            sweep.rmdir()


def finish(jobs: Sequence[Settings]) -> int:
    """What is asked for behind each run folder of the jobs, its report; returns the exit code.

    0 if all is done, 2 if only the user's mistakes stopped some, else 1.
    """
    # Imports matplotlib and scipy, which a user's mistake need not wait for.
    from harness.report.build import report
    from harness.report.summary import summary

    stopped: list[bool] = []  # whether the user can mend it
    for folder, job in {job.folder: job for job in jobs}.items():
        if (folder / "traces.parquet").exists():
            stopped += behind(job)
            report(folder, job.agreement, job.report, job.claims)
            console.print(summary(folder))
        elif job.run.shard:
            console.print(f"{folder}: once all parts are drawn, the command without shard goes on")
    statuses = [read_json(status_file(j.folder, n)) for j in jobs for n in j.run.entries]
    failed = [s for s in statuses if s.get("state", "failed") == "failed"]
    # Without any status the job was refused before there was a run to keep one in.
    stopped += [bool(s.get("by_user", not s)) for s in failed]
    return 0 if not stopped else 2 if all(stopped) else 1


def behind(job: Settings) -> list[bool]:
    """Validate a scored run and follow its series, where the job says so.

    What fails is said, and leaves the rest alone; for each, whether the user can mend it.
    """
    stopped: list[bool] = []
    with job.mirror.kept(job.folder) if job.mirror else nullcontext():
        for name, step in (("validate", _validate), ("dynamics", _follow)):
            try:
                stopped += step(job)
            except Exception as error:  # the report is made whatever happens here
                if not isinstance(error, UserError):
                    traceback.print_exception(error)
                told = f"error: {name}: {in_words(error)}; the report is made without it"
                print(told, file=sys.stderr)
                stopped.append(isinstance(error, UserError))
    return stopped


def _validate(job: Settings) -> list[bool]:
    """The validations of a job; for those that failed, whether the user can mend it."""
    if not job.interventions:
        return []
    from harness.interventions.validation.job import validate  # imports torch
    from harness.interventions.validation.table import show

    settings = ValidationSettings(
        folder=job.folder,
        run=job.run,
        folds=job.run.calibration.folds,
        interventions=job.interventions,
        nodes=job.run.values["validate"],
        agreement=job.agreement,
        by_name=False,
    )
    outcomes = validate(settings)
    show(outcomes, console)
    return [outcome.by_user for outcome in outcomes if outcome.failed]


def _follow(job: Settings) -> list[bool]:
    """The series of a job's model, if it has one; a checkpoint left out is the user's to mend."""
    if not (job.dynamics.with_run and job.run.model.series):
        return []
    from harness.series.job import follow  # imports torch

    return [True for _ in follow(job.run, job.dynamics, job.agreement)]
