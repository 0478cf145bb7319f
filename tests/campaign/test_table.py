"""The campaign's command: parts by name and size, a row each, and only what is good passes."""

from pathlib import Path

import pytest

from tests.campaign.__main__ import GOOD, PARTS, Part, asked, killed, told

SOME = Part("some", 3, lambda *_: iter(()))


def test_parts_are_named_and_sized():
    assert asked([])[0] == {name: part.size for name, part in PARTS.items()}
    assert asked(["texts=5", "pages", "keep=k"]) == ({"texts": 5, "pages": 100}, Path("k"))
    for wrong in ("nothing", "kills=many"):
        with pytest.raises(SystemExit):
            asked([wrong])


def test_a_row_counts_and_only_what_is_good_passes(capsys: pytest.CaptureFixture[str]):
    assert told(SOME, sorted(GOOD))
    assert not told(SOME, [*GOOD, "SILENT (scores, flipped)"])
    assert not told(SOME, [])
    assert "1 SILENT (scores, flipped)" in capsys.readouterr().out


def test_kept_kills_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def campaign(_place: Path, n: int, _seed: int, done: dict[str, int]):
        yield from [("fixed", "new line\nof a failure")] * (n - done["fixed"])

    monkeypatch.setattr("tests.campaign.kills.campaign", campaign)
    kept = tmp_path / "kills.tsv"
    assert len(list(killed(tmp_path, 2, kept))) == 2
    assert list(killed(tmp_path, 3, kept)) == ["new line of a failure"] * 2 + [
        "new line\nof a failure"
    ]
    assert kept.read_text() == "fixed\tnew line of a failure\n" * 3
