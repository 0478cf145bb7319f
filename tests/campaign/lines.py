"""A hundred command lines that make no sense, each of which must be refused in one line."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.cli.checks import plan
from harness.core import UserError

NUMBERS = (
    "sampling.draws", "sampling.chunk", "sampling.max_tokens", "sampling.traces",
    "sampling.attempts", "sampling.splits", "sampling.temperature", "sampling.top_p",
    "problems.limit", "problems.reference", "calibration.folds", "agreement.draws",
    "segmentation.min_chars", "report.dpi", "engine.slots",
)  # fmt: skip
WRONG = ("many", "[1,2]", "{a: 1}", "-1", "true")
GROUPS = ("model", "problems", "engine", "method", "segmentation", "sampling")
LINES = (
    *(f"{key}={value}" for key in NUMBERS for value in WRONG),
    *(f"{group}=nothing" for group in GROUPS[:4]),
    *(f"{group}.typo=1" for group in GROUPS),
    "=", "x", "x=", "=x", "sampling", "sampling=", "sampling.draws", "'", '"', "{", "}", "[", "a=[",
    "method=[mi", "method=[]", "method=mi,attention", "~model", "~sampling", "+x=1", "++x.y=1",
    "run=../up", "run=.hidden", "run=''", "results=''", "results='~/x'", "shard=3/2", "shard=x",
    "overwrite=perhaps", "model.device=tpu", "problems=jsonl", "--no-such-option", "--cfg",
    "--config-path=/", "--config-dir=/nowhere", "sampling.schedule=none", "sampling.keep=some",
    "method.mi.k=three", "method.nothing.k=1", "options.mi.typo=1", "mirror=nope://x",
    "segmentation.function=os.nothing", "problems.pattern='('", "run='a\nb'", "run=${x}",
    "model.path=/nowhere", "run='\x1b[31m'", "sampling.draws=1e999", f"run={'x' * 300}",
    f"sampling.seed={'9' * 10_000}", "sampling.draws=${oc.env:NOWHERE}", "run='\udcff'",
)  # fmt: skip
SMALL = LINES[::12]


def outcomes(place: Path, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each line and what it comes to: refused, accepted, UNCLEAR or TRACEBACK."""
    place.mkdir(exist_ok=True)
    for line in lines:
        command = ["method=attention", f"results={place}", "run=r", line]
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                plan(command)
        except UserError as error:
            said = str(error)
            yield line, "refused" if "\n" not in said and len(said) < 1500 else f"UNCLEAR {said}"
        except SystemExit as error:
            yield line, f"TRACEBACK {error!r}"
        except Exception as error:
            yield line, f"TRACEBACK {type(error).__name__}: {error}"
        else:
            yield line, "accepted"
    assert not list(place.iterdir())
