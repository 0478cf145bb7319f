"""Scores with the shape of real ones whose relation is known, and what the harness says of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.signal import lfilter

from harness.agreement import Agreement
from harness.agreement.compare import Pair, compared, halves, whole
from harness.agreement.controls import designs
from harness.agreement.outcome import measures, outcomes
from harness.agreement.panel.panel import Panel, Vectors
from harness.agreement.rows.significance import significance
from tests.harness.comparing import load, one

DRAWS, SPLITS = 20, 6
PARTS = (slice(0, DRAWS // 2), slice(DRAWS // 2, DRAWS))
CORRELATIONS = ("spearman", "topdown")


@dataclass(frozen=True)
class Shape:
    """Two scores that correlate by `rho` beneath all that they share, in standard deviations.

    Shared: `trend` and `slopes` along the trace (`slopes` drawn for each), `ends` of a trace in a
    share `ends_in` of the problems, a steep `start`, log tokens (`tokens`) and a `step` of long
    sentences, opening `words`, `grams`, a headroom that runs out at once or gradually
    (`converges`). `auto`: correlation of neighbours. `zeros`: share of scores set to 0, the others
    rounded. `missing`: so many last sentences are undefined. `first`: so many traces of the first
    problem beside `traces` of the others. `truth`: gaussian, skewed or sparse; `anchors`: identical
    with an independent rest, or disjoint with a common one, a share `top` of the sentences.
    `noise`: standard deviation of the mean of the draws of either score, 0 draws none; `shared`:
    they are the same draws.
    """

    problems: int = 30
    sizes: tuple[int, int] = (8, 250)
    rho: float = 0.0
    trend: float = 0.0
    slopes: float = 0.0
    ends: float = 0.0
    ends_in: float = 1.0
    start: float = 0.0
    tokens: float = 0.0
    step: float = 0.0
    words: float = 0.0
    grams: float = 0.0
    converges: str = ""
    auto: float = 0.0
    zeros: float = 0.0
    missing: int = 0
    traces: int = 1
    first: int = 0
    truth: str = "gaussian"
    anchors: str = ""
    top: float = 0.1
    noise: tuple[float, float] = (0.0, 0.0)
    shared: bool = False


def sized(problems: int, n: int, **more) -> Shape:
    """So many problems of n sentences each."""
    return Shape(problems=problems, sizes=(n, n + 1), **more)


def panel(shape: Shape, rng: np.random.Generator) -> Panel:
    """One simulated run of two methods, a and b."""
    number = np.r_[shape.first or shape.traces, np.full(shape.problems - 1, shape.traces)]
    problem = np.repeat(np.arange(shape.problems), number)
    sizes = np.exp(rng.uniform(*np.log(shape.sizes), len(problem))).astype(int)
    trace = np.repeat(np.arange(len(problem)), sizes)
    place = np.concatenate([np.arange(1, size + 1) / size for size in sizes])
    known = {
        "position": place,
        "length": rng.integers(3, 40, len(trace)).astype(float),
        "lexicon": (rng.random(len(trace)) < 0.3).astype(float),
        "headroom": headroom(shape, place, trace, rng),
    }
    grams = np.maximum(0, rng.uniform(-1, 1, len(trace)))
    common = shape.grams * grams + shape.words * known["lexicon"]
    common += along(shape, place, trace, problem, rng) + lengthy(shape, known["length"])
    pure = common + latent(shape, sizes, rng)
    methods = scored(shape, pure, place, trace, known["headroom"], rng)
    if shape.grams:
        nothing = np.empty((0, len(trace)), np.float32)
        methods["gram_coverage"] = Vectors(grams, nothing, nothing)
    return Panel(
        "m",
        tuple(map(str, range(shape.problems))),
        problem,
        trace,
        methods,
        known,
        np.full(len(problem), -1),
    )


def headroom(shape: Shape, place, trace, rng):
    """What is left to decide: it ends at once, or fades, at another point of each trace."""
    point = rng.uniform(0.3, 0.9, trace[-1] + 1)[trace]
    if shape.converges == "sharp":
        return np.where(place < point, rng.uniform(0.3, 1.5, len(trace)), 0)
    if shape.converges == "gradual":
        return np.maximum(0, 1.5 * (1 - place / point)) * rng.uniform(0.8, 1.2, len(trace))
    return np.full(len(trace), np.nan)


def along(shape: Shape, place, trace, problem, rng):
    """What both scores owe to where a sentence stands."""
    change = np.diff(trace, prepend=-1) != 0
    end = change | np.roll(change, -1)
    slope = shape.trend + shape.slopes * rng.normal(size=len(problem))[trace]
    ended = rng.permutation(shape.problems) < shape.ends_in * shape.problems
    first = np.maximum.accumulate(np.where(change, np.arange(len(trace)), 0))
    steep = np.exp(-(np.arange(len(trace)) - first) / 2)
    found = slope * np.sqrt(12) * (place - 0.5) + shape.start * steep
    return found + shape.ends * (end & ended[problem[trace]])


def lengthy(shape: Shape, tokens):
    """What both scores owe to the length of a sentence."""
    log = np.log(tokens)
    return shape.tokens * (log - log.mean()) / log.std() + shape.step * (tokens > 20)


def latent(shape: Shape, sizes, rng):
    """Two series of unit variance a trace that correlate by rho before they are bent."""
    inner = rng.normal(size=(2, sizes.sum()))
    if shape.auto:
        scale = np.sqrt(1 - shape.auto**2)
        parts = np.split(inner * scale, np.cumsum(sizes)[:-1], axis=1)
        for part in parts:
            part[:, 0] /= scale
        inner = np.concatenate([lfilter([1], [1, -shape.auto], p, axis=1) for p in parts], axis=1)
    both = np.stack([inner[0], shape.rho * inner[0] + np.sqrt(1 - shape.rho**2) * inner[1]])
    if shape.anchors:
        return anchored(shape, sizes, both, rng)
    if shape.truth == "skewed":
        return np.exp(both) / np.sqrt((np.e - 1) * np.e)
    if shape.truth == "sparse":
        return np.maximum(0, both - 0.84) / 0.28  # a fifth is not 0
    return both


def anchored(shape: Shape, sizes, both, rng):
    """The top of each trace far above the rest: the same sentences and another rest, or reverse."""
    identical = shape.anchors == "identical"
    found = both.copy() if identical else np.stack([both[0], both[0]])
    stops = np.cumsum(sizes)
    for start, stop in zip(stops - sizes, stops, strict=True):
        order, k = start + rng.permutation(stop - start), max(1, round(shape.top * (stop - start)))
        for method, tops in enumerate((order[:k], order[:k] if identical else order[k : 2 * k])):
            found[method, tops] = 5 + rng.normal(size=k)
    return found


def scored(shape: Shape, pure, place, trace, left, rng) -> dict[str, Vectors]:
    """Both methods' scores, and half scores of those that draw."""
    noise = np.array(shape.noise)[:, None, None]
    drawn = rng.normal(size=(2, DRAWS if noise.any() else 1, len(trace)))
    drawn *= noise * np.sqrt(drawn.shape[1])
    if shape.shared:
        drawn[1] = drawn[0]
    last = trace != np.roll(trace, -shape.missing)

    def seen(index, draws):
        score = pure[index] + drawn[index, draws].mean(0)
        if shape.converges:
            score = left * np.abs(score)
        if shape.zeros:
            score = np.round(np.maximum(score - np.quantile(score, shape.zeros), 0), 1)
        return np.where(last, np.nan, score) if shape.missing else score

    found = {}
    splits = [rng.permutation(DRAWS) for _ in range(SPLITS)]
    for index, name in enumerate("ab"):
        own = splits if shape.noise[index] else []
        both = [
            np.array([seen(index, s[part]) for s in own], np.float32).reshape(-1, len(trace))
            for part in PARTS
        ]
        found[name] = Vectors(seen(index, slice(None)), *both)
    return found


