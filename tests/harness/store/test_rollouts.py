"""Recorded rollouts read back: by arm and boundary, in order, none of them twice."""

from pathlib import Path

import polars as pl
import pytest

from harness.core import UserError
from harness.store import schema
from harness.store.files import add_part
from harness.store.rollouts import load


def part(folder: Path, draws: list[int], cut: list[int] | None) -> None:
    """Rollouts of boundary 2, answered by their own number; the even ones come from boundary 1."""
    rows = [
        {
            "arm": "resample", "boundary": 2, "draw": draw, "cut": cut, "origin": 1 + draw % 2,
            "answer": str(draw), "correct": draw == 1, "first_sentence": "", "n_tokens": 3,
        }
        for draw in draws
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={"cut": schema.ROLLOUTS["cut"]})
    lacking = [name for name in schema.ROLLOUTS if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, schema.ROLLOUTS[name]).alias(name) for name in lacking)
    add_part(folder, frame.select(list(schema.ROLLOUTS)).cast(dict(schema.ROLLOUTS)))


def test_parts_are_put_in_the_order_of_their_draws(tmp_path: Path) -> None:
    part(tmp_path, [3, 0], [])
    part(tmp_path, [1, 2], [])
    ((key, found),) = load(tmp_path).items()
    assert key == ("resample", 2)
    assert found.answer == ("0", "1", "2", "3")
    assert found.correct.tolist() == [False, True, False, False]
    assert found.passing == {0, 2}
    assert found.routed is None


@pytest.mark.parametrize("cut", [[], None])  # None: in files of older runs
def test_a_rollout_that_is_there_twice_is_refused(tmp_path: Path, cut: list[int] | None) -> None:
    part(tmp_path, [0, 1], [])
    part(tmp_path, [1], cut)
    with pytest.raises(UserError, match="holds rollouts twice"):
        load(tmp_path)
