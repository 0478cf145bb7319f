"""`python -m harness`: run detectors and report how far they agree."""

import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from harness import preflight
from harness.composition import CONF, arguments, folded
from harness.folder import set_aside
from harness.ledger import fail, status_file
from harness.preflight import Plan
from harness.progress import console
from harness.settings import Settings, settings
from harness.store import read_json
from harness.types import UserError


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def task(config: Any) -> None:
    """One job; in a sweep a failure goes to the status files so that the others still run."""
    from harness.run import job  # imports torch: not before the command line is known to be right

    todo = settings(config)
    sweep = HydraConfig.get().mode is RunMode.MULTIRUN
    try:
        job(todo)
    except UserError as error:
        print(f"error: {', '.join(todo.detectors)}: {error}", file=sys.stderr)
        if not sweep:
            sys.exit(2)  # Hydra adds lines of its own to what is raised
        _failed(todo, str(error), by_user=True)
    except Exception as error:  # the sweep goes on whatever happens to one of its jobs
        if not sweep:
            raise
        traceback.print_exc()
        _failed(todo, f"{type(error).__name__}: {error}", by_user=False)


def _failed(todo: Settings, error: str, *, by_user: bool) -> None:
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
        print(
            "interrupted; the same command, without overwrite, goes on from here", file=sys.stderr
        )
        sys.exit(130)


def run(argv: list[str]) -> int:
    """Check, run all jobs, report; returns the exit code."""
    if "--version" in argv:
        print(f"anchor-harness {version('anchor-harness')}")
        return 0
    if _shown(argv):
        return 0
    plan = preflight.plan(argv)
    runs = {job.folder: job for job in plan.jobs}
    for folder, first in runs.items():
        if first.overwrite:
            set_aside(folder)
    sys.argv[1:] = plan.arguments
    with folded():
        task()
    for first in runs.values():
        _report(first)
    return _code(plan)


def _shown(argv: list[str]) -> bool:
    """Whether the line asks Hydra to show something, which it then has done."""
    args = arguments(argv)
    shows = (args.help, args.hydra_help, args.cfg, args.info, args.shell_completion)
    if not any(shows):
        return False
    options = [a for a in argv if a not in args.overrides]
    # Hydra's parser dies on options between overrides.
    sys.argv[1:] = [*options, *args.overrides]
    with folded():
        task()
    return True


def _report(job: Settings) -> None:
    # Imports matplotlib and scipy, which a user's mistake need not wait for.
    from harness.report import report
    from harness.summary import summary

    if (job.folder / "traces.parquet").exists():
        report(job.folder, job.agreement, job.report)
        console.print(summary(job.folder))


def _code(plan: Plan) -> int:
    """0 if all jobs are done, 2 if only the user's mistakes stopped some, else 1."""
    statuses = [read_json(status_file(j.folder, n)) for j in plan.jobs for n in j.detectors]
    failed = [s for s in statuses if s.get("state", "failed") == "failed"]
    return 0 if not failed else 2 if all(s.get("by_user") for s in failed) else 1


if __name__ == "__main__":
    main()
