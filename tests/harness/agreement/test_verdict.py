from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.agreement.verdict import Findings, n_problems_needed, verdict
from tests.harness.comparing import load

CONF = load().verdict
NAN = float("nan")
NOTHING = Findings(NAN, NAN, NAN, NAN, NAN, (NAN, NAN))
SAME = Findings(0.6, 0.001, 0.8, 0.7, 0.9, (0.91, 1.0))


class TestVerdict:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            (NOTHING, "undecided"),
            (SAME, "same"),
            (replace(SAME, ceiling=0.49), "unreliable"),
            (replace(SAME, low_topk=0.59), "overlapping"),
            (replace(SAME, low_spearman=0.79), "overlapping"),
            (replace(SAME, low_topk=NAN), "overlapping"),
            (replace(SAME, low_topk=0.1, q=0.06), "undecided"),
            (replace(SAME, low_topk=0.1, value=-0.3), "opposed"),
            (replace(NOTHING, value=0.02, q=0.5, within=(-0.09, 0.09)), "unrelated"),
            (replace(NOTHING, value=0.02, q=0.5, within=(-0.09, 0.11)), "undecided"),
            # significant but too small to matter: unrelated comes first
            (replace(NOTHING, value=0.02, q=0.01, within=(0.01, 0.04)), "unrelated"),
            (replace(NOTHING, value=-0.02, q=0.01, within=(-0.04, -0.01)), "opposed"),
        ],
    )
    def test_the_first_that_holds(self, found, expected):
        assert verdict(found, CONF) == expected


class TestProblemsNeeded:
    def test_enough_to_tell_from_zero(self):
        values = np.tile([0.0, 0.4], 6)  # mean .2
        n = n_problems_needed(values, np.empty(0), CONF)
        spread = values.std(ddof=1)
        power = stats.norm.sf(stats.norm.ppf(0.975) - 0.2 * np.sqrt(n) / spread)
        assert power == pytest.approx(0.8, abs=0.02)

    def test_enough_to_bound_what_is_not_there(self):
        values = np.tile([-0.3, 0.3], 6)
        n = n_problems_needed(values, values, CONF)
        error = values.std(ddof=1) / np.sqrt(n)
        # both one-sided tests at 5 % hold if the mean lies within .1 − 1.645 errors of 0
        reach = (CONF.unrelated - stats.norm.ppf(0.95) * error) / error
        assert stats.norm.cdf(reach) - stats.norm.cdf(-reach) == pytest.approx(0.8, abs=0.02)

    def test_the_easier_of_both(self):
        values = np.tile([-0.28, 0.32], 6)  # mean .02: far easier bounded than told from 0
        alone = n_problems_needed(values, np.empty(0), CONF)
        assert n_problems_needed(values, values, CONF) < alone / 10

    def test_never_is_none(self):
        assert n_problems_needed(np.tile([-0.3, 0.3], 6), np.empty(0), CONF) is None
        assert n_problems_needed(np.empty(0), np.empty(0), CONF) is None
