"""A detector that fails takes no other with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness.cli.stub import Shape, try_out
from harness.core import Draw, Evidence, Read, SentenceScores, Trace, UserError
from harness.evidence.gather import Gatherer
from harness.evidence.requests import Recorder
from harness.run.detecting.faults import Faults
from harness.run.rounds import Job
from harness.store.reading import read_json
from harness.store.scores import score_file_of
from tests.harness.run.test_job import engine, written

SHAPE = Shape(4, 2, 16)


@dataclass(frozen=True)
class Sound:
    """Counts the right answers behind each sentence."""

    family: str = "test"
    signed: bool = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | Read]:
        return [Read(entropy=True), *(Draw(b, 2) for b in range(len(trace.sentences) + 1))]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        right = [evidence.rollouts["resample", i].correct for i in range(len(trace.sentences))]
        return SentenceScores(np.array([float(r.sum()) for r in right]))


class Typo(Sound):
    """Its score names what is not there."""

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        return SentenceScores(evidence.raedings)


class Late(Sound):
    """Fails at one trace only, which no sample shows."""

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        if trace.problem.id == "q1":
            raise ZeroDivisionError("division by zero")
        return super().score(trace, evidence)


class Unwanting(Sound):
    """Cannot say what it wants of one trace."""

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | Read]:
        if trace.problem.id == "q1":
            raise UserError("cannot do q1")
        return super().wants(trace, have)


class Unlearnt(Sound):
    """Cannot be fitted."""

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Unlearnt":
        raise RuntimeError("singular")


def job(recorder: Recorder, detectors: dict[str, object]) -> Job:
    made = written(recorder)
    score_files = {name: score_file_of(recorder.run, name, "x") for name in detectors}
    return Job(Gatherer(recorder, ()), engine(recorder), made, detectors, score_files, 2)


def test_the_others_of_a_job_are_scored_and_the_failed_say_why(recorder: Recorder) -> None:
    """In scoring, in asking and in fitting; one line, and whose mistake it is."""
    job(
        recorder,
        {"late": Late(), "sound": Sound(), "unwanting": Unwanting(), "unlearnt": Unlearnt()},
    ).run()
    status = {
        name: read_json(recorder.run / "status" / f"{name}.json")
        for name in ("sound", "late", "unwanting", "unlearnt")
    }
    assert (status["sound"]["state"], status["sound"]["traces"]) == ("done", 3)
    assert [status[n]["state"] for n in ("late", "unwanting", "unlearnt")] == ["failed"] * 3
    assert [status[n]["by_user"] for n in ("late", "unwanting", "unlearnt")] == [False, True, False]
    error = str(status["late"]["error"])
    assert error.startswith("ZeroDivisionError: division by zero (test_faults.py line ")
    assert status["unwanting"]["error"] == "cannot do q1"
    assert "RuntimeError: singular" in str(status["unlearnt"]["error"])


def test_a_job_whose_only_detector_fails_ends(recorder: Recorder) -> None:
    job(recorder, {"late": Late()}).run()
    assert read_json(recorder.run / "status" / "late.json")["state"] == "failed"


def test_what_fails_without_any_detectors_fault_is_raised(tmp_path: Path) -> None:
    """A full disk, or two who cannot be asked together, is nobody's own."""

    def together(some: object) -> int:
        if len(list(some)) > 1:
            raise OSError("no space")
        return 1

    with pytest.raises(OSError, match="no space"):
        Faults(tmp_path).spared({"a": Sound(), "b": Sound()}, together)


def test_a_typo_is_told_before_anything_is_sampled() -> None:
    with pytest.raises(UserError, match=r"^method\.mine: fails on a sample trace with Attribute"):
        try_out("mine", Typo(), "", SHAPE)
    with pytest.raises(UserError, match=r"^method\.mine: ") as caught:
        try_out("mine", replace_wants(), "", SHAPE)
    assert "\n" not in str(caught.value)
    try_out("mine", Sound(), "", SHAPE)


def replace_wants() -> Sound:
    @dataclass(frozen=True)
    class Other(Sound):
        def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | Read]:
            raise UserError("threshold: too low")

    return replace(Other())
