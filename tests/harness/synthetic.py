"""A small run folder with every file of the schema that the report reads, made without a model."""

import json
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

from harness.store import schema

DETECTORS = {
    "resampling": "interpretability",
    "attention": "interpretability",
    "suppression": "interpretability",
    "mi": "information",
    "rl_entropy": "rl",
    "transplant": "rl",
}
BASELINES = ("position", "length", "surprisal", "headroom")
TEXTS = (
    "Okay, so I need to find how much Janet makes every day at the market.",
    "She has 16 eggs and eats $3$ of them, so \\frac{16 - 3}{1} = 13 are left.",
    "Wait, she also bakes muffins for her friends, which takes four more.",
    "Let me check that again.",
    "So 13 - 4 = 9 eggs, and 9 * 2 = 18.",
    "Hmm.",
    "The answer is therefore \\boxed{18}, in dollars a day.",
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(document.domain) {{ 7 * 7 }} {% raw %}",
    "broken \ufffd surrogate, \x00 control \x1b[31m and --> comment ]]>",
    "\u202eright to left\u202c \u200f mark \u05d0\u05d1\u05d2 and 汉字 🙂",
    "x" * 10_000,
    "$\\frac{1}{$ & &amp; </td></table>",
)


def write_run(
    run: Path, n_problems: int = 12, texts: tuple[str, ...] = TEXTS, seed: int = 0
) -> Path:
    """Fill `run` with a finished run of two traces a problem, one detector failed; returns it."""
    rng = np.random.default_rng(seed)
    sizes = {f"p{i}": [int(n) for n in rng.integers(12, 46, size=2)] for i in range(n_problems)}
    (run / "scores").mkdir(parents=True)
    (run / "status").mkdir()
    write_texts(run, sizes, texts)
    sentences = pl.read_parquet(run / "sentences.parquet")
    scores = planted_scores(sentences, rng)
    for method, part in scores.items():
        part.write_parquet(run / "scores" / f"{method}.parquet")
    by_problem = agreement_by_problem(scores, sentences)
    by_problem.write_parquet(run / "agreement_by_problem.parquet")
    agreement(by_problem).write_parquet(run / "agreement.parquet")
    write_methods(run, scores)
    write_provenance(run)
    return run


