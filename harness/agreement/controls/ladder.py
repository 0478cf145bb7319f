"""Least squares within traces as far as each can afford it, with pooled slopes for the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.agreement.panel.blocks import Block, blocks
from harness.agreement.ranks import Rows
from harness.agreement.settings import Agreement

# A regressor of which others leave less than this share adds nothing to them.
COLLINEAR = 1e-10
# Squared residuals below this, a sentence, are what rounding leaves of a constant.
CONSTANT = 1e-9
# A centred value this small beside what it was centred from is rounding, not signal.
ROUNDING = 1e-12

Square = Float[np.ndarray, "traces vectors vectors"]
Products = Float[np.ndarray, "traces columns columns"]


@dataclass(frozen=True, eq=False)
class Ladder:
    """Columns of a design, and from how many sentences on a trace fits each by itself."""

    columns: Int[np.ndarray, " columns"]
    least: Float[np.ndarray, " columns"]


@dataclass(frozen=True, eq=False)
class Regressors:
    """Columns of a design over the kept sentences, centred within each trace, block by block."""

    blocks: list[Block]
    rows: list[Float[np.ndarray, "_ columns _"]]

    @cached_property
    def inner(self) -> Products:
        """Inner products within each trace, in the order of the blocks."""
        return np.concatenate([row @ np.swapaxes(row, -1, -2) for row in self.rows])

    @cached_property
    def trace(self) -> Int[np.ndarray, " traces"]:
        """The traces, in the order of the blocks."""
        return np.concatenate([block.trace for block in self.blocks])

    @cached_property
    def size(self) -> Int[np.ndarray, " traces"]:
        """Sentences of each."""
        return np.concatenate([block.size for block in self.blocks])


def regressors(
    columns: Float[np.ndarray, "columns sentences"],
    trace: Int[np.ndarray, " sentences"],
    kept: Bool[np.ndarray, " sentences"],
) -> Regressors:
    """The columns over the kept sentences; `trace` ascends."""
    found = list(blocks(trace, kept))
    return Regressors(found, [_centred(columns, block) for block in found])


def _centred(columns: Float[np.ndarray, "columns sentences"], block: Block) -> Rows:
    taken = np.moveaxis(columns[:, block.cell], 0, 1)
    inside, size = block.inside[:, None], block.size[:, None, None]
    mean = np.where(inside, taken, 0.0).sum(-1, keepdims=True) / size
    signal = np.abs(taken - mean) > ROUNDING * np.abs(taken)
    return np.where(inside & signal, taken - mean, 0)


@dataclass(frozen=True, eq=False)
class Projection:
    """What takes a ladder's columns out of vectors, knowing their inner products alone.

    `own` inverts the inner products of the columns that a trace fits by itself, `left` are those of
    the others when these are gone, `pooled` inverts their sum over traces.
    """

    columns: Int[np.ndarray, " columns"]
    own: Products
    beyond: Products
    left: Products
    pooled: Float[np.ndarray, "columns columns"]
    defined: Bool[np.ndarray, " traces"]
    size: Int[np.ndarray, " traces"]

    def correlation(
        self, beside: Float[np.ndarray, "traces columns vectors"], inner: Square
    ) -> Square:
        """Correlation within each trace of what the regressors leave of every two vectors.

        `beside` and `inner`: inner products of all columns of the design with the vectors, and of
        these. NaN where too few degrees of freedom stay, and where nothing is left.
        """
        beside = beside[:, self.columns]
        rest = inner - np.swapaxes(beside, -1, -2) @ (self.own @ beside)
        if len(self.columns):
            beside = self.beyond @ beside
            slopes = self.pooled @ beside.sum(0)
            crossed = slopes.T @ beside
            rest = rest - crossed - np.swapaxes(crossed, -1, -2) + slopes.T @ self.left @ slopes
        rest[~self.defined] = np.nan
        square = np.diagonal(rest, axis1=-2, axis2=-1)
        length = np.sqrt(np.where(square > CONSTANT * self.size[:, None], square, np.nan))
        return np.clip(rest / (length[:, :, None] * length[:, None, :]), -1, 1)


def projection(ladder: Ladder, over: Regressors, conf: Agreement) -> Projection:
    """The fit of a ladder's columns, each trace's own or, around its mean, that of all traces.

    Pooled slopes cost a trace its share of their number.
    """
    inner = over.inner[:, ladder.columns[:, None], ladder.columns]
    size = np.sqrt(np.diagonal(inner, axis1=-2, axis2=-1))
    fits = over.size[:, None] >= ladder.least
    own, rank = inverse(inner, fits & (size > 0))
    beyond = np.eye(len(ladder.columns)) - inner @ own
    beyond[fits] = 0.0
    left = beyond @ inner
    left[np.broadcast_to(fits[:, None, :], left.shape)] = 0.0
    pooled, number = _pooled(left.sum(0), (size**2).sum(0))
    free = over.size - 1 - rank - number * over.size / max(1, over.size.sum())
    defined = free >= conf.min_residual_dof
    return Projection(ladder.columns, own, beyond, left, pooled, defined, over.size)


def inverse(
    inner: Products, used: Bool[np.ndarray, "traces columns"]
) -> tuple[Products, Int[np.ndarray, " traces"]]:
    """Inverse of the inner products of the used columns that add to those before them; their rank.

    0 in the rows and columns of all others. Columns are swept in one after the other.
    """
    scale = np.sqrt(np.diagonal(inner, axis1=-2, axis2=-1))
    unit = np.where(used & (scale > 0), scale, 1.0)
    work = inner / (unit[:, :, None] * unit[:, None, :])
    both = used[:, :, None] & used[:, None, :]
    work = np.where(both, work, 0.0)
    swept = np.zeros(used.shape, bool)
    for j in range(used.shape[1]):
        pivot = work[:, j, j].copy()
        adds = used[:, j] & (pivot > COLLINEAR)
        swept[:, j] = adds
        by = np.where(adds, 1 / np.where(adds, pivot, 1.0), 0.0)
        column, row = work[:, :, j].copy(), work[:, j].copy()
        work -= column[:, :, None] * (row * by[:, None])[:, None]
        # the Gauss-Jordan sweep: symmetric, the inverse grows where the product shrinks
        work[adds, :, j] = (column * by[:, None])[adds]
        work[adds, j] = (row * by[:, None])[adds]
        work[adds, j, j] = -by[adds]
    found = np.where(swept[:, :, None] & swept[:, None, :], -work, 0.0)
    return found / (unit[:, :, None] * unit[:, None, :]), swept.sum(1)


def _pooled(
    left: Float[np.ndarray, "columns columns"], before: Float[np.ndarray, " columns"]
) -> tuple[np.ndarray, int]:
    """Inverse of the smallest norm, and rank; a column of which little was left counts as gone."""
    square = np.diagonal(left)
    there = square > COLLINEAR * before
    unit = np.sqrt(np.where(there, square, 1.0))
    scaled = np.where(np.outer(there, there), left / np.outer(unit, unit), 0.0)
    if not there.any():
        return np.zeros_like(left), 0
    found = np.linalg.pinv(scaled, rcond=COLLINEAR, hermitian=True) / np.outer(unit, unit)
    return found, int(np.linalg.matrix_rank(scaled, tol=COLLINEAR, hermitian=True))


def products(
    vectors: Rows, rows: Float[np.ndarray, "traces columns width"]
) -> tuple[np.ndarray, Square]:
    """Inner products within each trace of columns with vectors, and of vectors with each other."""
    turned = np.swapaxes(vectors, -1, -2)
    return rows @ turned, vectors @ turned


def joined(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, Square]:
    """Those of all blocks below one another."""
    beside, inner = zip(*parts, strict=True)
    return np.concatenate(beside), np.concatenate(inner)
