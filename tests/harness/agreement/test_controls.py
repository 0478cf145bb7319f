from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.agreement.controls import designs, takes
from harness.agreement.controls.headroom import headroom
from harness.agreement.controls.ladder import (
    Ladder,
    inverse,
    joined,
    products,
    projection,
    regressors,
)
from harness.agreement.controls.length import length
from harness.agreement.controls.position import position
from harness.agreement.panel.panel import Panel, Vectors
from harness.agreement.ranks import standing
from tests.harness.comparing import load

CONF = load()


def partial(vectors, columns, least, trace, conf=CONF):
    """Correlations of what the columns leave of the ranks of the first two vectors, by trace."""
    rows = regressors(np.array(columns, dtype=float), trace, np.ones(len(trace), bool))
    ladder = Ladder(np.arange(len(columns)), np.array(least, dtype=float))
    parts = [
        products(standing(block.rows(np.array(vectors)), block.inside).centred, row)
        for block, row in zip(rows.blocks, rows.rows, strict=True)
    ]
    found = projection(ladder, rows, conf).correlation(*joined(parts))
    return found[np.argsort(rows.trace), 0, 1]


def slow_partial(x, y, columns, least, conf=CONF):
    """Ranks, then least squares with a dummy for every trace and for every slope of its own."""
    sizes = np.array([len(v) for v in x])
    trace = np.repeat(np.arange(len(sizes)), sizes)
    flat = np.concatenate(columns)
    full = []
    for t in range(len(sizes)):
        here = (trace == t).astype(float)
        own = [here * flat[:, j] for j in range(flat.shape[1]) if sizes[t] >= least[j]]
        full += [here, *own]
    for j in range(flat.shape[1]):
        # one slope for all traces that do not fit it by themselves
        full.append(np.where(sizes[trace] < least[j], flat[:, j], 0.0))
    full = np.stack(full, axis=1)
    ranks = [np.concatenate([stats.rankdata(v) / len(v) for v in vector]) for vector in (x, y)]
    rest = [v - full @ np.linalg.lstsq(full, v)[0] for v in ranks]
    return [stats.pearsonr(*(v[trace == t] for v in rest)).statistic for t in range(len(sizes))]


class TestLadder:
    sizes = (30, 9, 15, 14, 50, 22)
    trace = np.repeat(np.arange(6), sizes)
    edges = np.cumsum(sizes)[:-1]

    def example(self, seed=0):
        rng = np.random.default_rng(seed)
        place = np.concatenate([np.arange(1, size + 1) / size for size in self.sizes])
        x, y = (np.round(2 * place + rng.normal(size=len(place)), 1) for _ in range(2))
        return x, y, place

    @pytest.mark.parametrize("seed", range(3))
    def test_it_is_ordinary_least_squares(self, seed):
        x, y, place = self.example(seed)
        more = np.random.default_rng(seed).normal(size=(2, len(place)))
        columns = np.stack([place, place**2, *more])
        least = [0, 0, 20, np.inf]
        split = [np.split(v, self.edges) for v in (x, y, columns.T)]
        found = partial([x, y], columns, least, self.trace)
        assert found == pytest.approx(slow_partial(*split, least), abs=1e-8)

    def test_a_column_that_adds_nothing_changes_nothing(self):
        x, y, place = self.example()
        columns, least = [place, place**2], [0, 0]
        padded = [*columns, 3 * place - 2, np.full(len(x), np.log(3)), place**2]
        found = partial([x, y], padded, [*least, 0, 0, np.inf], self.trace)
        assert found == pytest.approx(partial([x, y], columns, least, self.trace), abs=1e-7)

    def test_what_is_a_column_itself_is_undefined(self):
        x, _, place = self.example()
        assert np.isnan(partial([x, place], [place], [0], self.trace)).all()

    def test_fewer_than_three_degrees_of_freedom_are_undefined(self):
        sizes = (5, 6, 7)
        trace = np.repeat(np.arange(3), sizes)
        place = np.concatenate([np.arange(n) / n for n in sizes])
        x, y = np.random.default_rng(0).normal(size=(2, len(trace)))
        found = partial([x, y], [place, place**2], [0, 0], trace)
        assert np.isnan(found).tolist() == [True, False, False]

    def test_the_inverse_of_what_is_used(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2, 5, 12))
        x[:, 2] = 2 * x[:, 0]  # adds nothing
        inner = x @ x.swapaxes(1, 2)
        used = np.array([[True] * 5, [True, False, True, True, False]])
        found, rank = inverse(inner, used)
        assert rank.tolist() == [4, 2]
        for whole, one, kept in zip(inner, found, ([0, 1, 3, 4], [0, 3]), strict=True):
            expected = np.zeros((5, 5))
            expected[np.ix_(kept, kept)] = np.linalg.inv(whole[np.ix_(kept, kept)])
            assert one == pytest.approx(expected, abs=1e-8)