def write_texts(run: Path, sizes: dict[str, list[int]], texts: tuple[str, ...]) -> None:
    problems = [
        {"problem_id": p, "question": f"{p}: {texts[0]}", "answer": "18", "role": "evaluate"}
        for p in sizes
    ]
    traces, sentences = [], []
    for p, lengths in sizes.items():
        for t, n in enumerate(lengths):
            trace_id = f"{p}-{t}"
            traces.append(
                {"trace_id": trace_id, "problem_id": p, "model": "toy", "answer": "18",
                 "correct": t == 0, "n_sentences": n, "text": " ".join(texts)}
            )  # fmt: skip
            sentences += [
                {"trace_id": trace_id, "sentence": i, "text": texts[i % len(texts)],
                 "category": "active_computation" if i % 3 else None,
                 "position": (i + 1) / n, "n_tokens": len(texts[i % len(texts)]) // 4}
                for i in range(n)
            ]  # fmt: skip
    frame(problems, schema.PROBLEMS).write_parquet(run / "problems.parquet")
    frame(traces, schema.TRACES).write_parquet(run / "traces.parquet")
    frame(sentences, schema.SENTENCES).write_parquet(run / "sentences.parquet")


def planted_scores(sentences: pl.DataFrame, rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """Detectors share a truth and a position trend; `mi` is undefined at times."""
    n, position = len(sentences), sentences["position"].to_numpy()
    truth = rng.normal(size=n)
    shares = {"resampling": (1, -1), "attention": (0.5, -1.5), "suppression": (0.2, 2),
              "mi": (0.3, 0), "rl_entropy": (0.8, -0.4)}  # fmt: skip
    values = {
        m: a * truth + b * position + 0.7 * rng.normal(size=n) for m, (a, b) in shares.items()
    }
    values["mi"][rng.random(n) < 0.15] = np.nan
    values["position"] = position
    values["length"] = sentences["n_tokens"].to_numpy().astype(float)
    values["surprisal"] = rng.normal(size=n)
    values["headroom"] = np.maximum(0, 1 - position + 0.1 * rng.normal(size=n))
    keys = sentences.select("trace_id", "sentence")
    return {
        method: frame(keys.with_columns(score=v).to_dicts(), schema.SCORES)
        for method, v in values.items()
    }


def agreement_by_problem(scores: dict[str, pl.DataFrame], sentences: pl.DataFrame) -> pl.DataFrame:
    wide = sentences.select("trace_id", "sentence", "position")
    for method, part in scores.items():
        column = part.select("trace_id", "sentence", pl.col("score").alias(f"score_{method}"))
        wide = wide.join(column, on=["trace_id", "sentence"])
    names, rows = list(scores), []
    for (trace_id,), part in wide.group_by("trace_id", maintain_order=True):
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                rows += trace_rows(str(trace_id), a, b, part)
    per_trace = pl.DataFrame(rows, infer_schema_length=None)
    keys = ["problem_id", "a", "b", "statistic", "control"]
    return per_trace.group_by(keys, maintain_order=True).agg(
        pl.col("value").fill_nan(None).mean(),
        pl.len().alias("n_traces"),
        pl.col("n_sentences").sum(),
    )


def trace_rows(trace_id: str, a: str, b: str, part: pl.DataFrame) -> list[dict[str, object]]:
    x, y, z = (part[c].to_numpy() for c in (f"score_{a}", f"score_{b}", "position"))
    keep = ~(np.isnan(x) | np.isnan(y))
    x, y, z = (stats.rankdata(v[keep]) for v in (x, y, z))
    key = {"problem_id": trace_id.partition("-")[0], "a": a, "b": b, "n_sentences": int(keep.sum())}
    raw, controlled = np.corrcoef(x, y)[0, 1], np.nan
    if "position" not in (a, b):
        residuals = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
        controlled = np.corrcoef(*residuals)[0, 1]
    return [
        key | {"statistic": "spearman", "control": "none", "value": float(raw)},
        key | {"statistic": "spearman", "control": "position", "value": float(controlled)},
        key | {"statistic": "kendall", "control": "none", "value": float(0.7 * raw)},
    ]


def agreement(by_problem: pl.DataFrame) -> pl.DataFrame:
    """Means over problems with the t interval from 10 problems up."""
    rows = []
    keys = ["a", "b", "statistic", "control"]
    for key, part in by_problem.group_by(keys, maintain_order=True):
        values = part["value"].drop_nulls().to_numpy()
        row = dict(zip(keys, key, strict=True)) | {
            "model": "toy", "cross_fit": False, "n_problems": len(values),
            "n_traces": part["n_traces"].sum(), "n_sentences": part["n_sentences"].sum(),
            "value": values.mean() if len(values) else None,
            "verdict": "undecided" if len(values) >= 10 else "too few problems",
        }  # fmt: skip
        if len(values) >= 10:
            half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
            row |= {"low": values.mean() - half, "high": values.mean() + half}
        rows.append(row)
    return frame(rows, schema.AGREEMENT)


def write_methods(run: Path, scores: dict[str, pl.DataFrame]) -> None:
    families = DETECTORS | dict.fromkeys(BASELINES, "baseline")
    rows = []
    for method, family in families.items():
        part = scores.get(method)
        row = {"method": method, "family": family, "seconds": 12.5, "tokens": 123_456}
        if part is not None:
            row["coverage"] = 1 - float(part["score"].is_nan().mean())
        rows.append(row)
    frame(rows, schema.METHODS).write_parquet(run / "methods.parquet")
    for method in DETECTORS:
        failed = method not in scores
        status = {"method": method, "state": "failed" if failed else "done", "option_hash": "abc",
                  "traces": 0 if failed else 24, "failed_traces": 3 if method == "mi" else 0,
                  "seconds": 12.5, "tokens": 123_456, "passes": 7,
                  "error": "model toy has no base checkpoint <b>" if failed else None}  # fmt: skip
        (run / "status" / f"{method}.json").write_text(json.dumps(status))


def write_provenance(run: Path) -> None:
    (run / "run.yaml").write_text(
        "created: '2026-11-22T10:00:00'\ngit: 0123abc\nmodel:\n  name: toy\n  revision: main\n"
        "problems:\n  name: gsm8k\nversions:\n  python: 3.11.2\n  torch: 2.13.0\n"
    )
    (run / "skipped.json").write_text(json.dumps({"p99": "no sentence before </think> \ud800"}))


def frame(rows: list[dict[str, object]], columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """Rows under the declared columns, null where a row lacks one."""
    return pl.DataFrame(rows, schema=columns)
