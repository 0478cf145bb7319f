from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from omegaconf import OmegaConf

from harness.agreement import Agreement, agreement
from harness.core import UserError
from harness.core.config import build
from harness.store import schema
from tests.harness.comparing import (
    YAML,
    by_method,
    compare,
    covariates,
    load,
    long,
    one,
    traces_of,
    trait,
)

UP, DOWN = [1.0, 2, 3, 4], [4.0, 3, 2, 1]


@pytest.fixture
def conf():
    return replace(load(), controls=("none",))


class TestTable:
    def test_traces_are_averaged_before_problems(self, conf):
        a = {("p", "t0"): UP, ("p", "t1"): UP, ("q", "t2"): UP}
        b = {("p", "t0"): UP, ("p", "t1"): DOWN, ("q", "t2"): UP}
        found = compare({"a": a, "b": b}, conf)
        rows, dots = found.agreement, found.by_problem
        row = one(rows, statistic="spearman")
        assert row["value"] == pytest.approx(0.5)  # not 1/3
        assert (row["n_traces"], row["n_problems"], row["n_sentences"]) == (3, 2, 12)
        assert row["verdict"] == "too few problems"
        assert row["low"] is None
        assert row["p"] is None
        part = dots.filter(statistic="spearman").sort("problem_id")
        assert part["value"].to_list() == pytest.approx([0, 1])
        assert part["n_traces"].to_list() == [2, 1]
        assert part["n_sentences"].to_list() == [8, 4]

    def test_the_columns_are_the_schema_s(self, conf):
        found = compare({"a": {("p", "t"): UP}, "b": {("p", "t"): DOWN}}, conf)
        assert found.agreement.schema == schema.AGREEMENT
        assert found.by_problem.schema == schema.AGREEMENT_BY_PROBLEM
        assert found.by_k.schema == schema.AGREEMENT_BY_K
        assert found.summary.schema == schema.SUMMARY
        assert found.reliability.schema == schema.RELIABILITY
        assert found.notes.schema == schema.NOTES

    def test_each_pair_once_in_the_order_given(self):
        full = load()
        values = {m: {("p", "t"): UP} for m in ("b", "c", "a")}
        rows = compare(values, full).agreement
        pairs = rows.select("a", "b").unique(maintain_order=True).rows()
        assert pairs == [("b", "c"), ("b", "a"), ("c", "a")]
        cells = rows.filter(a="b", b="c").select("statistic", "control").rows()
        controlled = [(s, c) for s in ("spearman", "topdown") for c in full.controls]
        rest = ("kendall", "weighted_tau", "rbo", "topk", "top1")
        assert cells == [*controlled, *((s, "none") for s in rest)]

    def test_only_sentences_where_both_are_defined(self, conf):
        nan = np.nan
        a, b = [1, nan, 2, 3, 9], [1, 7, 3, 2, nan]
        rows = compare({"a": {("p", "t"): a}, "b": {("p", "t"): b}}, conf).agreement
        row = one(rows, statistic="spearman")
        assert row["value"] == pytest.approx(0.5)
        assert row["n_sentences"] == 3

    @pytest.mark.parametrize("baseline", ["position", "recency"])
    def test_a_baseline_under_its_own_control_is_undefined(self, baseline):
        rng = np.random.default_rng(0)
        cells = {("p", f"t{i}"): rng.random(20).tolist() for i in range(3)}
        holes = {k: [np.nan, *v[1:7], np.nan, *v[8:]] for k, v in cells.items()}
        places = {k: [float(i) for i in range(20)] for k in cells}
        full = load()
        rows = compare({"a": holes, "b": cells, baseline: places}, full).agreement
        part = rows.filter(a="a", b=baseline, statistic="spearman")
        values = {r["control"]: r["value"] for r in part.to_dicts()}
        assert values["none"] is not None
        assert values["position"] is None
        assert values["structure"] is None
        row = one(rows, a="a", b=baseline, statistic="topdown", control="structure")
        assert row["verdict"] == "the control is the method"
        assert (
            one(rows, a="a", b="b", statistic="spearman", control="position")["value"] is not None
        )

    def wordy(self, *, known):
        """Two methods that follow the same phrases, and these where they are known."""
        rng = np.random.default_rng(0)
        cells = [(f"p{i}", f"t{i}") for i in range(12)]
        grams = {c: np.maximum(0, rng.uniform(-1, 1, 40)) for c in cells}
        values = {m: {c: 3 * g + rng.normal(size=40) for c, g in grams.items()} for m in "ab"}
        scores = long(values | ({"gram_coverage": grams} if known else {}))
        words = rng.random(12 * 40).round()
        return agreement(
            by_method(scores), traces_of(values), covariates(scores, lexicon=words), {}, load()
        )

    def test_gram_coverage_is_part_of_the_wording_control_where_it_is_known(self):
        found = {known: self.wordy(known=known) for known in (True, False)}
        value = {
            known: one(f.agreement, a="a", b="b", control="wording")["value"]
            for known, f in found.items()
        }
        assert value[False] > 0.2
        assert abs(value[True]) < 0.1
        notes = [f.notes.filter(method="gram_coverage")["reason"].to_list() for f in found.values()]
        assert notes == [[], ["no scores: the wording control goes without it"]]

    def test_a_method_that_is_the_wording_keeps_its_verdict_under_structure(self):
        rows = self.wordy(known=True).agreement.filter(b="gram_coverage")
        assert one(rows, control="length")["value"] is None  # no length is known here
        assert one(rows, control="none", statistic="spearman")["value"] > 0.2
        for control in ("wording", "all"):
            row = one(rows, control=control)
            assert (row["value"], row["q"]) == (None, None)
        for statistic in ("spearman", "topdown"):
            here, beyond = (one(rows, control=c, statistic=statistic) for c in ("structure", "all"))
            assert here["verdict"] == "overlapping"
            assert here["verdict_beyond_wording"] == "the control is the method"
            assert beyond["verdict"] == "the control is the method"
            assert beyond["verdict_beyond_wording"] is None

    def test_beyond_wording_stands_beside_the_verdict(self):
        rows = self.wordy(known=True).agreement.filter(a="a", b="b", statistic="topdown")
        here, beyond = (one(rows, control=c) for c in ("structure", "all"))
        assert here["verdict"] == "overlapping"
        assert here["verdict_beyond_wording"] == beyond["verdict"]
        assert beyond["verdict"] in ("undecided", "unrelated", "different")
        assert (
            rows.filter(~pl.col("control").is_in(["structure", "all"]))["verdict"].null_count() == 5
        )

    def test_a_constant_trace_is_undefined_and_not_counted(self, conf):
        a = {("p", "t0"): UP, ("p", "t1"): UP}
        b = {("p", "t0"): DOWN, ("p", "t1"): [0.3] * 4}
        rows = compare({"a": a, "b": b}, conf).agreement
        assert rows["value"][0] == pytest.approx(-1)
        assert rows["n_traces"].to_list() == [1] * 7
        assert rows["n_sentences"].to_list() == [8] * 7

    @pytest.mark.parametrize(("signed", "expected"), [("", -1), ("a", 1), ("b", -1), ("ab", -1)])
    def test_only_a_signed_score_beside_an_unsigned_one_is_folded(self, conf, signed, expected):
        values = {"a": {("p", "t"): [-4.0, -3, -2, -1]}, "b": {("p", "t"): DOWN}}
        traits = {m: trait(signed=m in signed) for m in "ab"}
        rows = compare(values, conf, traits).agreement
        assert one(rows, statistic="spearman")["value"] == pytest.approx(expected)
        assert ("sign" in rows["statistic"].to_list()) == (signed == "ab")

    def test_monotone_transforms_and_the_order_of_rows_change_nothing(self):
        full = load()
        rng = np.random.default_rng(0)
        keys = [(f"p{i}", f"t{i}{j}") for i in range(11) for j in range(2)]
        values = {m: {k: rng.normal(size=20) for k in keys} for m in "ab"}
        scores, traces = long(values), traces_of(values)
        known = covariates(scores)
        first = agreement(by_method(scores), traces, known, {}, full)
        bent = scores.with_columns(score=pl.col("score").exp())
        mixed = bent.sort("method", pl.col("trace_id").reverse(), "sentence")
        mixed = mixed.sort("method", maintain_order=True)
        shuffled = (f.sample(fraction=1, shuffle=True, seed=0) for f in (traces, known))
        second = agreement(by_method(mixed), *shuffled, {}, full)
        for name in ("agreement", "by_problem", "by_k", "summary"):
            numbers, again = (
                getattr(found, name).fill_null(np.nan).select(pl.col(pl.Float64)).to_numpy()
                for found in (first, second)
            )
            assert again == pytest.approx(numbers, abs=1e-6, nan_ok=True)

    def test_a_row_is_the_mean_of_its_dots(self):
        rng = np.random.default_rng(0)
        values = {m: {(f"p{i}", f"t{i}"): rng.normal(size=16) for i in range(22)} for m in "abc"}
        found = compare(values, load())
        rows = found.agreement
        key = ["model", "a", "b", "statistic", "control"]
        means = found.by_problem.group_by(key, maintain_order=True).agg(pl.col("value").mean())
        assert means["value"].to_list() == pytest.approx(rows["value"].to_list())
        known = rows.filter(control="none", statistic="spearman")
        assert (known["low"] < known["value"]).all()
        assert (known["value"] < known["high"]).all()
        tests = ("p", "p_t", "p_max_t", "q")
        assert all(known[test].is_between(0, 1).all() for test in tests)
        rest = rows.filter(~pl.col("statistic").is_in(["spearman", "topdown"]))
        assert all(rest[test].null_count() == len(rest) for test in tests)

    def test_models_stay_apart(self, conf):
        here, there = {m: {("p", "t"): UP} for m in "ab"}, {"a": {("p", "s"): UP}}
        scores = pl.concat([long(here), long(there)])
        traces = pl.concat([traces_of(here), traces_of(there, model="other")])
        rows = agreement(by_method(scores), traces, covariates(scores), {}, conf).agreement
        rows = rows.filter(statistic="spearman").select("model", "value", "n_sentences").rows()
        assert rows == [("m", pytest.approx(1), 4), ("other", None, 0)]

    def test_baselines_are_another_family_of_tests(self, conf):
        rng = np.random.default_rng(0)
        cells = [(f"p{i}", f"t{i}") for i in range(12)]
        values = {m: {c: rng.normal(size=20) for c in cells} for m in ("a", "b", "c", "position")}
        traits = {"position": trait("baseline")}
        rows = compare(values, conf, traits).agreement.filter(statistic="spearman")
        without = {m: v for m, v in values.items() if m != "position"}
        alone = compare(without, conf).agreement.filter(statistic="spearman")
        between = rows.filter(pl.col("b") != "position")
        assert between["p_max_t"].to_list() == alone["p_max_t"].to_list()
        assert between["q"].to_list() == alone["q"].to_list()

    def test_the_overlap_at_the_configured_fraction_is_topk(self, conf):
        rng = np.random.default_rng(0)
        values = {m: {(f"p{i}", f"t{i}"): rng.normal(size=30) for i in range(12)} for m in "ab"}
        found = compare(values, conf)
        assert found.by_k["fraction"].to_list() == list(conf.fractions)
        row, columns = one(found.agreement, statistic="topk"), ("value", "low", "high")
        along = one(found.by_k, fraction=conf.top_fraction)
        assert [along[c] for c in columns] == pytest.approx([row[c] for c in columns])


