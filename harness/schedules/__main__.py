"""`python -m harness.schedules RUN`: which way of drawing rollouts pays on this model."""

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.analysis.replay.playing import Settings
from harness.analysis.replay.table import compared, shown, written
from harness.analysis.replay.world import recorded, worlds
from harness.cli.exits import ended
from harness.core import UserError
from harness.run.growth import stored
from harness.run.progress import console
from harness.store.traces import load

USAGE = """usage: python -m harness.schedules RUN [draws=N] [times=4] [stretch=8] [pilot=10]
    Plays the plain rollouts of a recorded or imported run again, a few times, under every estimator
    and schedule: the share of tokens with which each is as good as N plain rollouts at each
    boundary (as many as were recorded), in schedules.parquet of the run. Loads no model."""
DEFAULTS = {"draws": 0, "times": 4, "stretch": 8, "pilot": 10}
LEAST = {"draws": 4, "times": 1, "stretch": 1, "pilot": 4}


def main() -> None:
    """`python -m harness.schedules RUN …`."""
    ended(lambda: command(sys.argv[1:]))


def command(arguments: Sequence[str]) -> None:
    """Play a run again, show and keep what it would cost; raises UserError for a bad line."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return
    run, options = parsed(arguments)
    traces = load(run, stored(run))
    draws = options["draws"] or recorded(run)
    made = list(worlds(run, traces))
    if not made:
        raise UserError(
            f"{run}: no trace has rollouts of arm resample at three boundaries in a row"
        )
    how = Settings(options["stretch"], options["pilot"])
    found = compared(made, draws, how, options["times"])
    console.print(shown(found, len(made)))
    console.print(f"table  {written(run, found)}")


def parsed(arguments: Sequence[str]) -> tuple[Path, dict[str, int]]:
    """The run and the options of a line; raises UserError naming what is wrong."""
    if not arguments or "=" in arguments[0] or arguments[0].startswith("-"):
        raise UserError("which run? python -m harness.schedules RUN [draws=N] …; see -h")
    run, options = Path(arguments[0]), dict(DEFAULTS)
    if not (run / "traces.parquet").is_file():
        raise UserError(f"{run}: holds no traces.parquet; is it a run folder, and was it finished?")
    for argument in arguments[1:]:
        key, _, value = argument.partition("=")
        if key not in DEFAULTS:
            raise UserError(f"{argument}: no such option; there are {', '.join(DEFAULTS)}")
        if not value.isdecimal() or int(value) < LEAST[key]:
            raise UserError(f"{key}: must be a whole number from {LEAST[key]}, got {value!r}")
        options[key] = int(value)
    return run, options


if __name__ == "__main__":
    main()
