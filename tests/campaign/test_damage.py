"""A small form of the campaign: a damaged file is named, told or made again, never silent."""

from pathlib import Path

from tests.campaign.damage import campaign

SMALL = (
    ("run.yaml", "flipped"), ("problems", "cut_short"), ("traces", "deleted"),
    ("sentences", "foreign"), ("rollouts", "deleted"), ("rollouts", "flipped"),
    ("tokens", "zeroed"), ("scores", "emptied"), ("scores", "foreign"), ("status", "cut_short"),
)  # fmt: skip


def test_no_damage_is_silent_or_a_traceback(tmp_path: Path):
    found = list(campaign(tmp_path, 1, SMALL, seed=1))
    assert [row[:2] for row in found] == list(SMALL)
    assert {row[2] for row in found} <= {"named", "told", "made again"}, found
