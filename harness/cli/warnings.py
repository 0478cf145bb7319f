"""What may be meant and often is not: said in one line each before a run."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import polars as pl

from harness.cli.settings import Settings
from harness.core import Draw, Evidence, Problem, UserError
from harness.evidence.example import REFERENCES, wanted
from harness.store import schema
from harness.store.reading import scan_frames


def warnings(job: Settings, problems: Sequence[Problem]) -> None:
    """Say on stderr what is odd; raises UserError for rollouts that would all be one."""
    draws = _draws(job)
    again = [draw for draw in draws if draw.n > 1 and draw.temperature in (None, 0)]
    if job.run.sampling.temperature == 0 and again:
        raise UserError(
            f"sampling.temperature: 0 writes one rollout {again[0].n} times over (arm "
            f"{again[0].arm}); choose a temperature above 0, or methods that draw nothing"
        )
    for line in [*repeated(problems), *fewer(job, draws)]:
        print(line, file=sys.stderr)


def _draws(job: Settings) -> list[Draw]:
    have = Evidence(job.run.sampling.draws, job.run.model.force, REFERENCES)
    every = [want for d in job.run.detectors.values() for want in wanted(d, have)]
    return [want for want in every if isinstance(want, Draw)]


def repeated(problems: Sequence[Problem]) -> Iterator[str]:
    """Questions that several problems ask: intervals take problems for independent."""
    asked = Counter(" ".join(p.question.split()) for p in problems if p.role == "evaluate")
    if twice := [question for question, n in asked.items() if n > 1]:
        more = sum(asked[question] - 1 for question in twice)
        yield (
            f"problems: {more} of {asked.total()} ask what another one asks ({twice[0]:.40}…); "
            "intervals count them as independent"
        )


def fewer(job: Settings, draws: Sequence[Draw]) -> Iterator[str]:
    """Arms of which more is recorded than is asked for now."""
    files = sorted(job.folder.glob("rollouts/*/*.parquet"))
    if job.overwrite or not files:
        return
    needs = {"arm": schema.ROLLOUTS["arm"], "draw": schema.ROLLOUTS["draw"]}
    counted = scan_frames(files, needs).group_by("arm").agg(pl.col("draw").max() + 1).collect()
    recorded = dict(counted.iter_rows())
    asked: dict[str, int] = {}
    for draw in draws:
        asked[draw.arm] = max(draw.n, asked.get(draw.arm, 0))
    for arm, n in asked.items():
        if recorded.get(arm, 0) > n:
            yield (
                f"sampling.draws: {n} rollouts of arm {arm} are asked for and {recorded[arm]} are "
                "recorded; all of them are used"
            )
