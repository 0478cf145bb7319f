"""The report step: agreement, figures and page from what the run folder holds; loads no model."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness import schema
from harness.agreement import Agreed, Agreement, Trait, agreement
from harness.agreement.notes import lines
from harness.baselines import baselines
from harness.config import build
from harness.enrichment import enrichment
from harness.ledger import file
from harness.page import render
from harness.planted import auroc_planted, unsigned
from harness.plots import Report, draw
from harness.plots.source import BASELINE
from harness.progress import console
from harness.store import lock, read_json, rows, write_frame
from harness.summary import summary
from harness.types import UserError


def report(run: Path, conf: Agreement, page: Report) -> Path:
    """Write agreement, enrichment, methods, plots and page of a run anew; returns the page."""
    if not (run / "traces.parquet").exists():
        raise UserError(f"{run}: holds no traces; run python -m harness run={run.name} first")
    with lock(run, "report"):
        base = _baselines(run, conf)
        status = _statuses(run)
        scores = _scores(run, [*status, *base["method"].unique(maintain_order=True)])
        traces = pl.read_parquet(run / "traces.parquet", columns=list(TRACE))
        agreed = agreement(scores, traces, base, _traits(scores, status), conf)
        for name, frame in FRAMES.items():
            write_frame(run / f"{name}.parquet", getattr(agreed, frame))
        for line in lines(agreed.notes):
            print(f"left out: {line}", file=sys.stderr)
        _describe(run, {n: _placed(n, f, traces) for n, f in scores.items()}, status, agreed, conf)
        draw(run, page)
        return render(run, page)


TRACE = ("trace_id", "problem_id", "model")
FILES = 256  # of tokens in memory at once, one a trace
FRAMES = {  # of a run, by what agreement calls them
    "agreement": "agreement",
    "agreement_by_problem": "by_problem",
    "agreement_by_k": "by_k",
    "summary": "summary",
    "reliability": "reliability",
    "notes": "notes",
}


def _traits(names: Iterable[str], status: Mapping[str, Mapping[str, Any]]) -> dict[str, Trait]:
    """What is declared of each method; those without status are baselines."""
    baseline = Trait(BASELINE, signed=False, arms=frozenset())
    return dict.fromkeys(names, baseline) | {
        name: Trait(str(s["family"]), bool(s["signed"]), frozenset(s.get("arms", [])))
        for name, s in status.items()
    }


def _placed(name: str, scores: pl.LazyFrame, traces: pl.DataFrame) -> pl.LazyFrame:
    """A method's scores with model and problem, without those of half samples."""
    plain = scores.select("trace_id", "sentence", "score", method=pl.lit(name))
    return plain.join(traces.lazy(), on="trace_id")


def _describe(
    run: Path,
    scores: Mapping[str, pl.LazyFrame],
    status: Mapping[str, Mapping[str, Any]],
    agreed: Agreed,
    conf: Agreement,
) -> None:
    """Enrichment and the table of methods, one method in memory at a time."""
    sentences = pl.read_parquet(run / "sentences.parquet")
    signed = {name: bool(s["signed"]) for name, s in status.items()}
    kinds = _kinds(sentences)
    enriched = [pl.DataFrame(schema=dict(schema.ENRICHMENT))]
    found: list[dict[str, Any]] = []
    for name, frame in scores.items():
        placed = frame.collect()
        if len(placed):
            enriched.append(enrichment(placed, sentences, signed, conf))
            found.append(_method(name, placed, status.get(name, {}), kinds))
    write_frame(run / "enrichment.parquet", pl.concat(enriched))
    methods = _with_reliability(rows(found, schema.METHODS), agreed, conf)
    write_frame(run / "methods.parquet", methods)


def _with_reliability(methods: pl.DataFrame, agreed: Agreed, conf: Agreement) -> pl.DataFrame:
    """The methods with their reliability raw and under the control that verdicts rest on."""
    columns = {"reliability": "none", "reliability_controlled": conf.judged}
    for column, control in columns.items():
        found = agreed.reliable(control).rename({"value": column})
        methods = methods.drop(column).join(found, on="method", how="left", maintain_order="left")
    return methods.select(*schema.METHODS)


