from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from harness.agreement import agreement
from harness.agreement.reliability import ceiling, disattenuated, full_length, scaled
from tests.harness.comparing import by_method, covariates, load, long, one, traces_of, trait

SPLITS, N = 3, 14
CELLS = [(f"p{i}", f"t{i}{j}") for i in range(12) for j in range(2)]


def parts(*values):
    return np.array(values, dtype=float)[:, None]


class TestExpressions:
    def test_by_hand(self):
        found = parts(0.4, 0.5, 0.8, 0)
        assert disattenuated(found) == pytest.approx(0.4 / np.sqrt(0.4))
        assert full_length(found) == pytest.approx(0.4 * np.sqrt(2 / 1.5 * 2 / 1.8))
        assert ceiling(found) == pytest.approx(np.sqrt(2 * 0.5 / 1.5 * 2 * 0.8 / 1.8))
        # overlaps .2 + .8·(.4, .5, .8) at chance .2
        assert scaled(parts(0.4, 0.5, 0.8, 0.2)) == pytest.approx(
            (0.52 - 0.2) / (np.sqrt(0.6 * 0.84) - 0.2)
        )

    def test_without_draws_nothing_is_corrected(self):
        found = parts(0.4, 1, 1, 0)
        assert disattenuated(found) == full_length(found) == pytest.approx(0.4)
        assert ceiling(found) == 1

    def test_two_noisy_copies_are_scaled_to_one(self):
        assert scaled(parts(0.5, 0.5, 0.5, 0.1)) == pytest.approx(1)

    def test_nothing_in_common_has_no_correction(self):
        assert np.isnan(disattenuated(parts(0.1, -0.2, 0.5, 0)))
        assert ceiling(parts(0.1, -0.2, 0.5, 0)) == 0

    def test_longer_samples_reach_what_spearman_and_brown_say(self):
        rng = np.random.default_rng(0)
        truth, noise = rng.normal(size=20000), rng.normal(size=(2, 2, 20000))
        a, b = truth + noise[0], truth + noise[1]  # two methods, two half samples each
        seen = [np.corrcoef(*v)[0, 1] for v in ((a[0], b[1]), a, b)]
        whole = np.corrcoef(a.mean(0), b.mean(0))[0, 1]
        assert full_length(parts(*seen, 0)) == pytest.approx(whole, abs=0.01)


def drawn(seed, noise=0.7, common=None):
    """Scores and half scores of a truth and of noise, the latter given where it is common."""
    rng = np.random.default_rng(seed)
    frames = {}
    for cell in CELLS:
        truth = np.random.default_rng(abs(hash_of(cell))).normal(size=N)
        made = (rng if common is None else np.random.default_rng([common, hash_of(cell)])).normal(
            size=(4, N)
        )
        draws = truth + noise * made
        order = [(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)]
        frames[cell] = (
            draws.mean(0),
            np.array([draws[list(o[:2])].mean(0) for o in order]).T,
            np.array([draws[list(o[2:])].mean(0) for o in order]).T,
        )
    return frames


def hash_of(cell):
    return int.from_bytes(cell[1].encode(), "big") % 10007


def frame(values):
    """Scores of methods: vectors, or triples with halves."""
    triples = {
        m: {c: v if isinstance(v, tuple) else (v, [[]] * N, [[]] * N) for c, v in t.items()}
        for m, t in values.items()
    }
    plain = long({m: {c: v[0] for c, v in t.items()} for m, t in triples.items()})
    halves = [
        pl.Series([list(row) for t in triples.values() for v in t.values() for row in v[k]])
        for k in (1, 2)
    ]
    first, second = (half.cast(pl.List(pl.Float64)) for half in halves)
    return plain.with_columns(half_a=first, half_b=second)


def compared(values, traits):
    scores = frame(values)
    conf = replace(load(), controls=("none", "position", "all"))
    known = covariates(scores, length=np.random.default_rng(9).integers(3, 30, len(CELLS) * N))
    return agreement(by_method(scores), traces_of(values), known, traits, conf)


def slow(a, b):
    """Means over splits, traces and problems of the four correlations between halves."""
    by_trace = []
    for cell in CELLS:
        (_, a1, a2), (_, b1, b2) = a[cell], b[cell]
        r = [
            [
                (rho(a1[:, s], b2[:, s]) + rho(a2[:, s], b1[:, s])) / 2,
                rho(a1[:, s], a2[:, s]),
                rho(b1[:, s], b2[:, s]),
            ]
            for s in range(SPLITS)
        ]
        by_trace.append(np.mean(r, axis=0))
    return np.reshape(by_trace, (-1, 2, 3)).mean(1).mean(0)


def rho(x, y):
    return stats.spearmanr(x, y).statistic


def topdown(x, y):
    n = len(x)
    by_rank = np.array([sum(1 / j for j in range(r, n + 1)) for r in range(1, n + 1)])
    return np.corrcoef(*(by_rank[stats.rankdata(-v).astype(int) - 1] for v in (x, y)))[0, 1]


