"""Rules for sentence functions beside a trained classifier, on the labels that were published.

`pytest tests/benchmarks/test_labels_bench.py -s -o addopts=`; half a minute of embedding.
"""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

import harness
from harness.convert.thought_anchors.labels import WRITTEN_ON
from harness.evidence.asking.labelling import labelling
from harness.models.embedder import embed
from harness.text.categories import kappa

ROOT = Path(harness.__file__).parents[1]
EMBEDDER = "all-MiniLM-L6-v2"


def shifted(values: np.ndarray, trace: np.ndarray, by: int) -> np.ndarray:
    """The rows `by` sentences away, zeros beyond the trace."""
    moved, beside = np.roll(values, by, axis=0), np.roll(trace, by) == trace
    beside[0 if by > 0 else -1] = False
    return np.where(beside[:, None], moved, 0)


@pytest.fixture(scope="module")
def sentences() -> pl.DataFrame:
    run = harness.load(ROOT / "results" / "published")
    places = run.traces.select("trace_id", "problem_id")
    table = run.sentences.sort("trace_id", "sentence").join(places, on="trace_id", how="left")
    rules = labelling(yaml.safe_load((ROOT / "conf/labels/default.yaml").read_text()))
    return pl.concat(
        part.with_columns(ruled=pl.Series(rules.of(part["text"].to_list())))
        for _, part in table.group_by("trace_id", maintain_order=True)
    )


def held_out(inputs: np.ndarray, sentences: pl.DataFrame) -> np.ndarray:
    """What a classifier trained on the other problems says of each sentence."""
    labels, problems = sentences["category"].to_numpy(), sentences["problem_id"].to_numpy()
    found = np.empty(len(labels), dtype=object)
    for problem in np.unique(problems):
        mine = problems == problem
        fitted = LogisticRegression(C=1.0, max_iter=400).fit(inputs[~mine], labels[~mine])
        found[mine] = fitted.predict(inputs[mine])
    return found


def test_no_classifier_of_these_traces_beats_the_rules(sentences: pl.DataFrame) -> None:
    texts = [" ".join(text.split()) for text in sentences["text"]]
    known = embed(EMBEDDER, sorted({*texts}))
    mine = np.stack([known[EMBEDDER, text] for text in texts])
    trace, place = sentences["trace_id"].to_numpy(), sentences["position"].to_numpy()
    ruled = sentences["ruled"].to_dummies().to_numpy().astype(np.float32)
    placed = np.stack([place, place < 0.05, place > 0.95], axis=1).astype(np.float32)
    context = np.hstack([mine, shifted(mine, trace, 1), shifted(mine, trace, -1), placed])
    inputs = {
        "the sentence": mine,
        "with its neighbours and place": context,
        "and the rules": np.hstack([context, ruled, shifted(ruled, trace, 1)]),
    }
    said = {name: held_out(every, sentences) for name, every in inputs.items()}
    said["the rules alone"] = sentences["ruled"].to_numpy()
    seen = re.compile("|".join(f"/{which}" for which in WRITTEN_ON))
    others = np.array([not seen.search(name) for name in trace])
    labels, found = sentences["category"].to_numpy(), dict[str, float]()
    for name, every in said.items():
        found[name] = kappa(every[others].tolist(), labels[others].tolist())
        print(f"{found[name]:.3f}  {name}, on traces that the rules were not written on")
    assert max(found, key=found.__getitem__) == "the rules alone"