class TestBadInput:
    def values(self):
        return {"a": {("p", "t"): UP}, "b": {("p", "t"): DOWN}}

    @pytest.mark.parametrize(
        ("b", "reason"),
        [
            ([np.nan] * 4, "defined nowhere"),
            ([2.0] * 4, "constant in a trace, left out"),
            ([1.0, np.nan, np.nan, np.nan], "constant in a trace, left out"),
        ],
        ids=["nowhere", "constant", "one"],
    )
    def test_what_cannot_be_compared_is_null_counted_and_noted(self, b, reason):
        found = compare({"a": {("p", "t"): UP}, "b": {("p", "t"): b}}, load())
        rows = found.agreement
        assert len(rows) == len(found.by_problem) == 19
        assert rows["value"].null_count() == 19
        plain = rows.filter(control="none")
        assert plain["n_sentences"].unique().to_list() == [int(np.isfinite(b).sum())]
        assert set(rows["n_traces"]) == set(rows["n_problems"]) == {0}
        assert set(rows["verdict"]) == {"too few problems", None}
        assert one(found.notes, method="b", other=None)["reason"] == reason

    def test_no_sentence_in_common(self):
        values = {"a": {("p", "t"): [1.0, 2, np.nan]}, "b": {("p", "t"): [np.nan, np.nan, 1.0]}}
        found = compare(values, load())
        assert found.agreement["value"].null_count() == len(found.agreement) == 19
        assert set(found.agreement["n_sentences"]) == {0}
        assert one(found.notes, method="a", other="b")["reason"] == "no sentence in common"

    def test_one_problem_is_said_to_be_one(self, conf):
        found = compare(self.values(), conf)
        assert one(found.notes, method=None)["reason"].startswith("one problem only")
        assert one(found.agreement, statistic="spearman")["value"] == pytest.approx(-1)

    def test_a_null_score_is_undefined(self, conf):
        scores = long(self.values()).with_columns(
            score=pl.when(pl.col("sentence") > 0).then(pl.col("score"))
        )
        rows = agreement(
            by_method(scores), traces_of(self.values()), covariates(scores), {}, conf
        ).agreement
        assert rows["n_sentences"].to_list() == [3] * 7

    def test_one_method_or_none_gives_no_rows(self, conf):
        scores, traces = long(self.values()), traces_of(self.values())
        known = covariates(scores)
        for few in (scores.filter(method="a"), scores.clear()):
            found = agreement(by_method(few), traces, known, {}, conf)
            for frame, columns in (
                (found.agreement, schema.AGREEMENT),
                (found.by_problem, schema.AGREEMENT_BY_PROBLEM),
                (found.by_k, schema.AGREEMENT_BY_K),
            ):
                assert frame.is_empty()
                assert frame.schema == columns

    def spoilt(self, how):
        """Scores of a and b that are fine, and of c with one row that is not."""
        values = self.values() | {"c": {("p", "t"): UP}}
        scores = long(values)
        here = (pl.col("method") == "c") & (pl.col("sentence") == 2)
        nothing = pl.col("half_a")
        match how:
            case "infinite":
                scores = scores.with_columns(score=pl.when(here).then(np.inf).otherwise("score"))
            case "infinite half":
                bad = pl.lit([1.0, -np.inf], dtype=pl.List(pl.Float64))
                scores = scores.with_columns(half_a=pl.when(here).then(bad).otherwise(nothing))
            case "half samples":
                bad = pl.lit([1.0, 2.0], dtype=pl.List(pl.Float64))
                scores = scores.with_columns(half_b=pl.when(here).then(bad).otherwise(nothing))
            case "given twice":
                scores = pl.concat([scores, scores.filter(here)])
            case "its trace":
                odd = pl.when(here).then(pl.lit("elsewhere")).otherwise("trace_id")
                scores = scores.with_columns(trace_id=odd)
            case "its sentence":
                odd = pl.when(here).then(99).otherwise("sentence").cast(pl.Int32)
                scores = scores.with_columns(sentence=odd)
        return agreement(by_method(scores), traces_of(values), covariates(long(values)), {}, load())

    @pytest.mark.parametrize(
        ("how", "count"),
        [
            ("infinite", 1),
            ("infinite half", 1),
            ("half samples", 1),
            ("given twice", 2),
            ("its trace", 1),
            ("its sentence", 1),
        ],
    )
    def test_refused_rows_are_counted_and_harm_nobody_else(self, how, count):
        found = self.spoilt(how)
        note = one(found.notes.filter(pl.col("first").is_not_null()), method="c")
        assert how.split(" half")[0] in note["reason"]
        assert note["count"] == count
        assert note["first"].startswith("trace ")
        clean = compare(self.values(), load()).agreement
        assert (
            found.agreement.filter(a="a", b="b")
            .drop("q", "p_max_t")
            .equals(clean.drop("q", "p_max_t"))
        )
        assert one(found.agreement, a="a", b="c", statistic="topk")["n_sentences"] == 3

    def test_a_trace_given_twice_is_refused(self, conf):
        scores, traces = long(self.values()), traces_of(self.values())
        with pytest.raises(UserError, match="traces: t is there twice"):
            agreement(by_method(scores), pl.concat([traces, traces]), covariates(scores), {}, conf)

    def test_a_sentence_given_twice_is_refused(self, conf):
        scores = long(self.values())
        known = covariates(scores)
        twice = pl.concat([known, known.filter(sentence=2)])
        with pytest.raises(UserError, match="sentences: sentence 2 of t is there twice"):
            agreement(by_method(scores), traces_of(self.values()), twice, {}, conf)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("statistics", ["spearmann"]),
            ("controls", ["time"]),
            ("top_fraction", 1),
            ("draws", 0),
            ("verdict.alpha", 2),
        ],
    )
    def test_config_errors_name_the_key(self, key, value):
        node = OmegaConf.load(YAML)
        OmegaConf.update(node, key, value)
        with pytest.raises(UserError, match=rf"agreement\.{key}"):
            build(Agreement, node, "agreement")
