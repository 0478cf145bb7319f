"""All detectors at once, and their families, over problems."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from harness.agreement.inference import estimate, mean
from harness.agreement.overall.concordance import concordance
from harness.agreement.overall.families import families
from harness.agreement.panel.panel import MethodInfo, Panel, is_detector
from harness.agreement.settings import Agreement
from harness.store import schema


def summary(
    panel: Panel, dots: pl.DataFrame, traits: Mapping[str, MethodInfo], conf: Agreement
) -> pl.DataFrame:
    """The frame schema.SUMMARY: W and alpha of all detectors, and agreement by family.

    A detector that is defined nowhere takes no part. Scores of signed detectors beside unsigned
    ones count by their size. Families are compared by the values of their pairs, noise and all.
    """
    names = [
        n for n, v in panel.methods.items() if is_detector(n, traits) and np.isfinite(v.score).any()
    ]
    pairs = len(names) * (len(names) - 1) // 2
    found = [
        *(
            (m, None, "none", v, chance, pairs)
            for m, v, chance in concordance(panel, names, traits)
        ),
        *((m, s, c, v, 0.0, n) for m, s, c, v, n in families(dots, names, traits)),
    ]
    rows = []
    for measure, statistic, control, values, chance, n in found:
        value, bounds = estimate(values[None, None], mean, [conf.confidence], conf)
        known = int(np.isfinite(values).sum())
        what = (panel.model, measure, statistic, control)
        rows.append((*what, value[0], *bounds[0, 0], chance, n, known))
    return pl.DataFrame(rows, schema=dict(schema.SUMMARY), orient="row")
