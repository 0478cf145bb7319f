"""Rollouts of the organism from any engine, and whether two engines answer alike."""

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import chi2_contingency

from harness.cli.hydra import composed, hydra_session
from harness.cli.settings import settings
from harness.core.seeds import derive
from harness.engines.base import Engine, Request, Running
from harness.engines.stopping import Stops
from harness.models.model import Subject, subject
from harness.text.answers import canonical, extract


@dataclass(frozen=True)
class Scene:
    """The organism with one trace of its own, and the tokens before each of its boundaries."""

    subject: Subject
    stops: Stops
    prompt: tuple[int, ...]
    written: tuple[int, ...]
    cuts: tuple[int, ...]

    def requests(self, cut: int, draws: int, chunk: int = 25, **changes: object) -> list[Request]:
        """Rollouts that keep so many tokens, in chunks."""
        fields = {"extra": (), "until": "end", "max_length": len(self.prompt) + 384}
        fields |= {"temperature": 1.0, "top_p": 1.0} | changes
        base = self.prompt + self.written
        chunks = [tuple(range(i, min(i + chunk, draws))) for i in range(0, draws, chunk)]
        return [
            Request(**({"key": ("organism", "a", str(cut), str(ids[0])), "base": base, "cut": cut,
                        "draws": ids, "seed": derive(cut, ids[0])} | fields))
            for ids in chunks
        ]  # fmt: skip


@cache
def scene() -> Scene:
    with hydra_session(None) as loader:
        job = settings(composed(["problems.limit=1", "problems.reference=5"], loader))
    who, segmenter = subject(job.run.model), job.run.segmentation.segmenter
    stops = Stops(who.tokenizer, who.eos, segmenter)
    prompt = who.prompt_ids(job.run.problems.load()[0], job.run.problems.instruction)
    first = Request(("t",), prompt, len(prompt), (), (0,), 7, "end", len(prompt) + 384, 1.0, 1.0)
    (done,) = hf(who, stops).sample([first])
    (written,) = done.token_ids
    starts = np.array(who.starts(written))
    ends = [stop for _, stop in segmenter(who.decode(written))]
    cuts = tuple(len(prompt) + int((starts < end).sum()) for end in ends)
    return Scene(who, stops, prompt, written, (len(prompt), *cuts))


def hf(who: Subject, stops: Stops) -> Running:
    """Our own engine."""
    from harness.engines.hf import HF

    return HF(512, 4096).start(who, stops, "")


def answers(engine: Engine, requests: list[Request]) -> Counter[str]:
    """How often each answer is given."""
    who = scene().subject
    texts = [who.decode(ids) for done in engine.sample(requests) for ids in done.token_ids]
    return Counter(canonical(extract(text, "")) for text in texts)


def alike(a: Counter[str], b: Counter[str]) -> float:
    """The p-value of a chi-square test of homogeneity, answers given less than ten times pooled."""
    common = [key for key in a | b if a[key] + b[key] >= 10]
    table = [[one[key] for key in common] for one in (a, b)]
    rest = [one.total() - sum(row) for one, row in zip((a, b), table, strict=True)]
    if any(rest):
        table = [[*row, more] for row, more in zip(table, rest, strict=True)]
    return float(chi2_contingency(np.array(table)).pvalue)
