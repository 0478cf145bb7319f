"""The report step: agreement, figures and page from what the run folder holds; loads no model."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from harness.agreement import Agreed, Agreement, MethodInfo, agreement
from harness.agreement.panel.notes import REFUSED, lines
from harness.agreement.panel.panel import BASELINE
from harness.analysis.baselines import baselines
from harness.analysis.by_category import by_category
from harness.analysis.enrichment import enrichment
from harness.analysis.mixed import repeats
from harness.analysis.planted import auroc_planted, unsigned
from harness.claims import Claim, claims_frame
from harness.core import UserError
from harness.report.evidence import given, tested_on
from harness.report.families import families
from harness.report.page import render
from harness.report.plots import draw
from harness.report.settings import Report
from harness.report.source import read, table
from harness.report.spent import charged
from harness.report.tracking.tracker import track
from harness.report.validated import validated
from harness.store import schema
from harness.store.files import rows, write_frame
from harness.store.folder import unchecked
from harness.store.leases import lock
from harness.store.light import left_out
from harness.store.load import Run
from harness.store.reading import read_frame, scan_frames
from harness.store.score_files import SOUND, score_files, statuses
from harness.store.status import file, status_file


def report(run: Path, conf: Agreement, page: Report, claims: Mapping[str, Claim]) -> Path:
    """Write agreement, enrichment, methods, claims, plots and page of a run anew; the page.

    Where `page` names a tracker it keeps them, too, last.
    """
    if not (run / "traces.parquet").exists():
        raise UserError(
            f"{run}: holds no traces.parquet; run python -m harness run={run.name} first"
        )
    # Thousands of small products: handing each to several threads takes a third of the time.
    with lock(run, "report"), threadpool_limits(limits=1, user_api="blas"):
        for line in said_of(unchecked(run)):
            print(line, file=sys.stderr)
        status = statuses(run)
        worded = [name for name, known in status.items() if known.get("worded")]
        conf = replace(conf, worded=tuple(dict.fromkeys([*conf.worded, *worded])))
        detectors = score_files(run, status)
        base = _baselines(run, conf)
        every = detectors | score_files(run, base["method"].unique(maintain_order=True))
        traces = table(run, "traces").select(TRACE)
        agreed = agreement(every, traces, base, _traits(every, status), conf)
        notes = pl.concat([agreed.notes, strangers(run, every)])
        for name, frame in FRAMES.items():
            write_frame(run / f"{name}.parquet", getattr(agreed, frame))
        write_frame(run / "notes.parquet", notes)
        for line in lines(notes):
            print(f"left out: {line}", file=sys.stderr)
        placed = {n: _placed(n, f, traces) for n, f in every.items()}
        _describe(run, placed, status, agreed, conf)
        frames = tested_on(run, placed, status, agreed.agreement, conf)
        write_frame(run / "claims.parquet", claims_frame(claims, frames))
        compared = families(agreed.by_problem, *_comparable(run), conf)
        write_frame(run / "families.parquet", compared)
        draw(run, page)
        made = render(run, page)
        if page.tracker is not None:
            track(run, made, page.tracker)
        return made


def said_of(files: Sequence[Path]) -> Iterator[str]:
    """That some files cannot be checked, once for all of them."""
    if files:
        n, more = len(files), " and the like" * (len(files) > 1)
        which = f"{n} file{'s' * (n > 1)} without a digest or id ({files[0].name}{more})"
        yield f"unchecked: {which}, of an older run or made elsewhere"


TRACE = ("trace_id", "problem_id", "model", "correct")
FILES = 256  # of tokens in memory at once, one a trace
FRAMES = {  # of a run, by what agreement calls them
    "agreement": "agreement",
    "agreement_by_problem": "by_problem",
    "agreement_by_k": "by_k",
    "agreement_by_correctness": "by_correctness",
    "summary": "summary",
    "reliability": "reliability",
}


def _traits(names: Iterable[str], status: Mapping[str, Mapping[str, Any]]) -> dict[str, MethodInfo]:
    """What is declared of each method; those without status are baselines."""
    baseline = MethodInfo(BASELINE, signed=False, arms=frozenset())
    return dict.fromkeys(names, baseline) | {
        name: MethodInfo(str(s["family"]), bool(s["signed"]), frozenset(s.get("arms", [])))
        for name, s in status.items()
    }


def _placed(name: str, scores: pl.LazyFrame, traces: pl.DataFrame) -> pl.LazyFrame:
    """A method's scores with model and problem, without those of half samples."""
    plain = scores.select("trace_id", "sentence", "score", method=pl.lit(name))
    return plain.filter(SOUND).join(traces.lazy(), on="trace_id")


