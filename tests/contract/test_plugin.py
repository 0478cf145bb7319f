"""The example of a detector in a package of its own: found by its entry point, right by hand."""

import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import harness
from harness import Attend
from harness.cli.catalogue import entries
from tests.contract.factory import ORDINARY, TRACES, empty, gathered

PACKAGE = Path(harness.__file__).parents[1] / "examples" / "at2"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package as if it were installed."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    (points,) = project["entry-points"].items()
    info = tmp_path / "anchor_at2-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: anchor-at2\nVersion: 0.1.0\n")
    lines = [f"[{points[0]}]", *(f"{name} = {value}" for name, value in points[1].items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(PACKAGE)
    return pytest.importorskip("anchor_at2.detector")


def made(plugin: ModuleType, weights: tuple[float, ...] | None = None):
    return plugin.AT2(masks=8, share=0.5, seed=0, weights=weights)


def test_it_is_listed_beside_the_others(plugin: ModuleType):
    found = {entry.name: entry for entry in entries(None)}["at2"]
    assert (found.family, found.cost_class) == ("interpretability", "n passes")
    assert "2504.13752" in found.source


def test_the_score_is_the_weighed_attention_of_the_last_sentence(plugin: ModuleType):
    heads = tuple(float(k == 4) for k in range(12))  # the second head of the second of four layers
    own = made(plugin, heads)
    have = gathered(ORDINARY, own)
    (want,) = own.wants(ORDINARY, have)
    assert isinstance(want, Attend)
    size = [s.stop - s.start for s in ORDINARY.sentences]
    expected = have.found(want)[1, 1, :-1] * size[:-1]
    np.testing.assert_allclose(own.score(ORDINARY, have).score[:-1], expected, rtol=1e-6)
    assert np.isnan(own.score(ORDINARY, have).score[-1])


def test_the_heads_that_foretell_are_found(plugin: ModuleType):
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(32, 6)) for _ in range(5)]
    pairs = [(x - x.mean(0), 3 * x[:, 2] - x[:, 5]) for x in features]
    pairs = [(x, (y - y.mean()) / np.linalg.norm(y - y.mean())) for x, y in pairs]
    np.testing.assert_allclose(plugin.weighed(pairs), [0, 0, 0.75, 0, 0, -0.25], atol=1e-3)


@pytest.mark.parametrize("kind", list(TRACES))
def test_it_is_fitted_on_any_trace_or_says_why_not(plugin: ModuleType, kind: str):
    trace, own = TRACES[kind], made(plugin)
    have = gathered(trace, own)
    copy = own.fit([trace], [have])
    found = copy.score(trace, have)
    assert found.score.shape == (len(trace.sentences),)
    assert np.isfinite(found.score).any() or found.reason
    if copy.weights:
        assert sum(map(abs, copy.weights)) == pytest.approx(1)
    assert own.score(trace, empty()).reason
