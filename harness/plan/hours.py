"""Hours: what a load takes, card by card, as a range from the best to the worst."""

from collections.abc import Callable, Sequence

from rich.table import Table

from harness.cli.assumptions import Assumptions
from harness.cli.settings import Settings
from harness.models.memory import Memory
from harness.plan.load import Load
from harness.plan.roofline import (
    End,
    Machine,
    at_once,
    ends,
    machine,
    prefill,
    reading,
    serving,
    written_per_second,
)

COLUMNS = ("on", "rollouts at once", "written tokens/s", "sampling", "reading", "hours")


def times(job: Settings, conf: Assumptions, held: Memory, load: Load) -> Table:
    """A row a card: its speeds, and the hours of one process that keeps it busy.

    Speeds that are set or measured are those of one machine, which is then the only row.
    """
    made = Table(*COLUMNS, box=None, pad_edge=False)
    for column in made.columns[1:]:
        column.justify = "right"
    if conf.sampled_per_second and conf.read_per_second:
        here = "this machine, measured" if conf.calibrate else "speeds as set"
        made.add_row(here, *known(conf.sampled_per_second, conf.read_per_second, load))
        return made
    for name, card in conf.chosen.items():
        how = serving(job.run.engine, card, conf)
        on = machine(held, job.run.model.dtype, card, how)
        n = how.together * how.copies
        made.add_row(f"{n} {name}" if n > 1 else name, *cells(conf, on, load, ends(conf, how)))
    return made


def known(written: float, read: float, load: Load) -> list[str]:
    """The row of a machine that writes and reads so many tokens a second."""
    sampling, readings = load.written / written, load.read / read
    hours = [_hours([seconds]) for seconds in (sampling, readings, sampling + readings)]
    return ["", f"{written:,.0f}", *hours]


def cells(conf: Assumptions, on: Machine, load: Load, both: Sequence[End]) -> list[str]:
    """The row of a card; a word where the model does not fit it."""
    if not fits(on, load):
        return ["does not fit"]
    sampled = [sampling(conf, on, load, end) for end in both]
    read = [readings(conf, on, load, end) for end in both]
    every = [a + b for a, b in zip(sampled, read, strict=True)]
    hours = [_hours(seconds) for seconds in (sampled, read, every)]
    if not load.written:
        return ["", "", *hours]
    running = _range([at_once(on, load, shared=end.shared) for end in both], _whole)
    return [running, _range([load.written / seconds for seconds in sampled], _rounded), *hours]


def fits(on: Machine, load: Load) -> bool:
    """Whether there is room for the weights, and beside them for one rollout."""
    if on.held.weights >= on.memory:
        return False
    return not load.written or at_once(on, load, shared=False) >= 1


def sampling(conf: Assumptions, on: Machine, load: Load, end: End) -> float:
    """Seconds of all rollouts: of their prefixes, and of what is written behind them."""
    if not load.written:
        return 0.0
    if conf.sampled_per_second:
        return load.written / conf.sampled_per_second
    return prefill(on, load, end) + load.written / written_per_second(on, load, end)


def readings(conf: Assumptions, on: Machine, load: Load, end: End) -> float:
    """Seconds of all passes."""
    if conf.read_per_second:
        return load.read / conf.read_per_second
    return reading(on, load, end)


def _hours(seconds: Sequence[float]) -> str:
    return _range([each / 3600 for each in seconds], _rounded)


def _range(values: Sequence[float], said: Callable[[float], str]) -> str:
    """The smallest and the largest, or one where they are said alike."""
    low, high = said(min(values)), said(max(values))
    return low if low == high else f"{low}-{high}"


def _rounded(value: float) -> str:
    """Two figures, without an exponent."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}" if value >= 0.001 else ("0" if not value else "<0.001")


def _whole(value: float) -> str:
    return f"{int(value):,}"
