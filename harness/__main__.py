"""`python -m harness`: run detectors and report how far they agree."""

import os
import sys
from importlib.metadata import version
from typing import Any

import hydra

from harness.composition import CONF, arguments, folded
from harness.types import UserError


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def task(config: Any) -> None:
    """One job."""
    from harness.launch import attempt  # not needed to show help or to complete a word

    attempt(config)


def main() -> None:
    """The console script and `python -m harness`; a user's mistake is one line and exit code 2."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        sys.exit(run(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command, without overwrite, goes on", file=sys.stderr)
        sys.exit(130)


def run(argv: list[str]) -> int:
    """Check, run all jobs, report; returns the exit code."""
    if "--version" in argv:
        print(f"anchor-harness {version('anchor-harness')}")
        return 0
    args = arguments(argv)
    if any((args.help, args.hydra_help, args.cfg, args.info, args.shell_completion)):
        # Hydra's parser dies on options between overrides.
        sys.argv[1:] = [*(a for a in argv if a not in args.overrides), *args.overrides]
        with folded():
            task()
        return 0
    from harness import launch, preflight  # not needed to show help or to complete a word

    plan = preflight.plan(argv)
    launch.prepare(plan.jobs)
    sys.argv[1:] = plan.arguments
    with folded():
        task()
    return launch.finish(plan.jobs)


if __name__ == "__main__":
    main()
