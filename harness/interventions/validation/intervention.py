"""What an intervention is: three steps, as a detector has them, and steps that only some have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import polars as pl

from harness.agreement import Agreement
from harness.core import Detector, Evidence, Problem, Trace, UserError, Want
from harness.core.truth import Truth
from harness.engines.base import EngineConf, Interventions
from harness.models.model import Model, Subject, declare


def _anything(_checkpoint: str, _under: Interventions) -> None:
    """What cannot be known without a model."""


def _any_engine() -> None:
    """What cannot be known without an engine."""


@dataclass(frozen=True, eq=False)
class About:
    """What is known of a run before anything is gathered.

    `model` is None where a run was imported without one; `blocks` are its layers. `detectors` are
    those that the run has scores of and that are configured here, `signed` the methods whose
    negative scores mean the opposite of an anchor, `scored` all that have scores. `spelled` gives
    the tokens of a text, `decoded` the text of tokens, `vocabulary` the words, with a letter, that
    are one token each; none without a model. `able` raises UserError where the engine cannot draw
    from a checkpoint under something, `check_replica` where it did not draw the run's rollouts or
    would give the same ones again. `context` is the most tokens that the model reads. `truth`
    says what is known of a trace, as it is or behind another problem, where its problem set knows
    which sentences matter.
    """

    model: Model | None
    blocks: int
    traces: tuple[Trace, ...]
    folds: int
    detectors: Mapping[str, Detector]
    signed: frozenset[str]
    spelled: Callable[[str], tuple[int, ...]]
    vocabulary: Callable[[], tuple[str, ...]] = tuple
    able: Callable[[str, Interventions], None] = _anything
    scored: tuple[str, ...] = ()
    decoded: Callable[[Sequence[int]], str] | None = None
    context: int | None = None
    truth: Callable[[Trace, Problem | None], Truth | str] | None = None
    check_replica: Callable[[], None] = _any_engine

    def spells(self, text: str) -> bool:
        """Whether the model's tokens say a text and nothing else, not even an unknown token."""
        ids = self.spelled(text)
        said = text if self.decoded is None else self.decoded(ids)
        return bool(ids) and said.strip() == text.strip() and self.spelled(said) == ids

    def with_checkpoint(self, name: str) -> Model:
        """The model, if that is one of its checkpoints beside itself; else raises UserError."""
        if self.model is None or name not in self.model.checkpoints:
            raise UserError(f"needs model.checkpoints.{name}; {declare(name)}")
        if self.model.checkpoints[name] == self.model.path:
            raise UserError(f"model.checkpoints.{name} is the model itself; another one is needed")
        return self.model


@dataclass(frozen=True)
class Variant:
    """A trace made of another one: its body under another prompt, another body, another reader.

    `problem`: the one whose prompt stands before it, None = the trace's own. `sentences` stand in
    the place of the trace's, None = its own tokens. `checkpoint`: the one that reads and writes it
    as the model would, "" = the model.
    """

    name: str
    problem: Problem | None = None
    sentences: tuple[str, ...] | None = None
    checkpoint: str = ""


@runtime_checkable
class Intervention(Protocol):
    """A test of a claim: a frozen dataclass whose fields are the keys of its yaml.

    One that needs evidence also has `wants(trace, have) -> Sequence[Want]`, asked again with what
    was gathered until all it wants is there. See also Prepared, Learning and Varied: what a yaml
    names may be one that first is prepared or fitted, and gives an intervention then.
    """

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """What is found of one trace: columns of schema.VALIDATION, and further ones of its own.

        A pure function of the evidence; trace, problem and fold are added to it.
        """
        ...

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """The effects over the rows of all traces: columns of schema.VALIDATION_SUMMARY.

        The one that the test is made for stands first.
        """
        ...


@runtime_checkable
class Prepared(Protocol):
    """The part of an intervention that looks at the run before anything is gathered."""

    def prepared(self, about: About) -> object:
        """The intervention for this run, or what learns to be one.

        Raises UserError saying what the run lacks for it.
        """
        ...


@runtime_checkable
class OnEngine(Protocol):
    """The part of an intervention that not every engine allows."""

    def check(self, engine: EngineConf, subject: Subject) -> None:
        """Raise UserError where this one does not; before a run that it is to test is made."""
        ...


@runtime_checkable
class Varied(Protocol):
    """The part of an intervention that looks at traces made of a trace."""

    def variants(self, trace: Trace, have: Evidence) -> Sequence[Variant]:
        """Those of a trace, by what it wants of the trace itself; `rows` finds them in `derived`.

        The trace of a variant is gathered for like any other.
        """
        ...

    def wants_of(self, variant: str, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What is wanted of one of them, `trace` being that of the variant."""
        ...


@runtime_checkable
class Learning(Protocol):
    """The part of an intervention that learns on other problems."""

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> object:
        """The intervention for the other problems; `evidence` is what is wanted of each trace.

        What has `fit` itself is asked for its wants of the same traces and fitted again.
        """
        ...


@runtime_checkable
class Foreseen(Protocol):
    """The part of one that learns by which a plan can say what it will take."""

    def foreseen(self) -> object:
        """What it will be once it has learnt, all that it learns made up: asked for wants alone."""
        ...


@dataclass(frozen=True)
class OfVariant:
    """What an intervention wants of the traces of one variant, as a detector would say it."""

    intervention: Varied
    variant: str

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What is wanted of the variant's trace."""
        return self.intervention.wants_of(self.variant, trace, have)
