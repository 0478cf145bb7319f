"""The frames of a run that figures and page are made of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from harness.agreement.panel.panel import BASELINE, NO_DETECTOR, TRUTH
from harness.core import UserError
from harness.report.findings import Roles
from harness.store.load import Run
from harness.store.reading import read_frame, read_yaml
from harness.store.schema import MADE
from harness.store.score_files import SOUND

RAW = "none"
CONTROLS = ("structure", "all", "headroom", "position")  # the first that is there


@dataclass(frozen=True, eq=False)
class Source:
    """A run as frames; `scores` is long: model, problem_id, trace_id, sentence, method, score.

    `variants` are detectors that differ from another by their options. The last two frames have
    no columns where the run lacks the file.
    """

    run: Path
    problems: pl.DataFrame
    traces: pl.DataFrame
    sentences: pl.DataFrame
    scores: pl.DataFrame
    agreement: pl.DataFrame
    methods: pl.DataFrame
    variants: frozenset[str]
    by_problem: pl.DataFrame
    by_k: pl.DataFrame
    enrichment: pl.DataFrame

    @cached_property
    def detectors(self) -> list[str]:
        """Names of the methods that claims are made about, as the methods file orders them."""
        claimed = ~pl.col("family").is_in(NO_DETECTOR)
        return self.methods.filter(claimed)["method"].to_list()

    @property
    def given_truth(self) -> frozenset[str]:
        """Names of the detectors that were told what is planted."""
        if "given_truth" not in self.methods.columns:
            return frozenset()
        return frozenset(self.methods.filter("given_truth")["method"])

    @property
    def roles(self) -> Roles:
        """The methods by what may be claimed of them."""
        return Roles(self.detectors, self.truths, self.given_truth)

    @property
    def truths(self) -> list[str]:
        """Names of the methods that stand for what is known."""
        return self.methods.filter(pl.col("family") == TRUTH)["method"].to_list()

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines."""
        return self.methods.filter(pl.col("family") == BASELINE)["method"].to_list()

    @property
    def methods_in_order(self) -> list[str]:
        """Detectors, what is known, then baselines."""
        return [*self.detectors, *self.truths, *self.baselines]

    @property
    def families(self) -> dict[str, str]:
        """The family of each method, in this order."""
        of = dict(self.methods.select("method", "family").iter_rows())
        return {name: of[name] for name in self.methods_in_order}

    @property
    def control(self) -> str:
        """The strongest control under which any two detectors have a value."""
        both = pl.col("a").is_in(self.detectors) & pl.col("b").is_in(self.detectors)
        known = set(self.agreement.filter(both).drop_nulls("value")["control"])
        return next((control for control in CONTROLS if control in known), CONTROLS[-1])

    def title(self, trace_id: str) -> str:
        """A trace in a few words: its problem, its answer and whether that is right."""
        row = self.traces.row(by_predicate=pl.col("trace_id") == trace_id, named=True)
        verdict = "correct" if row["correct"] else "not correct"
        return f"{row['problem_id']}, answer {row['answer']} ({verdict})"


def read(run: Path) -> Source:
    """The frames of a run folder; raises UserError naming the file that is not there."""
    traces = table(run, "traces").drop("prompt_ids", "token_ids")
    if traces.is_empty():
        raise UserError(f"{run}: holds no traces; let the run finish a problem first")
    methods = table(run, "methods")
    return Source(
        run=run,
        problems=table(run, "problems"),
        traces=traces,
        sentences=table(run, "sentences"),
        scores=long_scores(run, traces),
        agreement=table(run, "agreement"),
        methods=methods,
        variants=variants(methods.filter(pl.col("family") != BASELINE)["method"], targets(run)),
        by_problem=table(run, "agreement_by_problem"),
        by_k=optional(run, "agreement_by_k"),
        enrichment=raw(optional(run, "enrichment")),
    )


def table(run: Path, name: str) -> pl.DataFrame:
    """One parquet file of the run; NaN in a file of results reads as null."""
    path = run / f"{name}.parquet"
    if not path.is_file():
        raise UserError(f"{run}: has no {path.name}; run `python -m harness run={run.name}` first")
    return read_frame(path, MADE.get(name, {})).fill_nan(None)


def optional(run: Path, name: str) -> pl.DataFrame:
    """One parquet file of the run, or an empty frame."""
    return table(run, name) if (run / f"{name}.parquet").is_file() else pl.DataFrame()


def raw(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows without control, all where a frame knows no controls."""
    return frame.filter(control=RAW) if "control" in frame.columns else frame


def targets(run: Path) -> dict[str, str]:
    """The class of each detector that run.yaml configures; a later job's are not in it."""
    path = run / "run.yaml"
    nodes = read_yaml(path).get("method") if path.is_file() else None
    return {
        str(name): str(node["_target_"])
        for name, node in (nodes.items() if isinstance(nodes, dict) else ())
        if isinstance(node, dict) and "_target_" in node
    }


def variants(names: Collection[str], classes: Mapping[str, str]) -> frozenset[str]:
    """Those named after another, `a_x` after `a`, unless their classes are known to differ."""
    after = {(name, root) for name in names for root in names if name.startswith(f"{root}_")}
    known = {pair: {classes[name] for name in pair if name in classes} for pair in after}
    return frozenset(name for (name, _), found in known.items() if len(found) < 2)


def long_scores(run: Path, traces: pl.DataFrame) -> pl.DataFrame:
    """All scores of the run below one another; an undefined score is null."""
    of_trace = traces.select("model", "problem_id", "trace_id")
    order = ["model", "problem_id", "trace_id", "sentence", "method", "score"]
    return of_trace.join(Run(run).scores.filter(SOUND), on="trace_id").select(order)
