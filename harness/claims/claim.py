"""A claim, the frames its test may look at, and what the test finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal, Protocol, runtime_checkable

import polars as pl

from harness.agreement import Agreement


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of a run, null = undefined.

    `agreement` as schema.AGREEMENT; `scores` is long: model, problem_id, trace_id, sentence,
    method, score; `sentences` as schema.SENTENCES. `diagnostics` are the score files by method,
    with what else a method says of a sentence. `dynamics` as schema.DYNAMICS_BY_PROBLEM, empty
    where no series was followed, `effects` as schema.VALIDATION_SUMMARY, empty where nothing was
    validated; `run` is the folder as a command line names it. `signed` are the methods whose
    negative scores mean the opposite of an anchor, `given_truth` those that were told what is
    planted: these take no part in a claim. `undefined` says by method why traces have no score.
    """

    agreement: pl.DataFrame
    scores: pl.DataFrame
    sentences: pl.DataFrame
    diagnostics: Mapping[str, pl.LazyFrame]
    dynamics: pl.DataFrame
    effects: pl.DataFrame
    run: str
    signed: frozenset[str]
    given_truth: Mapping[str, str]
    undefined: Mapping[str, str]
    conf: Agreement

    @property
    def methods(self) -> frozenset[str]:
        """The methods that have any score, defined or not."""
        return frozenset(self.scores["method"].unique())

    @property
    def defined(self) -> frozenset[str]:
        """The methods that have a defined score."""
        return frozenset(self.scores.drop_nulls("score")["method"].unique())


@dataclass(frozen=True)
class Part:
    """An effect with its interval over problems; None = undefined.

    `decides`: the verdict rests on it; of one that does not, the effect stands beside the others.
    `p` is that of an exact test of an effect above none, `p_below` of one below, where the claim
    asks for them. `reason` says why nothing can be decided whatever the numbers, `missing` what to
    add where nothing was tested.
    """

    name: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    n_problems: int = 0
    decides: bool = True
    p: float | None = None
    p_below: float | None = None
    supported_from: float | None = None
    reason: str = ""
    missing: str = ""


@runtime_checkable
class Test(Protocol):
    """How a claim is tested: a frozen dataclass whose fields are the keys of its yaml."""

    @property
    def unit(self) -> str:
        """What the effect is measured in."""
        ...

    def parts(self, frames: Frames) -> Sequence[Part]:
        """The effects that the claim is about, a pure function of the frames."""
        ...


@dataclass(frozen=True)
class Needs:
    """What a run must have for a claim to be tested: methods, validations, a series followed."""

    method: tuple[str, ...]
    validate: tuple[str, ...]
    dynamics: bool


@dataclass(frozen=True)
class Truth:
    """What may be said of a claim in a world where the answer is known; `part` "": as a whole."""

    world: str
    verdict: tuple[Literal["supported", "contradicted", "undecided"], ...]
    part: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence of the literature with its test.

    Supported if the interval of every part lies above `supported_from`, contradicted if that of
    any lies below `contradicted_below`. `worlds` say what is true of it where that is known: the
    self-test of the worlds holds the test to them.
    """

    sentence: str
    source: str
    supported_from: float
    contradicted_below: float
    needs: Needs
    worlds: tuple[Truth, ...]
    test: Test

    @property
    def tried(self) -> str:
        """What is true of the claim in which world, in words."""
        whole = [truth for truth in self.worlds if not truth.part]
        return ", ".join(f"{' or '.join(truth.verdict)} in {truth.world}" for truth in whole)

    def threshold(self, part: Part) -> float:
        """Above which a part is supported."""
        return self.supported_from if part.supported_from is None else part.supported_from


def known(ends: tuple[float, float]) -> tuple[float | None, float | None]:
    """Interval ends, None where NaN."""
    low, high = (None if isnan(end) else float(end) for end in ends)
    return low, high


def lacking(methods: Sequence[str], frames: Frames) -> str:
    """What it takes for these methods to take part; empty if nothing is missing."""
    absent = [name for name in dict.fromkeys(methods) if name not in frames.methods]
    if absent:
        return f"add method=[{','.join(absent)}]"
    if empty := [name for name in dict.fromkeys(methods) if name not in frames.defined]:
        why = "; ".join(dict.fromkeys(filter(None, map(frames.undefined.get, empty))))
        nowhere = f"{' and '.join(empty)}: defined on no sentence of this run"
        return nowhere + (f" ({why})" if why else "")
    informed = [name for name in dict.fromkeys(methods) if name in frames.given_truth]
    return "; ".join(
        f"{name} was told what is planted: add {frames.given_truth[name]}" for name in informed
    )