def rows(shape: Shape, control: str, seed: int, weights: str = "equal") -> pl.DataFrame:
    """The agreement frame of one simulated run under a control: the rows of both correlations."""
    conf = configured(control, weights)
    made = panel(shape, np.random.default_rng([7, seed]))
    halved = any(shape.noise)
    pair = Pair("a", "b", False, False, False, cross_fit=shape.shared, halved=True)
    designed, wanted = designs(made, conf), measures(conf)
    complete = compared(whole(made.methods), made, [pair], wanted, designed, conf)
    splits = halves(made.methods) if halved else iter(())
    split = compared(splits, made, [pair], wanted, designed, conf)
    found = outcomes(made, [pair], wanted, complete, split, conf)
    return significance(made, found, {}, conf)


def configured(control: str, weights: str) -> Agreement:
    """One control alone, and fewer flips: 2,000 tell .05 well enough."""
    few = {"controls": (control,), "statistics": CORRELATIONS, "fractions": (), "flips": 2000}
    return replace(load(), **few, weights=weights)


def row(shape: Shape, control: str, seed: int, statistic: str = "spearman"):
    """One of these rows."""
    return one(rows(shape, control, seed), statistic=statistic)


def rejected(
    shape: Shape, control: str, seeds: Iterable[int], weights: str = "equal"
) -> dict[str, float]:
    """Share of simulated runs whose p is below .05, by statistic."""
    p = np.array(
        [rows(shape, control, seed, weights)["p"].to_list() for seed in seeds], dtype=float
    )
    return dict(zip(CORRELATIONS, map(float, (p < 0.05).mean(0)), strict=True))


def covered(shape: Shape, seeds, column: str, statistic: str = "spearman") -> tuple[float, float]:
    """Share of intervals that hold the mean over all runs, and that mean."""
    low, high = ("low", "high") if column == "value" else (f"{column}_low", f"{column}_high")
    found = [row(shape, "none", seed, statistic) for seed in seeds]
    values = np.array([[one[c] for c in (column, low, high)] for one in found])
    mean = float(values[:, 0].mean())
    return float(((values[:, 1] <= mean) & (mean <= values[:, 2])).mean()), mean


def verdicts(shape: Shape, seeds: Iterable[int]) -> dict[str, float]:
    """Share of simulated runs that get each verdict, under structure."""
    said = pl.Series([row(shape, "structure", seed)["verdict"] for seed in seeds])
    return dict(said.value_counts(normalize=True, sort=True).iter_rows())
