"""The page of 500 traces of 150 sentences by 35 methods: writing, size, opening, scrolling.

`pytest tests/benchmarks/test_page_bench.py --benchmark-enable`; four traces where not enabled.
"""

import os
import shutil
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from harness.report.page import render
from harness.report.settings import Report
from harness.store import schema
from harness.store.files import slug, write_frame
from tests.browser.opening import OPTIONS
from tests.harness.evident import matrix, rollouts, with_tokens
from tests.harness.synthetic import TEXTS, frame, write_provenance

SENTENCES, METHODS, DRAWS = 150, 35, 100
CONTROLS = ("none", "position", "length", "headroom", "structure", "wording", "all")
STATISTICS = [
    *((name, control) for name in ("spearman", "topdown") for control in CONTROLS),
    *((name, "none") for name in ("kendall", "weighted_tau", "topk", "top1", "rbo")),
]
WORDS = " ".join(TEXTS).split()
CONF = Report(trace=None, dpi=50, example_traces=500, tracker=None)


def large(run: Path, traces: int) -> Path:
    """A run as large as they come; the evidence of one trace stands for that of all."""
    rng = np.random.default_rng(0)
    (run / "scores").mkdir(parents=True)
    said = [" ".join(rng.choice(WORDS, 18)) + " " for _ in range(traces * SENTENCES)]
    names = [f"p{i}-0" for i in range(traces)]
    cells = {"trace_id": np.repeat(names, SENTENCES), "sentence": np.tile(range(SENTENCES), traces)}
    category = rng.choice(["plan", "check", "compute"], len(said))
    sentences = pl.DataFrame({**cells, "text": said, "category": category}).cast(
        {"sentence": pl.Int32}
    )
    listed = [
        {"trace_id": name, "problem_id": name[:-2], "model": "toy", "answer": "18"}
        | {"correct": i % 3 > 0, "n_sentences": SENTENCES}
        for i, name in enumerate(names)
    ]
    asked = [{"problem_id": t["problem_id"], "question": TEXTS[0], "answer": "18"} for t in listed]
    spans, told = with_tokens(frame(listed, schema.TRACES), whole(sentences, schema.SENTENCES))
    spans.write_parquet(run / "traces.parquet")
    told.write_parquet(run / "sentences.parquet")
    frame(asked, schema.PROBLEMS).write_parquet(run / "problems.parquet")
    keys = sentences.select("trace_id", "sentence")
    methods = [f"method_{i}" for i in range(METHODS)]
    compared(run, methods, names, rng)
    for name in methods:
        scored = keys.with_columns(score=pl.Series(rng.gamma(0.3, size=len(keys))))
        scored.write_parquet(run / "scores" / f"{name}.parquet")
    family = [{"method": name, "family": f"family {i // 7}"} for i, name in enumerate(methods)]
    frame(family, schema.METHODS).write_parquet(run / "methods.parquet")
    evidence(run, names, told.filter(trace_id=names[0]), rng)
    write_provenance(run)
    return run


def compared(run: Path, methods: list[str], names: list[str], rng: np.random.Generator) -> None:
    """Every pair under every statistic and control, in all and by problem."""
    pairs = pl.DataFrame(combinations(methods, 2), schema=["a", "b"], orient="row")
    shown = pl.DataFrame(STATISTICS, schema=["statistic", "control"], orient="row")
    one = pairs.join(shown, how="cross").with_columns(model=pl.lit("toy"))
    counts = {name: pl.lit(len(names)) for name in ("n_problems", "n_traces")}
    value = pl.Series(rng.uniform(-0.3, 0.9, len(one)))
    ends = {"low": value - 0.05, "high": value + 0.05, "ceiling": value * 0 + 0.95}
    counts["n_sentences"] = pl.lit(len(names) * SENTENCES)
    every = one.with_columns(value=value, **ends, **counts, verdict=pl.lit("overlapping"))
    whole(every, schema.AGREEMENT).write_parquet(run / "agreement.parquet")
    problems = pl.DataFrame({"problem_id": [name[:-2] for name in names]})
    each = one.join(problems, how="cross")
    each = each.with_columns(value=pl.Series(rng.uniform(-1, 1, len(each))))
    each = whole(each, schema.AGREEMENT_BY_PROBLEM)
    each.write_parquet(run / "agreement_by_problem.parquet")


