"""`python -m harness`: run detectors and report how far they agree."""

import os
import sys
import traceback
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from harness import preflight
from harness.folder import set_aside
from harness.ledger import fail, status_file
from harness.preflight import Plan
from harness.progress import console
from harness.report import report
from harness.run import job
from harness.settings import Settings, settings
from harness.store import read_json
from harness.summary import summary
from harness.types import UserError


@hydra.main(config_path="pkg://conf", config_name="config", version_base="1.3")
def task(config: Any) -> None:
    """One job; in a sweep a failure goes to the status files so that the others still run."""
    todo = settings(config)
    if HydraConfig.get().mode is not RunMode.MULTIRUN:
        job(todo, config)
        return
    try:
        job(todo, config)
    except UserError as error:
        _failed(todo, str(error), by_user=True)
    except Exception as error:  # the sweep goes on whatever happens to one of its jobs
        traceback.print_exc()
        _failed(todo, f"{type(error).__name__}: {error}", by_user=False)


def _failed(todo: Settings, error: str, *, by_user: bool) -> None:
    print(f"error: {', '.join(todo.detectors)}: {error}", file=sys.stderr)
    for name in todo.detectors:
        fail(todo.folder, name, error, by_user=by_user)


def main() -> None:
    """The console script and `python -m harness`; a user's mistake is one line and exit code 2."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        sys.exit(run(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


def run(argv: list[str]) -> int:
    """Check, run all jobs, report; returns the exit code."""
    if not preflight.is_job(argv):
        with preflight.folded():
            task()
        return 0
    plan = preflight.plan(argv)
    runs = {job.folder: job for job in plan.jobs}
    for folder, first in runs.items():
        if first.overwrite:
            set_aside(folder)
    sys.argv[1:] = plan.arguments
    with preflight.folded():
        task()
    for folder, first in runs.items():
        if (folder / "traces.parquet").exists():
            report(folder, first.agreement, first.report)
            console.print(summary(folder))
    return _code(plan)


def _code(plan: Plan) -> int:
    """0 if all jobs are done, 2 if only the user's mistakes stopped some, else 1."""
    statuses = [read_json(status_file(j.folder, n)) for j in plan.jobs for n in j.detectors]
    failed = [s for s in statuses if s.get("state", "failed") == "failed"]
    return 0 if not failed else 2 if all(s.get("by_user") for s in failed) else 1


if __name__ == "__main__":
    main()
