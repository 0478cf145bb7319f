"""The verdict on each pair, from its rows of both correlations under one control."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.controls.taken import THE_CONTROL
from harness.agreement.outcome import CORRELATED, Outcome
from harness.agreement.reliability import means, reliable
from harness.agreement.settings import Agreement
from harness.agreement.verdict import (
    TOO_FEW,
    UNDECIDED,
    Correlated,
    Seen,
    n_problems_needed,
    verdict,
)

Columns = Mapping[str, Float[np.ndarray, " rows"]]
BEYOND = "all"  # the control under which a verdict holds beyond wording
NOTHING = Correlated(np.nan, np.nan, (np.nan, np.nan), (np.nan, np.nan))
UNSEEN = Seen(np.empty(0), np.empty(0))


def concluded(found: Sequence[Outcome], columns: Columns, conf: Agreement) -> dict[str, pl.Series]:
    """The columns of schema.AGREEMENT that a verdict fills, on the rows of its correlations.

    Those are the rows under the control of verdicts and, where it was computed, under that of
    wording, too.
    """
    verdicts: list[str | None] = [None] * len(found)
    beyond: list[str | None] = [None] * len(found)
    needed: list[int | None] = [None] * len(found)
    ceilings = np.full(len(found), np.nan)
    here, there = _rows(found, conf.verdict_control), _rows(found, BEYOND)
    for of in (here, there):
        for index in of.values():
            reached, ceiling, enough = _conclude(found, index, columns, conf)
            for i in index.values():
                verdicts[i], ceilings[i], needed[i] = reached, ceiling, enough
    for pair, index in here.items():
        for i in index.values():
            beyond[i] = next((verdicts[j] for j in there.get(pair, {}).values()), None)
    return {
        "verdict": pl.Series(verdicts, dtype=pl.String),
        "verdict_ceiling": pl.Series(ceilings),
        "verdict_beyond_wording": pl.Series(beyond, dtype=pl.String),
        "n_problems_needed": pl.Series(needed, dtype=pl.Int64),
    }


def _rows(found: Sequence[Outcome], control: str) -> dict[tuple[str, str], dict[str, int]]:
    """By pair, which rows hold its correlations under a control."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for i, outcome in enumerate(found):
        statistic, pair = outcome.measure.statistic, outcome.pair
        if outcome.measure.control == control and statistic in CORRELATED:
            rows.setdefault((pair.a, pair.b), {})[statistic] = i
    return rows


def _conclude(
    found: Sequence[Outcome], index: Mapping[str, int], columns: Columns, conf: Agreement
) -> tuple[str, float, int | None]:
    """The verdict, the ceiling that it rests on, and how many problems would reach another."""
    outcomes = [found[i] for i in index.values()]
    if any(outcome.taken for outcome in outcomes):
        return THE_CONTROL, np.nan, None
    top = index.get("topdown")
    ceiling = np.nan if top is None else float(columns["ceiling"][top])
    if min(outcome.n_problems for outcome in outcomes) < conf.min_problems_interval:
        return TOO_FEW, ceiling, None
    spearman, topdown = (
        _correlated(columns, index[s]) if s in index else NOTHING for s in CORRELATED
    )
    reached = verdict(spearman, topdown, ceiling, conf.verdict)
    if reached != UNDECIDED:
        return reached, ceiling, None
    first, second = (_seen(found[index[s]], conf) if s in index else UNSEEN for s in CORRELATED)
    needed = n_problems_needed(first, second, conf.verdict)
    # these many were not enough, whatever a test by itself would find
    least = max(outcome.n_problems for outcome in outcomes) + 1
    return reached, ceiling, None if needed is None else max(needed, least)


def _correlated(columns: Columns, i: int) -> Correlated:
    row = {name: float(column[i]) for name, column in columns.items()}
    return Correlated(
        row["value"],
        row["q"],
        (row["disattenuated_low"], row["disattenuated_high"]),
        (row["within_low"], row["within_high"]),
    )


def _seen(outcome: Outcome, conf: Agreement) -> Seen:
    """What a pair's problems say of a correlation, and of what it is without noise."""
    values = outcome.seen[0][np.isfinite(outcome.seen[0])]
    own = means(outcome)
    if outcome.share < conf.min_share or not reliable(own[:, None], conf)[0]:
        return Seen(values, np.empty(0))
    known = outcome.split[0][np.isfinite(outcome.split).all(0)]
    return Seen(values, known / np.sqrt(own[1] * own[2]))
