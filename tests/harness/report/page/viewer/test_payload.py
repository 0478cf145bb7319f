import json
import re
import zlib
from base64 import b64decode
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.page.viewer.payload import FILE, Payload, clean, short

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


def unpacked(line: str) -> object:
    return json.loads(zlib.decompress(b64decode(line)))


@settings(max_examples=30, deadline=None)
@given(st.lists(JSON, max_size=5))
def test_what_is_kept_is_read_again(values: list[object]):
    payload = Payload()
    places = [payload.add(value) for value in values]
    assert places == [(0, i) for i in range(len(values))]
    assert [unpacked(line) for line in payload.lines] == values
    assert all(re.fullmatch("[A-Za-z0-9+/=]+", line) for line in payload.lines)


def test_what_finds_no_room_goes_beside_the_page(tmp_path: Path):
    payload = Payload(room=40)
    assert payload.add("small") == (0, 0)
    big = list(range(100))
    assert [payload.add(big), payload.add(big)] == [(1, 0), (1, 1)]
    assert payload.keep(big) == (0, 1)
    assert payload.add("small") == (1, 2)
    payload.filled = FILE
    assert payload.add(big) == (2, 0)
    (tmp_path / "report-data-3.js").write_text("of an earlier page")
    payload.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report-data-1.js", "report-data-2.js"}
    called = re.fullmatch(r"kept\(1, (\[.*\])\);\n", (tmp_path / "report-data-1.js").read_text())
    assert called is not None
    assert [unpacked(line) for line in json.loads(called[1])] == [big, big, "small"]


def test_numbers_are_cut_to_what_the_eye_uses():
    numbers = pl.Series("x", [0.123456, None, -98765.4, 0.0, 1e-17])
    cut = numbers.to_frame().select(short(pl.col("x")))["x"]
    assert cut.to_list() == [0.123, None, -98800.0, 0.0, 1e-17]


def test_control_characters_are_replaced():
    texts = pl.DataFrame({"text": ["a\x00b\x1b[31m\tc\nd", None]}).select(clean(pl.col("text")))
    assert texts["text"].to_list() == ["a\ufffdb\ufffd[31m\tc\nd", None]
