"""What is partialled out of the ranks of both methods before they are correlated."""

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre

from harness.agreement.segments import Segments
from harness.agreement.settings import Agreement, Control
from harness.agreement.statistics import correlation

COVARIATES = ("position", "length", "lexicon", "headroom")

# The baselines that are a covariate themselves: under its control nothing of them is left.
TAKEN = {"position": {"position", "recency"}, **{c: {c} for c in COVARIATES[1:]}}

# Eigenvalues of a correlation matrix below this belong to columns that others already span.
COLLINEAR = 1e-10

Column = Float[np.ndarray, " sentences"]
Design = Float[np.ndarray, "sentences columns"]


def design(control: Control, covariates: Mapping[str, Column]) -> Design:
    """The regressors of a control, NaN where a covariate is undefined.

    position: cubic of i/n; length: log tokens; lexicon: as it is; headroom: nats, and whether there
    is any left. `all` leaves out a covariate that is defined nowhere (headroom without rollouts).
    """
    known = [c for c in COVARIATES if np.isfinite(covariates[c]).any()]
    names = {"none": [], "all": known}.get(control, [control])
    columns = [_columns(name, covariates[name]) for name in names]
    return np.concatenate([np.empty((len(covariates["position"]), 0)), *columns], axis=1)


def takes(control: Control, methods: Iterable[str]) -> bool:
    """Whether one of the methods is what the control takes out."""
    taken = set[str]().union(*TAKEN.values()) if control == "all" else TAKEN.get(control, set())
    return not taken.isdisjoint(methods)


def _columns(name: str, values: Column) -> Design:
    if name == "position":
        return legendre.legvander(2 * values - 1, 3)[:, 1:]
    if name == "length":
        return np.log(np.where(values > 0, values, np.nan))[:, None]
    if name == "headroom":
        # importances step to 0 with the headroom: the slope alone leaves .4 of two unrelated scores
        return np.column_stack([values > 0, values])
    return values[:, None]


def partial_spearman(
    x: Column, y: Column, columns: Design, traces: Segments, conf: Agreement
) -> Float[np.ndarray, " traces"]:
    """Correlation within each trace of what the regressors leave of the two rank vectors."""
    ranks = np.stack([traces.centred_ranks(x), traces.centred_ranks(y)], axis=1)
    rest = residuals(ranks, columns, traces, conf)
    return correlation(rest[:, 0], rest[:, 1], traces)


def residuals(
    ranks: Float[np.ndarray, "sentences 2"], columns: Design, traces: Segments, conf: Agreement
) -> Float[np.ndarray, "sentences 2"]:
    """What a linear fit leaves of centred ranks over n; NaN where too few degrees of freedom stay.

    The fit is the trace's own where it has sentences enough; otherwise its slopes are those of all
    traces together, each trace around its own mean, and cost it its share of their number.
    """
    x = traces.centre(columns)
    gram = traces.sum(x[:, :, None] * x[:, None, :])
    moment = traces.sum(x[:, :, None] * ranks[:, None, :])
    slopes, rank = _solve(gram, moment)
    pooled, pooled_rank = _solve(gram.sum(0, keepdims=True), moment.sum(0, keepdims=True))
    own = rank <= conf.regressors_per_sentence * traces.size
    shared = pooled_rank * traces.size / max(1, traces.size.sum())
    free = traces.size - 1 - np.where(own, rank, shared)
    slopes = np.where(own[:, None, None], slopes, pooled)
    slopes[free < conf.min_residual_dof] = np.nan
    return ranks - np.einsum("sc,scy->sy", x, traces.spread(slopes))


def _solve(gram: np.ndarray, moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares slopes of the smallest norm and the rank of the regressors, batched."""
    size = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
    unit = np.where(size > 0, size, 1.0)
    scaled = gram / (unit[..., :, None] * unit[..., None, :])
    value, vector = np.linalg.eigh(scaled)
    kept = value > COLLINEAR
    inverse = np.where(kept, 1 / np.where(kept, value, 1.0), 0.0)
    rotated = np.swapaxes(vector, -1, -2) @ (moment / unit[..., :, None])
    slopes = vector @ (inverse[..., :, None] * rotated)
    return slopes / unit[..., :, None], kept.sum(-1)