def _statuses(run: Path) -> dict[str, dict[str, Any]]:
    """The detectors that have scores, by name."""
    found = {path.stem: read_json(path) for path in sorted((run / "status").glob("*.json"))}
    return {
        name: status
        for name, status in found.items()
        if status["state"] != "failed" and file(run, name).exists()
    }


def _scores(run: Path, methods: Iterable[str]) -> dict[str, pl.LazyFrame]:
    """The scores of each method and those of its half samples, not yet read."""
    return {name: pl.scan_parquet(file(run, name)).select(*schema.SCORES) for name in methods}


def _undrawn(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores of a method that draws nothing, hence has no half samples."""
    nothing = pl.lit([], dtype=pl.List(pl.Float64))
    return scores.with_columns(half_a=nothing, half_b=nothing).select(*schema.SCORES)


def _baselines(run: Path, conf: Agreement) -> pl.DataFrame:
    """The baselines' scores, long; each is also kept among the run's scores."""
    sentences = pl.read_parquet(run / "sentences.parquet")
    tokens = sorted((run / "tokens").glob("*.parquet"))
    drawn = sorted((run / "rollouts").glob("*/*.parquet"))
    base = baselines(
        sentences,
        _read(tokens),
        pl.scan_parquet(drawn) if drawn else None,
        conf,
    )
    for (name,), part in base.group_by("method", maintain_order=True):
        write_frame(file(run, str(name)), _undrawn(part))
    return base


def _read(tokens: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """What was read of all traces, so many of them at once."""
    for start in range(0, len(tokens), FILES):
        yield pl.read_parquet(list(tokens[start : start + FILES]))


def _kinds(sentences: pl.DataFrame) -> pl.DataFrame | None:
    """The sentences whose truth is known, if any are."""
    return sentences.drop_nulls("kind") if "kind" in sentences.columns else None


def _method(
    name: str, scores: pl.DataFrame, row: Mapping[str, Any], kinds: pl.DataFrame | None
) -> dict[str, Any]:
    """The row of a method, with what its status says."""
    signed = [name] if row.get("signed") else []
    planted = {} if kinds is None else auroc_planted(unsigned(scores, signed), kinds)
    return {
        "method": name,
        "family": row.get("family", BASELINE),
        "coverage": scores["score"].is_not_nan().mean(),
        "arms": ", ".join(row.get("arms", [])),
        "seconds": row.get("seconds", 0.0),
        "tokens": int(row.get("tokens", 0)),
        "auroc_planted": planted.get(name),
    }


def configured(run: Path, overrides: Sequence[str]) -> tuple[Agreement, Report]:
    """The settings of a run's report: those it was made with, some of them changed."""
    path = run / "run.yaml"
    if not path.exists():
        raise UserError(f"{run}: is no run folder (it holds no run.yaml)")
    kept = yaml.safe_load(path.read_text())
    nodes: dict[str, Any] = {key: kept[key] for key in ("agreement", "report")}
    for override in overrides:
        if override.partition(".")[0] not in nodes or "=" not in override:
            raise UserError(f"{override}: expected agreement.KEY=VALUE or report.KEY=VALUE")
    try:
        merged: Any = OmegaConf.merge(nodes, OmegaConf.from_dotlist(list(overrides)))
    except OmegaConfBaseException as error:
        raise UserError(str(error).splitlines()[0]) from None
    return (
        build(Agreement, merged["agreement"], "agreement"),
        build(Report, merged["report"], "report"),
    )


def main() -> None:
    """`python -m harness.report RUN_DIR [agreement.key=value …]`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m harness.report RUN_DIR [agreement.KEY=VALUE …]", file=sys.stderr)
        sys.exit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    run = Path(arguments[0])
    try:
        report(run, *configured(run, arguments[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    console.print(summary(run))


if __name__ == "__main__":
    main()
