"""One value a problem: what the rows of the agreement frame are means of."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.outcome import Outcome
from harness.agreement.panel.panel import Panel
from harness.agreement.reliability import lengthened
from harness.store import schema


def by_problem(panel: Panel, found: Sequence[Outcome]) -> pl.DataFrame:
    """The values that each row is the weighted mean of, problems without value included."""
    n, rows = len(panel.problems), np.arange(len(found))
    names = {
        "model": [panel.model for _ in found],
        "a": [o.pair.a for o in found],
        "b": [o.pair.b for o in found],
        "statistic": [o.measure.statistic for o in found],
        "control": [o.measure.control for o in found],
    }
    each = {k: pl.Series(v, dtype=pl.String).gather(np.repeat(rows, n)) for k, v in names.items()}
    problem = pl.Series(panel.problems, dtype=pl.String).gather(np.tile(np.arange(n), len(found)))
    numbers = {
        "value": [shown(o) for o in found],
        "n_traces": [o.n_traces for o in found],
        "n_sentences": [o.n_sentences for o in found],
        "weight": [o.weight for o in found],
    }
    columns = each | {"problem_id": problem}
    columns |= {k: pl.Series(np.concatenate([[], *v])) for k, v in numbers.items()}
    kinds = schema.AGREEMENT_BY_PROBLEM
    return pl.DataFrame(columns).select(pl.col(k).cast(kind) for k, kind in kinds.items())


def shown(outcome: Outcome) -> Float[np.ndarray, " problems"]:
    """One value a problem; a correlation across halves carried to whole samples."""
    if not outcome.carried:
        return outcome.seen[0]
    across, a, b, _ = outcome.seen
    known = np.isfinite(across)
    own = [np.nan, np.nan]
    if known.any():
        own = [np.average(half[known], weights=outcome.weight[known]) for half in (a, b)]
    return across * np.sqrt(np.prod(lengthened(np.array(own))))
