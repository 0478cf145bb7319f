"""What is partialled out of the ranks of both methods before they are correlated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.polynomial import legendre

from harness.agreement.panel.blocks import Block
from harness.agreement.panel.panel import Panel
from harness.agreement.ranks import Rows
from harness.agreement.settings import Agreement, Control

COVARIATES = ("position", "length", "lexicon", "headroom")

# The baselines that are a covariate themselves: under its control nothing of them is left.
TAKEN = {"position": {"position", "recency"}, **{c: {c} for c in COVARIATES[1:]}}

# A regressor of which others leave less than this share adds nothing to them.
COLLINEAR = 1e-10
# Squared residuals of ranks over n below this, a sentence, are what rounding leaves of a constant.
CONSTANT = 1e-9
# A centred value this small beside what it was centred from is rounding, not signal.
ROUNDING = 1e-12

Column = Float[np.ndarray, " sentences"]
Square = Float[np.ndarray, "traces vectors vectors"]
Products = Float[np.ndarray, "traces both both"]


@dataclass(frozen=True, eq=False)
class Design:
    """Regressors of the controls that are defined on the same sentences, those `known`.

    `of` says which columns are a control's; the columns are 0 where they are not known.
    """

    columns: Float[np.ndarray, "columns sentences"]
    known: Bool[np.ndarray, " sentences"]
    of: Mapping[str, tuple[int, ...]]


def designs(panel: Panel, conf: Agreement) -> list[Design]:
    """The regressors of all controls and of none, as few designs as can be.

    `all` leaves out a covariate that is defined nowhere (headroom without rollouts).
    """
    wanted: list[Control] = ["none", *(c for c in conf.controls if c != "none")]
    columns = {c: regressors(c, panel.covariates[c], panel.trace) for c in COVARIATES}
    columns["lexicon"] = np.stack([*columns["lexicon"], *panel.scored(conf.wording)])
    every = [c for c in COVARIATES if np.isfinite(columns[c]).any()]
    names = {c: {"none": [], "all": every}.get(c, [c]) for c in wanted}
    all_there = np.ones(panel.size, bool)
    known = {
        c: np.logical_and.reduce([all_there, *(_finite(columns[n]) for n in names[c])])
        for c in wanted
    }
    alike = {k.tobytes(): k for k in known.values()}
    together = [[c for c in wanted if known[c].tobytes() == key] for key in alike]
    return [_design({c: names[c] for c in group}, columns, known[group[0]]) for group in together]


def _finite(columns: np.ndarray) -> Bool[np.ndarray, " sentences"]:
    return np.logical_and.reduce(np.isfinite(columns))


def _design(
    names: Mapping[str, Sequence[str]],
    columns: Mapping[str, np.ndarray],
    known: Bool[np.ndarray, " sentences"],
) -> Design:
    used = [name for name in COVARIATES if any(name in group for group in names.values())]
    stacked = np.concatenate([np.empty((0, len(known))), *(columns[name] for name in used)])
    owner = np.repeat(np.arange(len(used)), [len(columns[name]) for name in used])
    of = {
        c: tuple(int(i) for i, o in enumerate(owner) if used[o] in group)
        for c, group in names.items()
    }
    return Design(np.where(known, stacked, 0.0), known, of)


def regressors(
    name: str, values: Column, trace: Int[np.ndarray, " sentences"]
) -> Float[np.ndarray, "columns sentences"]:
    """The columns of a covariate, NaN where it is undefined.

    position: cubic of i/n; length: log tokens; lexicon: as it is; headroom: whether there is any
    left, and how much beside the trace's other sentences.
    """
    if name == "position":
        return legendre.legvander(2 * values - 1, 3)[:, 1:].T
    if name == "length":
        return np.log(np.where(values > 0, values, np.nan))[None]
    if name == "headroom":
        # importances step to 0 with the headroom: the slope alone leaves .4 of two unrelated scores
        left = np.where(np.isnan(values), np.nan, values > 0)
        return np.stack([left, _beside(values, trace)])
    return values[None]


def _beside(values: Column, trace: Int[np.ndarray, " sentences"]) -> Column:
    """Positive values in standard deviations of their trace's, times their share of its sentences.

    Ranks over n of those sentences span that share, whatever the unit of the values: only so can
    traces that are too short for slopes of their own share one. 0 where the value is 0.
    """
    live = values > 0
    n, known = (np.bincount(trace, of) for of in (live, np.isfinite(values)))
    mean = np.bincount(trace, np.where(live, values, 0)) / np.maximum(n, 1)
    away = np.where(live, values - mean[trace], 0)
    spread = np.sqrt(np.bincount(trace, away**2) / np.maximum(n, 1))
    share = n / np.maximum(known, 1)
    unit = np.where(spread > ROUNDING * mean, share / np.where(spread > 0, spread, 1), 0)
    return np.where(np.isnan(values), np.nan, away * unit[trace])


def takes(control: Control, methods: Iterable[str], wording: Iterable[str]) -> bool:
    """Whether one of the methods is what the control takes out; `wording` goes with lexicon."""
    by = TAKEN | {"lexicon": TAKEN["lexicon"].union(wording)}
    taken = set[str]().union(*by.values()) if control == "all" else by.get(control, set())
    return not taken.isdisjoint(methods)


def products(ranks: Rows, columns: Float[np.ndarray, "n sentences"], block: Block) -> Products:
    """Inner products within each trace of the centred regressors and ranks, regressors first."""
    taken = np.moveaxis(columns[:, block.cell], 0, 1)
    inside, size = block.inside[:, None], block.size[:, None, None]
    mean = np.where(inside, taken, 0.0).sum(-1, keepdims=True) / size
    centred = np.where(inside & (np.abs(taken - mean) > ROUNDING * np.abs(taken)), taken - mean, 0)
    both = np.concatenate([centred, ranks], axis=1)
    return both @ np.swapaxes(both, -1, -2)


def partial_correlation(
    inner: Products,
    columns: Sequence[int],
    total: int,
    size: Int[np.ndarray, " traces"],
    conf: Agreement,
) -> Square:
    """Correlation within each trace of what the regressors leave of every two rank vectors.

    `inner` as `products` gives it of `total` regressors, of which those in `columns` count. The fit
    is the trace's own where it has sentences enough; otherwise its slopes are those of all traces
    together, each trace around its own mean, and cost it its share of their number. NaN where too
    few degrees of freedom stay, and where nothing is left.
    """
    used = np.array([*columns, *range(total, inner.shape[1])], dtype=int)
    inner, n = inner[:, used[:, None], used], len(columns)
    left, rank = swept(inner, n)
    slopes, pooled_rank = _slopes(inner.sum(0), n)
    own = rank <= conf.regressors_per_sentence * size
    shared = pooled_rank * size / max(1, size.sum())
    free = size - 1 - np.where(own, rank, shared)
    rest = np.concatenate([-slopes, np.eye(inner.shape[1] - n)])
    left[~own] = rest.T @ inner[~own] @ rest
    left[free < conf.min_residual_dof] = np.nan
    square = np.diagonal(left, axis1=-2, axis2=-1)
    length = np.sqrt(np.where(square > CONSTANT * size[:, None], square, np.nan))
    return np.clip(left / (length[:, :, None] * length[:, None, :]), -1, 1)


def swept(inner: Products, n: int) -> tuple[Square, Int[np.ndarray, " traces"]]:
    """What is left of the inner products when the first n vectors are projected out; their rank."""
    left, rank = inner.copy(), np.zeros(len(inner), int)
    for j in range(n):
        pivot, before = left[:, j, j].copy(), inner[:, j, j]
        adds = pivot > COLLINEAR * before
        scale = np.where(adds, 1 / np.where(adds, pivot, 1.0), 0.0)
        left -= left[:, :, j, None] * (left[:, j, None, :] * scale[:, None, None])
        rank += adds
    return left[:, n:, n:], rank


def _slopes(inner: Float[np.ndarray, "both both"], n: int) -> tuple[np.ndarray, int]:
    """Least-squares slopes of the smallest norm on the first n vectors, and their rank."""
    size = np.sqrt(np.diagonal(inner)[:n])
    unit = np.where(size > 0, size, 1.0)
    inverse = np.linalg.pinv(inner[:n, :n] / np.outer(unit, unit), rcond=COLLINEAR, hermitian=True)
    kept = np.linalg.matrix_rank(
        inner[:n, :n] / np.outer(unit, unit), tol=COLLINEAR, hermitian=True
    )
    return (inverse @ (inner[:n, n:] / unit[:, None])) / unit[:, None], int(kept) if n else 0