def whole(frame: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame with every declared column, null where it has none."""
    missing = [pl.lit(None, dtype=v).alias(k) for k, v in columns.items() if k not in frame.columns]
    return frame.with_columns(missing).select(*columns).cast(columns)


def evidence(run: Path, names: list[str], told: pl.DataFrame, rng: np.random.Generator) -> None:
    drawn = rollouts(names[0], told["text"].to_list(), DRAWS, rng)
    # without digests, which hold for the file of one name: these are linked under many
    first = run / "rollouts" / slug(names[0]) / "part.parquet"
    first.parent.mkdir(parents=True)
    drawn.write_parquet(first)
    cells = matrix(names[0], rng, SENTENCES)
    (run / "matrices" / "m").mkdir(parents=True)
    cells.write_parquet(run / "matrices" / "m" / f"{slug(names[0])}.parquet")
    for name in names[1:]:
        (run / "rollouts" / slug(name)).mkdir()
        os.link(first, run / "rollouts" / slug(name) / "part.parquet")
        os.link(
            run / "matrices" / "m" / f"{slug(names[0])}.parquet",
            run / "matrices" / "m" / f"{slug(name)}.parquet",
        )
    lengths = pl.read_parquet(run / "traces.parquet").select(
        "trace_id", pl.col("starts").list.len()
    )
    for name, n in lengths.iter_rows():
        reading = pl.DataFrame({"token": range(n), "entropy": rng.exponential(0.3, n)})
        write_frame(run / "tokens" / f"{slug(name)}.parquet", reading)


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    traces = 4 if request.config.getoption("benchmark_disable") else 500
    return large(tmp_path_factory.mktemp("large") / "run", traces)


def test_a_large_page_is_written_in_a_minute(benchmark, run: Path):
    page = benchmark.pedantic(render, (run, CONF), rounds=1)
    beside = sum(path.stat().st_size for path in run.glob("report-data-*.js"))
    print(f"\n{page.stat().st_size / 1e6:.1f} MB, beside it {beside / 1e6:.1f} MB")
    assert page.stat().st_size < 20e6
    assert benchmark.stats is None or benchmark.stats["max"] < 60


FRAMES = """async () => {
  const list = document.querySelector("#list");
  const times = [];
  for (let i = 0; i < 180; i++) {
    list.scrollTop += 700;
    times.push(await new Promise(requestAnimationFrame));
  }
  return times;
}"""


def test_it_opens_fast_and_scrolls_smoothly(benchmark, run: Path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the path")
    path = run / "report.html"
    if not path.exists():
        render(run, CONF)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        opened = browser.new_page()

        def load() -> None:
            opened.goto(path.as_uri())
            opened.wait_for_selector("html[data-ready]")
            opened.wait_for_selector(".row:not(.title) .strip")

        benchmark.pedantic(load, rounds=3)
        gaps = np.diff(opened.evaluate(FRAMES))
        started_at = time.perf_counter()
        opened.locator(".row:not(.title):not([hidden])").nth(5).click()
        opened.wait_for_selector("#panel .alternatives")
        clicked = time.perf_counter() - started_at
        browser.close()
    rate, slowest = 1000 / np.mean(gaps), np.max(gaps)
    print(f"\n{rate:.0f} frames/s over 126,000 pixels, slowest frame {slowest:.0f} ms")
    print(f"a click shows its rollouts after {clicked * 1000:.0f} ms")
    assert benchmark.stats is None or benchmark.stats["min"] < 3
    assert rate > 30
