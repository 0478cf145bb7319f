"""The pivotal tokens of a run in the layout of codelion/pts, a JSON line a token."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.convert.exporting import traces_of
from harness.core import Rollouts, Trace, UserError
from harness.core.config import check
from harness.statistics.bisection import WITHIN, jumps, known
from harness.store.files import slug, write_bytes
from harness.store.reading import read_yaml
from harness.store.rollouts import load

SCHEMA = "2.0"  # of pts.events.CausalReasoningEvent
Arms = Mapping[tuple[str, int], Rollouts]


def export(run: Path, out: Path, least: str | None) -> int:
    """Write the tokens at which P(correct) jumps by at least so much; returns how many there are.

    None takes the threshold that the run's `pivotal` had. Raises UserError where the run has no
    rollouts of it.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; name a new file")
    traces = traces_of(run)
    path = run / "run.yaml"
    values = read_yaml(path) if path.is_file() else {}
    threshold = _threshold(values, least)
    drawn = {trace.id: load(run / "rollouts" / slug(trace.id)) for trace in traces}
    if not any(arm.startswith(WITHIN) for arms in drawn.values() for arm, _ in arms):
        raise UserError(f"{run}: has no rollouts within sentences; add method=[pivotal]")
    model = str((values.get("model") or {}).get("path") or "")
    found = [e for t in traces for e in events(t, drawn[t.id], threshold, model or t.model)]
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in found)
    write_bytes(out, lines.encode())
    return len(found)


def _threshold(values: Mapping[str, Any], least: str | None) -> float:
    if least is not None:
        try:
            return float(check(float, float(least), "threshold"))
        except ValueError:
            raise UserError(f"threshold: must be a number, got {least}") from None
    node = (values.get("method") or {}).get("pivotal")
    if not isinstance(node, Mapping) or "threshold" not in node:
        raise UserError("threshold: the run says none (no method=[pivotal]); give one")
    return float(node["threshold"])


def events(trace: Trace, arms: Arms, threshold: float, model: str) -> Iterator[dict[str, Any]]:
    """A record for each token that moves P(correct) by at least the threshold, in their order.

    Fields are those of `CausalReasoningEvent` with `granularity` token; `context` is the trace up
    to the token, `position` counts the prompt. Source: github.com/codelion/pts, pts/events.py.
    """
    stops = (trace.sentences[0].start, *(s.stop for s in trace.sentences))
    shares, ends = known(stops, arms), (*trace.starts[1:], len(trace.text))
    for t, jump in sorted(jumps(shares).items()):
        if round(abs(jump), 12) < threshold:
            continue
        context = trace.text[: trace.starts[t]]
        token = trace.text[trace.starts[t] : ends[t]]
        yield {
            "schema_version": SCHEMA,
            "event_id": _id(model, trace.problem.question, context, token),
            "event_type": "pivotal_token",
            "granularity": "token",
            "visibility": "emitted",
            "model_id": model,
            "dataset_id": trace.problem.source,
            "dataset_item_id": trace.problem.id,
            "task_type": "generic",
            "query": trace.problem.question,
            "context": context,
            "label": token,
            "position": len(trace.prompt_ids) + t,
            "token_id": trace.token_ids[t],
            "prob_before": shares[t].value,
            "prob_after": shares[t + 1].value,
            "prob_delta": jump,
            "score": abs(jump),
            "is_positive": jump > 0,
            "search_method": "token_pts",
            "intervention_type": "append_token",
            "tags": ["token_pts", "positive" if jump > 0 else "negative"],
            "metadata": {
                "pivot_context": context,
                "pivot_token": token,
                "prob_threshold": threshold,
                "trace_id": trace.id,
                "rollouts": [shares[t].n, shares[t + 1].n],
            },
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S"),
        }


def _id(*parts: str) -> str:
    """The id that pts derives of a token event."""
    return f"token_evt_{hashlib.sha1(chr(0x1F).join(parts).encode()).hexdigest()[:12]}"
