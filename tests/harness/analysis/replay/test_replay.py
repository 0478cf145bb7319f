"""Replay: worlds made of rollouts by hand, what is drawn in them, and lines of users."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from harness.analysis.replay.playing import WAYS, Settings, coupled, fixed, floors
from harness.analysis.replay.table import FILE, compared, measured, reached
from harness.analysis.replay.world import COLUMNS, World, recorded, world, worlds
from harness.core import UserError
from harness.evidence.example import TRACE
from harness.run.growth import stored
from harness.schedules.__main__ import command
from harness.statistics.distances import Contrast
from harness.statistics.mixtures import contrasted, mixture, sample
from harness.store.schema import ROLLOUTS
from harness.store.traces import load

RUN = Path(__file__).parents[4] / "results" / "reference"
HOW = Settings(stretch=8, pilot=4)
IDS = TRACE.token_ids  # sentences of six tokens each


def row(boundary: int, ids: tuple[int, ...], answer: str, **more: object) -> dict[str, object]:
    return {
        "arm": "resample", "boundary": boundary, "origin": boundary, "token_ids": list(ids),
        "first_sentence": "", "answer": answer, "correct": answer == "2", "n_tokens": len(ids),
    } | more  # fmt: skip


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={key: ROLLOUTS[key] for key in COLUMNS}, orient="row")


def test_a_world_by_hand():
    """One of three rollouts goes on to the second boundary, where it leaves behind two tokens."""
    rows = [
        row(0, (*IDS[:8], 99, 98), "2"),
        row(0, (99,), "3"),
        row(0, (*IDS[:5], 99), "2"),
        row(1, (*IDS[6:12], 99), "3"),
        row(2, (97,), "2"),
        row(2, (), "3", origin=1),  # the one above, as coupled runs have it: no more
        row(2, (97,), "9", arm="other"),
    ]
    made = world(TRACE, frame(*rows))
    assert made is not None
    np.testing.assert_allclose(np.exp(made.logprob), [1 / 3, 1 / 2])
    assert made.right.tolist() == [True, False]
    np.testing.assert_allclose(made.apart, [[1 / 2, 1 / 2], [1, 0], [1 / 2, 1 / 2]])
    np.testing.assert_allclose(made.written, [(1 + 6) / 2, 4, 1])
    np.testing.assert_allclose(made.kept, [5 / 2, 2, 0])
    np.testing.assert_allclose(made.behind[:, 0], [2 / 3 / 2 + 1 / 3 * 3 / 4, 3 / 4, 1 / 2])
    np.testing.assert_allclose(made.gain, np.diff(made.behind[:, 0]))
    np.testing.assert_allclose(made.tokens[1:], [(4 + 6 + 1) / 2, 1])


def test_without_tokens_the_text_says_who_writes_the_sentence_again():
    text = TRACE.sentences[0].text.strip()
    rows = [row(0, (), "2", n_tokens=9, first_sentence=text), row(0, (), "3", n_tokens=5)]
    rows += [row(k, (), "2", n_tokens=None, first_sentence="no") for k in (1, 2)]
    made = world(TRACE, frame(*rows))
    assert made is not None
    np.testing.assert_allclose(np.exp(made.logprob), [0.5, 0])
    np.testing.assert_allclose(made.written, [5, 7, 1])
    assert world(TRACE, frame(*rows[:3])) is None  # one sentence alone


def test_every_way_of_drawing_says_what_is_so_on_average():
    """The third sentence is always written again, and of the last one p is 0."""
    apart = np.array([[0.9, 0.1], [0.5, 0.5], [0, 0], [0.2, 0.8], [0.7, 0.3]])
    logprob = np.log(np.array([0.5, 0.3, 1.0, 1e-300]))
    given = World(
        logprob, apart, np.array([True, False]), np.full(5, 20.0), np.zeros(5), np.full(4, 10.0)
    )
    rng, times = np.random.default_rng(0), 300
    for (estimator, schedule), way in WAYS.items():
        played = [way(given, 12, HOW, rng) for _ in range(times)]
        gain = np.array([each.gain for each in played])
        error = gain.std(axis=0) / np.sqrt(times) + 1e-9
        wrong = np.abs(gain.mean(axis=0) - given.gain) / error
        assert wrong.max() < 3.5, (estimator, schedule, wrong)
    spent = [np.mean([w(given, 12, HOW, rng).tokens for _ in range(20)]) for w in (fixed, coupled)]
    assert spent[1] < spent[0] == pytest.approx(12 * given.tokens.sum())


def test_floors_are_those_of_the_detectors():
    """All rows at once, beside one after the other: plain, coupled, and of what leaves."""
    rng, contrast = np.random.default_rng(1), Contrast("tv", 1.0, True, 4000)
    counts = rng.multinomial(30, [[0.6, 0.3, 0.1]] * 4)
    both = np.minimum(counts[:-1], counts[1:]) // 2
    for common in (0 * both, both):
        slow = contrast.score(counts[:-1], counts[1:], rng, common).diagnostics["floor_mean"]
        pooled, apart = counts[:-1] + counts[1:] - common, 30 - common.sum(axis=1)
        fast = np.mean([floors(pooled, (apart, apart), (30, 30), 1.0, rng) for _ in range(60)], 0)
        np.testing.assert_allclose(fast, slow, rtol=0.05)
    logprob = np.log([0.5, 0.1, 0.7])
    kept = mixture(counts, logprob).behind()
    found = contrasted(contrast, sample(counts[:-1]), kept, np.exp(logprob), rng)
    pooled, n = counts[:-1] + kept.number[:, None] * kept.p, np.round(kept.number)
    sizes = (np.full(3, 30), n)
    fast = np.mean([floors(pooled, sizes, sizes, 1 - np.exp(logprob), rng) for _ in range(60)], 0)
    np.testing.assert_allclose(fast, found.diagnostics["floor_mean"], rtol=0.05)


def test_measured_by_hand():
    given = World(
        np.log([0.5, 0.5]), np.eye(2)[[0, 1, 1]], np.array([False, False]), np.ones(3),
        np.zeros(3), np.ones(2),
    )  # fmt: skip
    assert given.importance.tolist() == [0.5, 0]
    played = fixed(given, 4, HOW, np.random.default_rng(0))
    found = measured(given, played.__class__(np.array([0.1, 0.3]), played.gain, 7.0))
    np.testing.assert_allclose(found, [(0.16 + 0.09) / 2, 0.16, np.nan, 1, 7])


def test_where_a_loss_comes_down_to_a_goal():
    assert reached(np.array([1.0, 2, 4]), np.array([1, 1 / 2, 1 / 4]), 1 / 3) == 3
    assert reached(np.array([1.0, 2]), np.array([1, 1 / 2]), 1 / 3) is None
    assert reached(np.array([1.0, 2]), np.array([1.0, 0.0]), np.nan) is None


def test_the_reference_run_is_played_again():
    made = list(worlds(RUN, load(RUN, stored(RUN))[:2]))
    assert len(made) == 2
    found = compared(made, 10, HOW, 1)
    assert found.select("estimator", "schedule").rows() == list(WAYS)
    assert found["share_error"][0] == 1.0
    assert found["share_tokens"][1] < 1.0
    assert recorded(RUN) >= 40


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "which run?"),
        (["nowhere"], "nowhere: holds no traces"),
        ([str(RUN), "many=3"], "many=3: no such option; there are draws"),
        ([str(RUN), "times=0"], "times: must be a whole number from 1, got '0'"),
        ([str(RUN), "draws=x"], "draws: must be a whole number from 4"),
    ],
)
def test_a_wrong_line_is_named(line, said):
    with pytest.raises(UserError, match=said):
        command(line)


def test_a_run_without_rollouts_is_told_how_to_get_them(tmp_path):
    for name in ("traces", "sentences", "problems"):
        shutil.copy(RUN / f"{name}.parquet", tmp_path)
    with pytest.raises(UserError, match=r"holds no rollouts of arm resample.*resampling_plain"):
        command([str(tmp_path)])
    assert not (tmp_path / FILE).exists()
