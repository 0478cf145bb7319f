"""What every detector of conf/method must hold to; the yaml files are the list."""

import ast
import copy
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, FrozenInstanceError, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml
from hydra import compose, initialize_config_module

import harness
from harness import SentenceScores, Trace, UserError
from harness.core import Adaptive, Detector, Draw, Evidence, Fittable, HasFacts, Want
from harness.core.config import plain, target
from harness.evidence.example import foreseen
from harness.evidence.gather import SMALL
from harness.run.scoring import checked, score
from harness.store import schema
from tests.contract.factory import (
    ORDINARY,
    TRACES,
    contents,
    empty,
    gathered,
    learnt,
    provided,
    trace,
    wanted,
)

pytestmark = pytest.mark.slow

ROOT = Path(harness.__file__).parent.parent
YAMLS = {path.stem: path for path in sorted((ROOT / "conf" / "method").glob("*.yaml"))}
HELPERS = {"harness.statistics.pooling", "harness.statistics.distances"}  # these on nouns alone
HELPERS |= {"harness.text.answers", "harness.text.normalise"}  # what an answer is
NOUNS = {"harness", "harness.core", *HELPERS}


@cache
def nodes() -> Mapping[str, Any]:
    with initialize_config_module("conf", version_base="1.3"):
        return plain(compose("config", [f"method=[{','.join(YAMLS)}]"]))["method"]


@cache
def detector(name: str) -> Detector:
    return target(nodes()[name], f"method.{name}")


@cache
def ready(name: str) -> Detector:
    """The detector as it scores: fitted, where it learns."""
    return learnt(detector(name))


@cache
def evidence(name: str, kind: str) -> Evidence:
    return gathered(TRACES[kind], detector(name))


def cases(name: str) -> Iterator[tuple[Trace, Evidence]]:
    return ((given, evidence(name, kind)) for kind, given in TRACES.items())


@cache
def scored(name: str, kind: str = "ordinary") -> SentenceScores:
    return ready(name).score(TRACES[kind], evidence(name, kind))


def same(a: SentenceScores, b: SentenceScores) -> bool:
    names = list(a.diagnostics)
    assert names == list(b.diagnostics)
    pairs = [(a.score, b.score), *((a.diagnostics[n], b.diagnostics[n]) for n in names)]
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


