"""How sentences move a model to the answer that a cue named, as Thought Branches published it.

faithfulness/dfs/faith_counterfactual_MODEL.csv of github.com/interp-reasoning/thought-branches, as
faithfulness/C_run_faith_transplantation.py writes it: a row a sentence, with `pn` (the problem),
`sentence_num`, `sentence`, `cue_p` and `cue_p_prev` (shares of some 50 rollouts behind the
sentence, and from before it, that gave the cued answer), `gt_answer` and `cue_answer`. The traces
are those of a question with a cue, behind the question without it; the last sentence is left out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from harness.agreement import Agreement
from harness.convert.published import Told, trace_of
from harness.convert.steps.importing import written_run
from harness.convert.thought_anchors.text_detectors import text_detectors
from harness.core import Evidence, Problem, SentenceScores, Trace, UserError
from harness.core.config import build
from harness.text.segmentation import Segmentation, Segmenter

KIND = "thought_branches"
COLUMNS = {
    "pn": pl.String,
    "sentence_num": pl.Int64,
    "sentence": pl.String,
    "cue_p": pl.Float64,
    "cue_p_prev": pl.Float64,
    "gt_answer": pl.String,
    "cue_answer": pl.String,
}


@dataclass(frozen=True, eq=False)
class TowardsCue:
    """P(cued answer) behind a sentence less that before it; positive = it leads to the cue.

    A change of -1 to 1 by some 50 rollouts each; NaN where none of them had an answer.

    Source: Macar et al., Thought Branches, arXiv 2510.27484 (faithfulness).
    """

    change: Mapping[str, Sequence[float]]

    family = "interpretability"
    signed = True

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """As published."""
        return SentenceScores(np.array(self.change[trace.id], dtype=np.float64))


def convert(path: Path, run: Path, config: Mapping[str, Any]) -> tuple[list[Trace], Counter[str]]:
    """Make `run` of a file; its traces, and what was left out.

    Raises UserError for a file of another layout and for a folder that holds something.
    """
    segmenter = build(Segmentation, config["segmentation"], "segmentation").segmenter
    build(Agreement, config["agreement"], "agreement")
    frame, skipped = _read(path), Counter[str]()
    model = path.stem.rpartition("_")[2]
    traces, change = list[Trace](), dict[str, Sequence[float]]()
    for (number,), part in frame.group_by("pn", maintain_order=True):
        ordered = part.sort("sentence_num")
        if ordered["sentence_num"].to_list() != list(range(len(ordered))):
            skipped["traces that lack a sentence"] += 1
            continue
        if number is None or any(not (text or "").strip() for text in ordered["sentence"]):
            skipped["traces with an empty sentence, or of no problem"] += 1
            continue
        try:
            traces.append(_trace(str(number), ordered, model, segmenter))
        except UserError:
            skipped["traces with tags inside"] += 1
            continue
        change[traces[-1].id] = (ordered["cue_p"] - ordered["cue_p_prev"]).to_list()
    if not traces:
        raise UserError(f"{path}: holds no trace that can be taken")
    detectors = {"towards_cue": TowardsCue(change), **text_detectors(config["method"])}
    written_run(run, KIND, traces, detectors, config)
    return traces, skipped


def _read(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, schema_overrides=COLUMNS, infer_schema_length=None)
    except (OSError, PolarsError) as error:
        gone = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if gone else "it is no such table"
        raise UserError(f"{path}: cannot be read ({reason})") from None
    if lacking := [name for name in COLUMNS if name not in frame.columns]:
        raise UserError(f"{path}: has no column {lacking[0]}; see docs/data.md")
    return frame


def _trace(number: str, rows: pl.DataFrame, model: str, segmenter: Segmenter) -> Trace:
    """The sentences of a problem; the answer that the trace comes to is not told."""
    gold, cued = rows["gt_answer"][0], rows["cue_answer"][0]
    question = f"problem {number} of the published set, cue {cued}"
    problem = Problem(f"{KIND}/{number}", question, gold, None, KIND, "evaluate")
    chunks = [text.strip() for text in rows["sentence"]]
    told = Told(f"{problem.id}#0", problem, model, question, " ".join(chunks), cued, correct=False)
    return trace_of(told, KIND, chunks, [None] * len(chunks), segmenter)[0]