class TestHalves:
    def found(self, *arms):
        a, b = drawn(1), drawn(2)
        plain = {c: np.random.default_rng(abs(hash_of(c))).normal(size=N) for c in CELLS}
        values = {"a": a, "b": b, "plain": plain}
        traits = {"a": trait("x", *arms), "b": trait("x", *arms), "plain": trait()}
        return compared(values, traits), slow(a, b)

    def test_rows_against_a_loop_over_splits(self):
        found, (across, h_a, h_b) = self.found()
        row = one(found.agreement, a="a", b="b", statistic="spearman", control="none")
        assert not row["cross_fit"]
        assert row["disattenuated"] == pytest.approx(across / np.sqrt(h_a * h_b), abs=1e-6)
        full = [2 * h / (1 + h) for h in (h_a, h_b)]
        assert row["ceiling"] == pytest.approx(np.sqrt(np.prod(full)), abs=1e-6)
        assert row["disattenuated_low"] < row["disattenuated"] < row["disattenuated_high"]
        values = [
            r["value"]
            for r in found.reliability.filter(control="none", statistic="spearman").to_dicts()
        ]
        assert values == pytest.approx([*full, 1], abs=1e-6)

    def test_methods_that_share_rollouts_are_compared_across_halves(self):
        found, (across, h_a, h_b) = self.found("resample")
        row = one(found.agreement, a="a", b="b", statistic="spearman", control="none")
        assert row["cross_fit"]
        expected = across * np.sqrt(2 / (1 + h_a) * 2 / (1 + h_b))
        assert row["value"] == pytest.approx(expected, abs=1e-6)
        dots = found.by_problem.filter(a="a", b="b", statistic="spearman", control="none")
        assert dots["value"].mean() == pytest.approx(row["value"])
        assert not one(found.agreement, a="a", b="plain", statistic="topk")["cross_fit"]

    def test_noise_that_is_shared_is_no_agreement(self):
        a = drawn(1, noise=3.0, common=5)
        b = {c: tuple(-v for v in t) for c, t in drawn(1, noise=3.0).items()}
        b = {c: tuple(x + 3 * y for x, y in zip(b[c], a[c], strict=True)) for c in CELLS}
        arms = trait("x", "resample")
        naive = compared({"a": a, "b": b}, {}).agreement
        fitted = compared({"a": a, "b": b}, {"a": arms, "b": arms}).agreement
        first, second = (one(frame, statistic="kendall")["value"] for frame in (naive, fitted))
        assert first > 0.6
        assert second < first / 2

    def test_free_of_noise_two_copies_of_one_truth_are_the_same_under_every_control(self):
        found, _ = self.found("resample")
        rows = found.agreement.filter(a="a", b="b", statistic="spearman")
        assert rows["disattenuated"].to_list() == pytest.approx([1, 1, 1], abs=0.12)
        # a raw reliability would overcorrect what a control has made less reliable
        assert one(rows, control="all")["ceiling"] < 1

    def test_draws_without_half_scores_have_no_ceiling_and_share_nothing(self):
        plain = {m: {c: v[0] for c, v in drawn(i).items()} for i, m in enumerate("ab")}
        arms = trait("x", "resample")
        found = compared(plain, {"a": arms, "b": arms})
        assert found.agreement["value"].null_count() == len(found.agreement)
        assert "half samples" in one(found.notes, method="a", other="b")["reason"]
        assert found.reliability["value"].null_count() == len(found.reliability)
        alone = compared(plain, {"a": arms}).agreement
        row = one(alone, statistic="spearman", control="none")
        assert row["value"] is not None
        assert row["ceiling"] is None
        assert row["disattenuated"] is None

    def test_value_and_halves_are_of_the_sentences_where_both_halves_are_in_most_splits(self):
        a, b = drawn(1), drawn(2)
        lacking = {c: tuple(np.array(v, dtype=float) for v in t) for c, t in a.items()}
        for whole, first, _ in lacking.values():
            assert np.isfinite(whole).all()
            first[:4, :2] = np.nan  # of three splits two lack these sentences,
            first[4, :1] = np.nan  # and one lacks this
        cut = {c: tuple(np.array(v)[4:] for v in t) for c, t in a.items()}
        few = one(compared({"a": lacking, "b": b}, {}).agreement, statistic="topdown")
        assert few["n_sentences"] == (N - 4) * len(CELLS)
        assert few["share"] == pytest.approx((N - 4) / N)
        values = [topdown(cut[c][0], b[c][0][4:]) for c in CELLS]
        assert few["value"] == pytest.approx(np.mean(values), abs=1e-6)
        # less than four fifths: they may not be any fifths
        assert few["disattenuated"] is None
        assert few["ceiling"] is not None
        whole = one(compared({"a": a, "b": b}, {}).agreement, statistic="topdown")
        assert whole["share"] == 1
        assert whole["disattenuated"] is not None

    def test_little_reliability_is_not_corrected_for(self):
        noisy = {"a": drawn(1, noise=9.0), "b": drawn(2, noise=0.3)}
        row = one(compared(noisy, {}).agreement, statistic="spearman", control="all")
        assert row["disattenuated"] is None
        assert row["ceiling"] < 0.5
        assert row["verdict"] == "unreliable"
