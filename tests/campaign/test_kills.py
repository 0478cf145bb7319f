"""A small form of the campaign: what is killed at random moments ends as if it had not been."""

from pathlib import Path

import pytest

from tests.campaign.kills import GOOD, KINDS, campaign

pytestmark = pytest.mark.slow


def test_what_is_killed_loses_nothing_and_records_nothing_twice(tmp_path: Path):
    others = dict.fromkeys(set(KINDS) - {"coupled"}, 10)
    found = list(campaign(tmp_path / "runs", 6, 0, others))
    assert found
    assert set(found) == {("coupled", GOOD)}