def _describe(
    run: Path,
    scores: Mapping[str, pl.LazyFrame],
    status: Mapping[str, Mapping[str, Any]],
    agreed: Agreed,
    conf: Agreement,
) -> None:
    """Enrichment and the table of methods, one method in memory at a time."""
    sentences = table(run, "sentences")
    signed = {name: bool(s["signed"]) for name, s in status.items()}
    kinds, informed = _kinds(sentences), given(run, sentences)
    traces = table(run, "traces").select(TRACE)
    found, spent = list[dict[str, Any]](), charged(run, status)
    for name, frame in scores.items():
        placed = frame.collect()
        if len(placed):
            row = _method(name, placed, status.get(name, {}), spent.get(name, {}), kinds)
            told = by_category(placed, sentences)
            found.append(row | {"given_truth": name in informed, "by_category": told})
    write_frame(run / "enrichment.parquet", enrichment(scores, sentences, traces, signed, conf))
    methods = validated(rows(found, schema.METHODS), Run(run).effects)
    methods = _with_reliability(methods, agreed, conf)
    write_frame(run / "methods.parquet", methods)


def _with_reliability(methods: pl.DataFrame, agreed: Agreed, conf: Agreement) -> pl.DataFrame:
    """The methods with their reliability raw and under the control that verdicts rest on."""
    columns = {"reliability": "none", "reliability_controlled": conf.verdict_control}
    for column, control in columns.items():
        found = agreed.reliable(control).rename({"value": column})
        methods = methods.drop(column).join(found, on="method", how="left", maintain_order="left")
    return methods.select(*schema.METHODS)


def _comparable(run: Path) -> tuple[dict[str, str], frozenset[str]]:
    """The family of each detector that was not told the truth, and which are variants."""
    found = read(run)
    fair = [name for name in found.detectors if name not in found.given_truth]
    return {name: found.families[name] for name in fair}, found.variants


def _undrawn(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores of a method that draws nothing, hence has no half samples."""
    nothing = pl.lit([], dtype=pl.List(pl.Float64))
    return scores.with_columns(half_a=nothing, half_b=nothing).select(*schema.SCORES)


def _baselines(run: Path, conf: Agreement) -> pl.DataFrame:
    """The baselines' scores, long; each is also kept among the run's scores.

    Where what they were made of was left out, those that are kept.
    """
    if left_out(run):
        return _kept_baselines(run)
    sentences = table(run, "sentences")
    tokens = sorted((run / "tokens").glob("*.parquet"))
    drawn = sorted((run / "rollouts").glob("*/*.parquet"))
    rollouts = scan_frames(drawn, schema.ROLLOUTS)
    base = baselines(
        sentences,
        _read(tokens),
        rollouts if drawn else None,
        repeats(run),
        conf,
    )
    for (name,), part in base.group_by("method", maintain_order=True):
        write_frame(file(run, str(name)), _undrawn(part))
    return base


def _kept_baselines(run: Path) -> pl.DataFrame:
    """The baselines' scores as they were kept, in the order of the table of methods."""
    made = read_frame(run / "methods.parquet", {"method": pl.String, "family": pl.String})
    names = made.filter(pl.col("family") == BASELINE)["method"]
    needs = {key: schema.SCORES[key] for key in ("trace_id", "sentence", "score")}
    kept = [
        read_frame(file(run, name), needs).select(pl.lit(name).alias("method"), *needs)
        for name in names
    ]
    return pl.concat(kept)


def _read(tokens: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """What was read of all traces, so many of them at once."""
    for start in range(0, len(tokens), FILES):
        yield scan_frames(tokens[start : start + FILES], schema.TOKENS).collect()


def _kinds(sentences: pl.DataFrame) -> pl.DataFrame | None:
    """The sentences whose truth is known, if any are."""
    return sentences.drop_nulls("kind") if "kind" in sentences.columns else None


def _method(
    name: str,
    scores: pl.DataFrame,
    row: Mapping[str, Any],
    spent: Mapping[str, Any],
    kinds: pl.DataFrame | None,
) -> dict[str, Any]:
    """The row of a method, with what its status says; its cost is null where nobody measured it."""
    signed = [name] if row.get("signed") else []
    planted = {} if kinds is None else auroc_planted(unsigned(scores, signed), kinds)
    return {
        "method": name,
        "family": row.get("family", BASELINE),
        "coverage": scores["score"].is_not_nan().mean(),
        "arms": ", ".join(row.get("arms", [])),
        "shared": spent.get("shared", ""),
        "seconds": spent.get("seconds"),
        "tokens": spent.get("tokens"),
        "auroc_planted": planted.get(name),
        "status": row.get("state"),
    }


def strangers(run: Path, known: Collection[str]) -> pl.DataFrame:
    """Notes (schema.NOTES) on score files of which nothing is known: they are left alone."""
    found = [
        {
            "method": path.stem,
            "reason": f"{REFUSED}no status/{path.stem}.json says what it is",
            "count": score_files(run, [path.stem])[path.stem].select(pl.len()).collect().item(),
        }
        for path in sorted((run / "scores").glob("*.parquet"))
        if path.stem not in known and not status_file(run, path.stem).exists()
    ]
    return rows(found, schema.NOTES)
