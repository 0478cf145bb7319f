"""Traces and settings by hand, for tests of interventions."""

from collections.abc import Sequence
from importlib.resources import files

import yaml

from harness.agreement import Agreement
from harness.core import Problem, Sentence, Trace
from harness.core.config import build

AGREEMENT = build(
    Agreement,
    yaml.safe_load((files("conf") / "agreement" / "default.yaml").read_text(encoding="utf-8")),
    "agreement",
)


def trace(problem: str, categories: Sequence[str | None], tokens: int = 2) -> Trace:
    """A trace of one sentence a category, each so many tokens long."""
    text = "one two. "
    cut = tuple(
        Sentence(text, tokens * i, tokens * (i + 1), kind) for i, kind in enumerate(categories)
    )
    n = tokens * len(cut)
    about = Problem(problem, "How many?", "1", None, "test", "evaluate")
    ids = tuple(range(n))
    return Trace(
        f"{problem}#0",
        about,
        "m",
        "r",
        0,
        (9,),
        ids,
        text * len(cut),
        cut,
        "1",
        True,
        "model",
        "stop",
    )
