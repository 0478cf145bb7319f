"""From an effect and its interval to what may be said of a claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isclose
from statistics import NormalDist

from harness.agreement import Agreement
from harness.claims.claim import Claim, Part

SUPPORTED, CONTRADICTED = "supported", "contradicted"
UNDECIDED, NOT_TESTED = "undecided", "not tested"
UNDEFINED = "the effect is undefined"


@dataclass(frozen=True)
class Judged:
    """A verdict, its one-sided p, and what would change it in words."""

    verdict: str
    p: float | None
    missing: str


def judged(part: Part, claim: Claim, conf: Agreement) -> Judged:
    """The verdict on one part.

    p is one-sided: that the effect is no larger than `supported_from`; of a contradicted part,
    that it is no smaller than `contradicted_below`.
    """
    if part.missing:
        return Judged(NOT_TESTED, None, part.missing)
    if part.effect is None or part.low is None or part.high is None:
        return Judged(UNDECIDED, None, _too_few(part, conf) or part.reason or UNDEFINED)
    above = beyond(part, claim.threshold(part), conf)
    if part.p is not None:
        above = max(above, part.p)
    if part.reason:
        return Judged(UNDECIDED, above, part.reason)
    alpha = conf.verdict.alpha
    if part.low > claim.threshold(part) and (part.p is None or part.p < alpha):
        return Judged(SUPPORTED, above, "")
    if part.high < claim.contradicted_below and (part.p_below is None or part.p_below < alpha):
        below = 1 - beyond(part, claim.contradicted_below, conf)
        return Judged(CONTRADICTED, max(below, part.p_below or 0.0), "")
    return Judged(UNDECIDED, above, _needed(part, claim, conf))


def together(parts: Sequence[Judged], conf: Agreement) -> Judged:
    """The verdict on all parts: supported if each is, contradicted if any is.

    Not tested if any was not, unless another contradicts. p is the largest of the parts, of a
    contradiction the smallest times how many there are (Bonferroni): one that chance would give to
    some part of so many leaves the claim undecided.
    """
    of = {v: [part for part in parts if part.verdict == v] for v in {p.verdict for p in parts}}
    known = [part.p for part in parts if part.p is not None]
    if CONTRADICTED in of:
        least = min(part.p for part in of[CONTRADICTED] if part.p is not None) * len(parts)
        if len(parts) == 1 or least < (1 - conf.confidence) / 2:
            return Judged(CONTRADICTED, min(1.0, least), "")
        return Judged(UNDECIDED, max(known), f"one of {len(parts)} parts may lie so low by chance")
    for verdict in (NOT_TESTED, UNDECIDED):
        if verdict in of:
            why = "; ".join(dict.fromkeys(part.missing for part in of[verdict] if part.missing))
            return Judged(verdict, None if verdict == NOT_TESTED else max(known, default=None), why)
    return Judged(SUPPORTED, max(known, default=None), "")


def beyond(part: Part, threshold: float, conf: Agreement) -> float:
    """One-sided p that the effect lies at or below a threshold, read off the interval.

    Normal on the side that faces the threshold, so that p < (1 − confidence) / 2 exactly where the
    interval lies above it.
    """
    assert part.effect is not None
    assert part.low is not None
    assert part.high is not None
    away = part.effect - threshold
    reach = part.effect - part.low if away > 0 else part.high - part.effect
    if isclose(reach, 0, abs_tol=1e-12):
        return 0.0 if away > 0 else 1.0
    normal = NormalDist()
    return normal.cdf(-away / reach * normal.inv_cdf((1 + conf.confidence) / 2))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values; None is no test."""
    order = sorted((value, i) for i, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    least = 0.0
    for rank, (value, i) in enumerate(order):
        least = max(least, min(1.0, value * (len(order) - rank)))
        adjusted[i] = least
    return adjusted


def _too_few(part: Part, conf: Agreement) -> str:
    if part.n_problems < conf.min_problems_interval:
        return f"{part.n_problems} problems: at least {conf.min_problems_interval} are needed"
    return ""


def _needed(part: Part, claim: Claim, conf: Agreement) -> str:
    """How many problems would decide at the given power, if what is seen is the truth."""
    assert part.effect is not None
    assert part.low is not None
    assert part.high is not None
    above, below = part.effect - claim.threshold(part), claim.contradicted_below - part.effect
    if above > 0:
        away, reach = above, part.effect - part.low
    elif below > 0:
        away, reach = below, part.high - part.effect
    else:
        return "between the thresholds: no number of problems decides if this is the truth"
    z = NormalDist().inv_cdf
    ends = z((1 + conf.confidence) / 2)
    n = part.n_problems * ((ends + z(conf.verdict.power)) / ends * reach / away) ** 2
    return f"about {max(ceil(n), part.n_problems + 1):,} problems would decide"
