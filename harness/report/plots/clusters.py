"""Methods that agree, side by side: average linkage on 1 - controlled agreement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform


@dataclass(frozen=True, eq=False)
class Clusters:
    """A tree over `names`, its rows as scipy's linkage has them; `left_out` could not be placed."""

    names: list[str]
    tree: Float[np.ndarray, "merges 4"]
    left_out: list[str]

    @property
    def order(self) -> list[str]:
        """The names as the tree's leaves lie, then those left out."""
        leaves = leaves_list(self.tree) if len(self.tree) else range(len(self.names))
        return [*(self.names[i] for i in leaves), *self.left_out]


def clusters(rows: pl.DataFrame, names: Sequence[str]) -> Clusters:
    """The tree over those of the names whose agreement is known pair by pair; rows as `pairs`."""
    far = distances(rows, names)
    kept = complete(far)
    near = squareform(far[np.ix_(kept, kept)], checks=False)
    tree = linkage(near, "average", optimal_ordering=True) if len(kept) > 1 else np.empty((0, 4))
    left_out = [name for i, name in enumerate(names) if i not in kept]
    return Clusters([names[i] for i in kept], tree, left_out)


def distances(rows: pl.DataFrame, names: Sequence[str]) -> Float[np.ndarray, "methods methods"]:
    """1 - controlled agreement of every two, between 0 and 2, NaN where undefined."""
    at = {name: i for i, name in enumerate(names)}
    far = np.full((len(at), len(at)), np.nan)
    np.fill_diagonal(far, 0)
    for a, b, value in rows.select("a", "b", "value_controlled").drop_nulls().iter_rows():
        if a in at and b in at:
            far[at[a], at[b]] = far[at[b], at[a]] = 1 - value
    return far


def complete(far: Float[np.ndarray, "methods methods"]) -> list[int]:
    """The methods left when the one with most undefined pairs is dropped until there are none."""
    kept = list(range(len(far)))
    while kept:
        undefined = np.isnan(far[np.ix_(kept, kept)]).sum(0)
        if not undefined.any():
            break
        del kept[int(undefined.argmax())]
    return kept


def by_family(order: Sequence[str], families: Mapping[str, str]) -> list[list[str]]:
    """The names in groups of one family, families and names in the order of `order`."""
    groups: dict[str, list[str]] = {}
    for name in order:
        groups.setdefault(families[name], []).append(name)
    return list(groups.values())
