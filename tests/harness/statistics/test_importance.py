import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.importance import effective_share, known, mean


def test_by_hand():
    weights = np.array([1.0, 3.0, np.nan])
    assert known(weights).tolist() == [1, 3]
    assert mean(weights) == 2
    assert effective_share(weights) == pytest.approx(4 / 5)


def test_nothing_is_undefined_and_no_warning():
    for none in (np.array([]), np.array([np.nan])):
        assert np.isnan(mean(none))
        assert np.isnan(effective_share(none))
    assert np.isnan(effective_share(np.zeros(3)))


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.floats(0.1, 10))
def test_the_share_lies_between_one_draw_and_all_whatever_the_scale(values: list[float], by: float):
    weights = np.array(values)
    share = effective_share(weights)
    assert 1 / len(weights) - 1e-9 <= share <= 1 + 1e-9
    assert effective_share(by * weights) == pytest.approx(share)