@pytest.fixture(params=list(YAMLS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_there_are_detectors():
    assert len(YAMLS) > 1


def test_a_yaml_holds_one_key_its_own_name(name: str):
    assert list(yaml.safe_load(YAMLS[name].read_text())) == [name]


def test_it_builds_and_is_a_detector(name: str):
    assert isinstance(detector(name), Detector)


def test_an_unknown_key_is_named(name: str):
    with pytest.raises(UserError, match=rf"method\.{name}\.treshold: no such key"):
        target({**nodes()[name], "treshold": 1}, f"method.{name}")


def test_a_missing_key_is_named(name: str):
    for field in fields(detector(name)):
        rest = {key: value for key, value in nodes()[name].items() if key != field.name}
        with pytest.raises(UserError, match=rf"method\.{name}\.{field.name}: missing"):
            target(rest, f"method.{name}")


def test_a_value_of_no_possible_type_is_named(name: str):
    for field in fields(detector(name)):
        wrong = {**nodes()[name], field.name: {"no": ["such", "value"]}}
        with pytest.raises(UserError, match=rf"method\.{name}\.{field.name}"):
            target(wrong, f"method.{name}")


def test_its_options_live_in_the_yaml_alone(name: str):
    for field in fields(detector(name)):
        assert field.default is MISSING, field.name
        assert field.default_factory is MISSING, field.name


def test_it_is_frozen(name: str):
    with pytest.raises(FrozenInstanceError):
        detector(name).anything = 1


def test_two_of_the_same_options_are_equal(name: str):
    assert target(nodes()[name], "") == detector(name)


def test_its_code_is_one_file_under_methods(name: str):
    file = Path(inspect.getfile(type(detector(name))))
    assert file.parent == ROOT / "methods"
    assert type(detector(name)).__module__ == f"methods.{file.stem}"


def imported(file: Path) -> list[tuple[str, str]]:
    """(module, name) of every import in a file; the name is empty for a plain import."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or ".", alias.name) for alias in node.names]
    return found


def test_it_rests_on_public_names_of_the_harness_alone(name: str):
    """The nouns, or helpers that themselves rest on nothing else; never a model or another."""
    for module, what in imported(Path(inspect.getfile(type(detector(name))))):
        top = module.split(".")[0]
        assert top not in ("methods", "conf", "torch", "transformers", "."), module
        if top != "harness":
            continue
        assert what, f"from {module} import the names"
        assert not what.startswith("_"), what
        if module == "harness":
            assert what in harness.__all__, what
            continue
        helper = Path(str(importlib.import_module(module).__file__))
        used = {m for m, _ in imported(helper) if m.split(".")[0] in ("harness", "torch", ".")}
        beyond = {m for m in used - NOUNS if not m.startswith("harness.statistics.")}
        assert not beyond, f"{module} rests on {beyond}"


def test_it_says_where_it_comes_from(name: str):
    own = detector(name)
    text = inspect.getdoc(type(own)) or ""
    assert not text.startswith(f"{type(own).__name__}("), "has no docstring"
    assert "arXiv" in text or "Source:" in text
    assert isinstance(own.family, str)
    assert own.family == own.family.strip().lower() != ""


def test_a_signed_detector_gives_both_signs(name: str):
    """Signed says that a negative score is the opposite of an anchor; then there must be some."""
    own = ready(name)
    assert isinstance(own.signed, bool)
    if own.signed:
        traces = [trace(f"sign {i}", (4,) * 12) for i in range(3)]
        read = [gathered(t, detector(name)) for t in traces]
        scores = np.concatenate([own.score(*p).score for p in zip(traces, read, strict=True)])
        assert np.nanmin(scores) < 0 < np.nanmax(scores)


def test_wants_is_a_sequence_of_wants_within_the_trace(name: str):
    for given, have in cases(name):
        for want in wanted(given, have, detector(name)):
            assert isinstance(want, Want)
            assert hash(want) == hash(copy.deepcopy(want))
            if isinstance(want, Draw):
                assert 0 <= want.boundary <= len(given.sentences)
                assert want.n >= 1


def test_wants_is_settled_by_what_it_asked_for(name: str):
    """Asked again it names the same, and still all that was asked for in the first round."""
    for given, have in cases(name):
        settled = wanted(given, have, detector(name))
        assert wanted(given, have, detector(name)) == settled
        assert set(wanted(given, empty(), detector(name))) <= set(settled)


def test_nothing_it_is_given_changes(name: str):
    for given, have in cases(name):
        own = learnt(target(nodes()[name], ""))
        before = copy.deepcopy((given, own)), contents(have)
        wanted(given, have, own)
        own.score(given, have)
        assert ((given, own), contents(have)) == before


def test_one_finite_or_undefined_number_a_sentence(name: str):
    for kind, given in TRACES.items():
        found = checked(scored(name, kind), given)
        n = len(given.sentences)
        for values in (found.score, *found.diagnostics.values()):
            assert values.shape == (n,)
            assert values.dtype == np.float64
        assert found.matrix is None or found.matrix.shape == (n, n)


def test_an_ordinary_trace_has_scores_that_tell_sentences_apart(name: str):
    finite = scored(name).score
    assert len(np.unique(finite[np.isfinite(finite)])) > 1


def test_diagnostics_have_columns_of_their_own(name: str):
    assert not set(scored(name).diagnostics) & set(schema.SCORES)


def test_the_same_evidence_gives_the_same_scores(name: str):
    """Whatever other traces were scored before, and in whatever order."""
    fresh = learnt(target(nodes()[name], ""))
    for kind in reversed(TRACES):
        assert same(scored(name, kind), fresh.score(TRACES[kind], evidence(name, kind)))


def test_what_other_detectors_gathered_does_not_matter(name: str):
    """A job gathers for all its detectors at once; a score must not tell who else was in it."""
    read = provided(ORDINARY, empty(), SMALL)
    every = gathered(ORDINARY, *(detector(other) for other in YAMLS), start=read)
    assert same(ready(name).score(ORDINARY, every), scored(name))


def test_halves_of_the_draws_are_scored_alike(name: str):
    for given, have in cases(name):
        frame = score(ready(name), given, have, splits=1).frame
        assert frame.height == len(given.sentences)
        pairs = {len(p) for column in ("half_a", "half_b") for p in frame[column]}
        drawn = draws(given, have, detector(name))
        assert pairs == {1 if drawn and not getattr(detector(name), "biased", False) else 0}


def draws(given: Trace, have: Evidence, own: Detector) -> bool:
    return any(isinstance(want, Draw) for want in wanted(given, have, own))


def test_without_draws_the_scores_that_rest_on_them_are_undefined(name: str):
    have = evidence(name, "ordinary")
    for left in (0, 1, 2):
        keep = {key: rollouts.draw < left for key, rollouts in have.rollouts.items()}
        if keep:
            found = checked(ready(name).score(ORDINARY, have.subset(keep)), ORDINARY)
            assert left or np.isnan(found.score).all()


def test_no_reference_problems_is_no_error(name: str):
    for given in TRACES.values():
        have = gathered(given, detector(name), start=empty(references=()))
        checked(ready(name).score(given, have), given)


def test_what_is_not_fitted_yet_or_on_nothing_is_no_error_and_says_why(name: str):
    own, have = detector(name), evidence(name, "ordinary")
    if isinstance(own, Fittable):
        for unfit in (own, own.fit([], [])):
            found = checked(unfit.score(ORDINARY, have), ORDINARY)
            assert np.isfinite(found.score).any() or found.reason


def test_what_it_learnt_can_be_kept_as_json(name: str):
    if isinstance(ready(name), HasFacts):
        assert orjson.dumps(ready(name).facts)


def test_what_a_plan_cannot_foresee_is_said(name: str):
    """All draws are known before the first of them, or the detector says that they are not."""
    own, have = detector(name), empty()
    first = foreseen(lambda there: wanted(ORDINARY, there, own), ORDINARY, have)
    later = wanted(ORDINARY, evidence(name, "ordinary"), own)
    places = [
        {(w.arm, w.boundary, bool(w.after)) for w in wants if isinstance(w, Draw)}
        for wants in (first, later)
    ]
    assert bool(places[1] - places[0]) == (isinstance(own, Adaptive) and own.adaptive)
