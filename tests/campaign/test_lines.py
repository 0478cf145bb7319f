"""A small form of the campaign: command lines that make no sense are refused in one line."""

from pathlib import Path

from tests.campaign.lines import LINES, SMALL, outcomes


def test_a_bad_command_line_is_one_line(tmp_path: Path):
    assert len(LINES) > 100
    assert {said for _, said in outcomes(tmp_path, SMALL)} == {"refused"}
