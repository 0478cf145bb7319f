"""Scores with the shape of real ones whose relation is known, and what the harness says of it."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from harness.agreement import Agreement
from harness.agreement.compare import Pair, tallied, whole
from harness.agreement.controls import designs
from harness.agreement.outcome import measures, outcomes
from harness.agreement.panel.panel import Panel, Vectors
from harness.agreement.significance import judged
from harness.agreement.table import halved
from tests.harness.comparing import load

DRAWS, SPLITS = 8, 4


@dataclass(frozen=True)
class Shape:
    """Two scores that correlate by `rho` beneath all that they share.

    `trend`, `words` and `grams`: what position, sentence length and opening words, and phrases add
    to both, in standard deviations. `auto`: correlation of neighbouring sentences. `zeros`: share
    of scores set to 0, the others rounded. `converges`: a headroom that runs out scales both.
    `noise`: standard deviation of the mean of the draws; `shared`: of both methods' draws at once.
    """

    problems: int = 30
    sizes: tuple[int, int] = (8, 250)
    rho: float = 0.0
    trend: float = 0.0
    words: float = 0.0
    grams: float = 0.0
    auto: float = 0.0
    zeros: float = 0.0
    converges: bool = False
    noise: float = 0.0
    shared: bool = False
    traces: int = 1


# Shapes without relation, by what they share, and the control under which nothing is left.
NULLS = {
    "plain": (Shape(), "none"),
    "twelve problems": (Shape(problems=12), "none"),
    "three traces a problem": (Shape(traces=3, problems=15), "none"),
    "ties and zeros": (Shape(zeros=0.8), "none"),
    "autocorrelation .5": (Shape(auto=0.5), "none"),
    "autocorrelation .9": (Shape(auto=0.9), "none"),
    "trend": (Shape(trend=2.0), "position"),
    "trend, short": (Shape(trend=2.0, sizes=(8, 15)), "position"),
    "trend, zeros": (Shape(trend=2.0, zeros=0.5), "position"),
    "trend, autocorrelation .5": (Shape(trend=2.0, auto=0.5), "position"),
    "trend, autocorrelation .9": (Shape(trend=2.0, auto=0.9), "position"),
    "words, by lexicon and length": (Shape(words=1.0), "all"),
    "grams": (Shape(grams=2.0), "lexicon"),
    "words and trend": (Shape(words=1.0, trend=2.0), "all"),
    "convergence": (Shape(converges=True), "headroom"),
    "convergence and trend": (Shape(converges=True, trend=1.0), "all"),
    "draws": (Shape(noise=0.7), "none"),
    "shared draws": (Shape(noise=0.7, shared=True), "none"),
    "shared draws and trend": (Shape(noise=0.7, shared=True, trend=2.0), "position"),
}
# Shapes with a known relation, and its verdict.
LONG = Shape(problems=40, sizes=(40, 80), noise=0.5)
PLANTED = {
    "same": replace(LONG, rho=1.0),
    "overlapping": replace(LONG, rho=0.5),
    "opposed": replace(LONG, rho=-0.5),
    "unrelated": replace(LONG, rho=0.0, problems=60),
    "unreliable": replace(LONG, rho=1.0, noise=3.0),
    "too few problems": replace(LONG, rho=1.0, problems=9),
    "undecided": replace(LONG, rho=0.07, problems=10, sizes=(15, 25)),
}


def panel(shape: Shape, rng: np.random.Generator) -> Panel:
    """One simulated run of two methods."""
    number = shape.problems * shape.traces
    sizes = np.exp(rng.uniform(*np.log(shape.sizes), number)).astype(int)
    trace = np.repeat(np.arange(number), sizes)
    n = len(trace)
    place = np.concatenate([np.arange(1, size + 1) / size for size in sizes])
    length = rng.integers(3, 40, n).astype(float)
    words = (rng.random(n) < 0.3).astype(float)
    common = shape.trend * place + shape.words * (words + np.log(length))
    grams = np.maximum(0, rng.uniform(-1, 1, n) if shape.grams else np.zeros(n))
    common += shape.grams * grams
    beneath = latent(shape, sizes, rng)
    left = np.full(n, np.nan)
    if shape.converges:
        left = np.where(
            place < np.repeat(rng.uniform(0.3, 0.9, number), sizes), rng.uniform(0.3, 1.5, n), 0
        )
    drawn = rng.normal(size=(2, DRAWS, n)) * shape.noise * np.sqrt(DRAWS)
    if shape.shared:
        drawn[1] = drawn[0]

    def seen(index, draws):
        score = common + beneath[index] + drawn[index, draws].mean(0)
        if shape.converges:
            score = left * np.abs(score)
        if shape.zeros:
            score = np.round(np.maximum(score - np.quantile(score, shape.zeros), 0), 1)
        return score

    splits = [rng.permutation(DRAWS) for _ in range(SPLITS if shape.noise else 0)]
    halves = [
        [np.array([seen(i, s[part]) for s in splits], np.float32).reshape(-1, n) for part in PARTS]
        for i in (0, 1)
    ]
    methods = {name: Vectors(seen(i, np.arange(DRAWS)), *halves[i]) for i, name in enumerate("ab")}
    if shape.grams:
        nothing = np.empty((0, n), np.float32)
        methods["gram_coverage"] = Vectors(grams, nothing, nothing)
    covariates = {"position": place, "length": length, "lexicon": words, "headroom": left}
    problem = np.repeat(np.arange(shape.problems), shape.traces)
    names = tuple(map(str, range(shape.problems)))
    return Panel("m", names, problem, trace, methods, covariates)


PARTS = (slice(0, DRAWS // 2), slice(DRAWS // 2, DRAWS))


def latent(shape: Shape, sizes, rng):
    """Two series of unit variance a trace that correlate by rho."""
    inner = rng.normal(size=(2, sizes.sum()))
    if shape.auto:
        scale = np.sqrt(1 - shape.auto**2)
        parts = np.split(inner * scale, np.cumsum(sizes)[:-1], axis=1)
        for part in parts:
            part[:, 0] /= scale
        inner = np.concatenate([lfilter([1], [1, -shape.auto], p, axis=1) for p in parts], axis=1)
    return np.stack([inner[0], shape.rho * inner[0] + np.sqrt(1 - shape.rho**2) * inner[1]])


def row(shape: Shape, control: str, seed: int, statistics=("spearman",)):
    """What the agreement frame says of one simulated run under a control."""
    conf = configured(control, statistics)
    made = panel(shape, np.random.default_rng([7, seed]))
    pair = Pair("a", "b", False, False, False, cross_fit=shape.shared, halved=True)
    designed, wanted = designs(made, conf), measures(conf)
    complete = tallied(whole(made.methods), made, [pair], wanted, designed, conf)
    split = halved(made, [pair], wanted, designed, conf)
    found = outcomes(made, [pair], wanted, complete, split, conf)
    return judged(made, found, {}, conf).row(0, named=True)


def configured(control: str, statistics) -> Agreement:
    """One control alone, and fewer flips: 2,000 tell .05 well enough."""
    return replace(load(), controls=(control,), statistics=statistics, fractions=(), flips=2000)


def rejected(shape: Shape, control: str, seeds) -> float:
    """Share of simulated runs whose p is below .05."""
    return float(np.mean([row(shape, control, seed)["p"] < 0.05 for seed in seeds]))


def covered(shape: Shape, seeds, column: str) -> tuple[float, float]:
    """Share of intervals that hold the mean over all runs, and that mean."""
    low, high = ("low", "high") if column == "value" else (f"{column}_low", f"{column}_high")
    rows = [row(shape, "none", seed) for seed in seeds]
    values = np.array([[found[c] for c in (column, low, high)] for found in rows])
    mean = float(values[:, 0].mean())
    return float(((values[:, 1] <= mean) & (mean <= values[:, 2])).mean()), mean


def verdicts(name: str, seeds) -> float:
    """Share of simulated runs that get the planted verdict."""
    said = [row(PLANTED[name], "all", seed, ("spearman", "topk"))["verdict"] for seed in seeds]
    return float(np.mean([verdict == name for verdict in said]))
