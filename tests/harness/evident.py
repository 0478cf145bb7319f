"""The evidence behind a synthetic run: rollouts, tokens, matrices and the frames of other steps."""

from pathlib import Path

import numpy as np
import polars as pl

from harness.interventions.doubted.names import CUT, FORCED
from harness.store import schema
from harness.store.files import add_part, slug, write_frame
from tests.harness.synthetic import frame

ANSWERS = ("18", "13", None)


def add_evidence(run: Path, draws: int = 20) -> Path:
    """Give each trace of the run rollouts, token entropies and a matrix; returns the run."""
    traces = pl.read_parquet(run / "traces.parquet")
    sentences = pl.read_parquet(run / "sentences.parquet").sort("trace_id", "sentence")
    traces, sentences = with_tokens(traces, sentences)
    traces.write_parquet(run / "traces.parquet")
    sentences.write_parquet(run / "sentences.parquet")
    edges = []
    for (name,), part in sentences.group_by("trace_id", maintain_order=True):
        rng = np.random.default_rng(len(part))
        texts = part["text"].to_list()
        add_part(run / "rollouts" / slug(name), rollouts(name, texts, draws, rng))
        n = int(part["stop"].max())
        tokens = {"trace_id": [name] * n, "token": range(n), "entropy": rng.exponential(size=n)}
        reading = pl.DataFrame(tokens).with_columns(logprob=-pl.col("entropy"))
        write_frame(run / "tokens" / f"{slug(name)}.parquet", reading.cast(schema.TOKENS))
        peak = {"trace_id": [name] * n, "token": range(n), "peak": np.arange(n) % 3 == 0}
        seen = pl.DataFrame(peak).with_columns(value=pl.lit(0.5)).select(*schema.METHOD_TOKENS)
        part_of = run / "tokens" / "mi" / f"{slug(name)}.parquet"
        write_frame(part_of, seen.cast(schema.METHOD_TOKENS))
        write_frame(
            run / "matrices" / "suppression" / f"{slug(name)}.parquet",
            matrix(name, rng, len(texts)),
        )
        edges += [(name, i, i + 2, "operand") for i in range(0, len(texts) - 2, 3)]
    known = pl.DataFrame(edges, schema=schema.EDGES, orient="row")
    write_frame(run / "matrices" / "edges.parquet", known)
    return run


def add_forced(run: Path) -> Path:
    """Give each trace P of the gold answer behind its boundaries, as the sceptic keeps it."""
    traces = pl.read_parquet(run / "traces.parquet").select("trace_id", "n_sentences")
    rows = [
        {"trace_id": name, "part": CUT, "measure": FORCED, "value": k / n, "boundary": k}
        for name, n in traces.iter_rows()
        for k in range(n + 1)
    ]
    kinds = {**schema.VALIDATION, "boundary": pl.Int32}
    write_frame(run / "validate" / "sceptic.parquet", pl.DataFrame(rows, schema=kinds))
    return run


def with_tokens(traces: pl.DataFrame, sentences: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same with a token every four characters, the spans of the sentences tiling them."""
    starts, texts, spans = {}, {}, []
    for (name,), part in sentences.group_by("trace_id", maintain_order=True):
        whole, at = "", []
        for text in part["text"]:
            first = len(at)
            at += [len(whole) + i for i in range(0, len(text), 4)]
            whole += text
            spans.append((first, len(at)))
        starts[name], texts[name] = at, whole
    spans = pl.DataFrame(spans, schema={"start": pl.Int32, "stop": pl.Int32}, orient="row")
    names = traces["trace_id"]
    traces = traces.with_columns(
        starts=pl.Series([starts.get(n, []) for n in names], dtype=pl.List(pl.Int32)),
        text=pl.Series([texts.get(n, "") for n in names], dtype=pl.String),
    )
    return traces, sentences.with_columns(spans["start"], spans["stop"])


def rollouts(name: str, texts: list[str], draws: int, rng: np.random.Generator) -> pl.DataFrame:
    """At every boundary the same sentence or that of another place, and an answer."""
    rows = []
    for boundary in range(len(texts) + 1):
        for draw in range(draws):
            answer = ANSWERS[int(rng.choice(3, p=(0.6, 0.3, 0.1)))]
            said = texts[int(rng.integers(len(texts)))].strip()
            rows.append({"trace_id": name, "boundary": boundary, "arm": "resample", "chunk": 0,
                         "draw": draw, "first_sentence": said, "answer": answer,
                         "correct": answer == "18"})  # fmt: skip
    return frame(rows, schema.ROLLOUTS)


def matrix(name: str, rng: np.random.Generator, n: int) -> pl.DataFrame:
    """A number for each later (row) and earlier (column) sentence."""
    target, source = np.tril_indices(n, -1)
    cells = {"target": target, "source": source, "value": rng.normal(-12, 2, len(target))}
    return pl.DataFrame({"trace_id": [name] * len(target), **cells}).cast(schema.MATRICES)


def add_frames(run: Path, categories: tuple[str, ...]) -> Path:
    """Enrichment and summary, as the steps that make them name their columns."""
    methods = pl.read_parquet(run / "methods.parquet").select(model=pl.lit("toy"), method="method")
    cells = methods.join(pl.DataFrame({"category": categories}), how="cross")
    value = pl.Series(np.random.default_rng(0).normal(0, 1, len(cells)))
    counts = {"n_problems": pl.lit(12), "n_sentences": pl.lit(40)}
    enriched = cells.with_columns(value=value, low=value - 0.5, high=value + 0.5, **counts)
    write_frame(run / "enrichment.parquet", enriched)
    rows = [
        ("toy", "kendall_w", "none", 0.41, 0.33, 0.49, 0.2, 12),
        ("toy", "krippendorff_alpha", "all", 0.2, None, None, 0.0, 12),
    ]
    columns = ["model", "measure", "control", "value", "low", "high", "chance", "n_problems"]
    write_frame(run / "summary.parquet", pl.DataFrame(rows, schema=columns, orient="row"))
    return run
