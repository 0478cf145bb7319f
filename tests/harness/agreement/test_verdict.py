from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.agreement.verdict import Correlated, Seen, n_problems_needed, verdict
from tests.harness.comparing import load

CONF = load().verdict
NAN = float("nan")
NOTHING = Correlated(NAN, NAN, (NAN, NAN), (NAN, NAN))
HIGH = Correlated(0.6, 0.001, (0.7, 0.9), (0.72, 0.88))
SOME = Correlated(0.3, 0.001, (0.2, 0.6), (0.25, 0.55))
LITTLE = Correlated(0.02, 0.5, (-0.1, 0.12), (-0.08, 0.09))
OPEN = Correlated(0.05, 0.3, (-0.2, 0.4), (-0.15, 0.35))
DOWN = Correlated(-0.2, 0.01, (-0.4, -0.05), (-0.35, -0.1))


class TestVerdict:
    @pytest.mark.parametrize(
        ("spearman", "topdown", "ceiling", "expected"),
        [
            (NOTHING, NOTHING, NAN, "undecided"),
            (HIGH, HIGH, 0.29, "unreliable"),
            (HIGH, HIGH, 0.31, "same"),
            (HIGH, HIGH, NAN, "same"),
            (replace(HIGH, bounds=(0.51, 0.8)), replace(HIGH, bounds=(0.66, 0.8)), 1, "same"),
            (replace(HIGH, bounds=(0.49, 0.8)), HIGH, 1, "overlapping"),
            (HIGH, replace(HIGH, bounds=(0.64, 0.8)), 1, "overlapping"),
            (HIGH, replace(HIGH, bounds=(NAN, NAN)), 1, "overlapping"),
            (SOME, SOME, 1, "overlapping"),
            # one ranking beneath, and other sentences on top
            (HIGH, replace(LITTLE, bounds=(0.05, 0.29), within=(0.07, 0.27)), 1, "different"),
            (HIGH, replace(SOME, bounds=(0.1, 0.29)), 1, "different"),
            (HIGH, replace(SOME, bounds=(0.1, 0.31)), 1, "overlapping"),
            (HIGH, OPEN, 1, "undecided"),
            (LITTLE, LITTLE, 1, "unrelated"),
            (LITTLE, OPEN, 1, "undecided"),
            (LITTLE, replace(LITTLE, within=(-0.08, 0.11)), 1, "different"),
            # significant, but too small to matter
            (replace(LITTLE, q=0.01), replace(LITTLE, value=-0.02, q=0.01), 1, "unrelated"),
            (DOWN, OPEN, 1, "opposed"),
            (OPEN, DOWN, 1, "opposed"),
            (DOWN, SOME, 1, "overlapping"),
            (SOME, DOWN, 1, "different"),
            (replace(DOWN, q=0.06), OPEN, 1, "undecided"),
        ],
    )  # fmt: skip
    def test_the_first_that_holds(self, spearman, topdown, ceiling, expected):
        assert verdict(spearman, topdown, float(ceiling), CONF) == expected


def needed(spearman, topdown):
    """Problems needed where values and what is free of noise are as given."""
    return n_problems_needed(Seen(*map(np.array, spearman)), Seen(*map(np.array, topdown)), CONF)


NONE = np.empty(0)


class TestProblemsNeeded:
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_enough_to_tell_topdown_from_zero(self, sign):
        values = sign * np.tile([0.0, 0.4], 6)  # mean .2
        n = needed((NONE, NONE), (values, NONE))
        power = stats.norm.sf(stats.norm.ppf(0.975) - 0.2 * np.sqrt(n) / values.std(ddof=1))
        assert power == pytest.approx(0.8, abs=0.02)

    def test_spearman_alone_decides_only_downwards(self):
        values = np.tile([0.0, 0.4], 6)
        assert needed((values, NONE), (NONE, NONE)) is None
        assert needed((-values, NONE), (NONE, NONE)) == needed((NONE, NONE), (values, NONE))

    def test_enough_to_bound_what_is_not_there(self):
        values = np.tile([-0.3, 0.3], 6)
        wide = np.tile([-0.9, 0.9], 6)  # so that `different` is further away
        n = needed((values, values), (values, values))
        error = values.std(ddof=1) / np.sqrt(n)
        # to be below .3 takes less than to be within .1
        assert stats.norm.sf(stats.norm.ppf(0.975) - 0.3 / error) == pytest.approx(0.8, abs=0.04)
        assert needed((wide, wide), (values, values)) == n

    def test_the_more_of_both_where_both_must_hold(self):
        close, far = np.tile([0.75, 0.85], 6), np.tile([0.4, 1.2], 6)  # mean .8
        n = needed((NONE, far), (NONE, close))
        error = far.std(ddof=1) / np.sqrt(n)
        power = stats.norm.sf(stats.norm.ppf(0.975) - (0.8 - CONF.same_spearman) / error)
        assert power == pytest.approx(0.8, abs=0.02)
        assert needed((NONE, NONE), (NONE, close)) is None

    def test_never_is_none(self):
        assert needed((np.tile([-0.3, 0.3], 6), NONE), (NONE, NONE)) is None
        assert needed((NONE, NONE), (NONE, NONE)) is None