class TestDesigns:
    sizes = (30, 9)
    trace = np.repeat(np.arange(2), sizes)
    place = np.concatenate([np.arange(1, size + 1) / size for size in sizes])

    def covariates(self, **given):
        n = len(self.trace)
        nowhere = np.full(n, np.nan)
        opening = (np.arange(n) % 3 == 0).astype(float)
        plain = {"position": self.place, "length": np.arange(1.0, n + 1), "lexicon": opening}
        return plain | {"headroom": nowhere} | given

    def designed(self, controls, covariates, **scores):
        """The designs of a panel with these covariates and methods."""
        nothing = np.empty((0, len(self.trace)), np.float32)
        methods = {name: Vectors(score, nothing, nothing) for name, score in scores.items()}
        panel = Panel(
            "m", ("p", "q"), np.arange(2), self.trace, methods, covariates, np.full(2, -1)
        )
        return designs(panel, replace(CONF, controls=controls))

    def test_the_ladder_of_all(self):
        known = self.covariates(headroom=np.arange(len(self.trace)) % 2.0)
        (design,) = self.designed(CONF.controls, known, gram_coverage=self.place)
        steps = {c: sorted(np.round(ladder.least, 3)) for c, ladder in design.of.items()}
        place, deeper, pooled = [0, 0, 20, 20], [35, 35, 35, 45, 45], np.inf
        assert steps["none"] == []
        assert steps["position"] == [*place, 25, 35, 35]
        assert steps["length"] == [pooled] * 3
        assert steps["headroom"] == [*place, *deeper, *[pooled] * 2]
        assert steps["structure"] == [*place, *deeper, *[pooled] * 5]
        assert steps["all"] == [*place, *deeper, 55, 55, *[pooled] * 5]

    def test_structure_and_all_leave_out_what_is_defined_nowhere(self):
        nowhere = np.full(len(self.trace), np.nan)
        found = self.designed(
            ("structure", "all", "headroom"), self.covariates(), gram_coverage=nowhere
        )
        whole, none = found
        assert {c: len(ladder.columns) for c, ladder in whole.of.items()} == {
            "none": 0, "structure": 10, "all": 11,
        }  # fmt: skip
        assert whole.known.all()
        assert not none.known.any()

    def test_a_control_is_defined_where_all_its_parts_are(self):
        half = np.where(self.trace == 0, 1.0, np.nan)
        plain, partly = self.designed(
            ("none", "structure", "length"), self.covariates(headroom=half)
        )
        assert set(plain.of) == {"none", "length"}
        assert plain.known.all()
        assert set(partly.of) == {"structure"}
        assert partly.known.tolist() == (self.trace == 0).tolist()

    def test_position_knows_the_ends_of_a_trace(self):
        columns = position(self.place, self.trace).columns
        assert np.flatnonzero(columns[2]).tolist() == [0, 30]
        assert np.flatnonzero(columns[3]).tolist() == [29, 38]
        assert columns[4] == pytest.approx(
            (5 * (2 * self.place - 1) ** 3 - 3 * (2 * self.place - 1)) / 2
        )

    def test_headroom_is_whether_there_is_any_and_how_much(self):
        left, much, rank, square = headroom(
            np.array([0.7, 0, np.nan, 0.2, 0.2]), np.array([0, 0, 0, 1, 1])
        ).columns
        assert left.tolist() == pytest.approx([1, 0, np.nan, 1, 1], nan_ok=True)
        assert much.tolist() == pytest.approx([0.7, 0, np.nan, 0.2, 0.2], nan_ok=True)
        assert rank.tolist() == pytest.approx([0.5, 0, np.nan, 0.25, 0.25], nan_ok=True)
        assert square.tolist() == pytest.approx((rank**2).tolist(), nan_ok=True)

    def test_length_is_a_cubic_of_log_tokens_and_undefined_without_any(self):
        found = length(np.array([0, 1, np.e, np.e**2])).columns
        unit = np.sqrt(1.5)
        assert found[:, 1:] == pytest.approx(
            np.array([[-unit, 0, unit], [1.5, 0, 1.5], [-1.5 * unit, 0, 1.5 * unit]])
        )
        assert np.isnan(found[:, 0]).all()


@pytest.mark.parametrize(
    ("control", "method", "taken"),
    [
        ("position", "recency", True),
        ("structure", "headroom", True),
        ("structure", "gram_coverage", False),
        ("wording", "gram_coverage", True),
        ("wording", "lexicon", True),
        ("all", "rl_entropy", True),  # its planning tokens are those phrases
        ("all", "rl_entropy_kl", False),
        ("none", "position", False),
    ],
)
def test_what_a_control_takes_out(control, method, taken):
    conf = replace(CONF, worded=("rl_entropy",))
    assert takes(control, ("attention", method), conf) is taken
