"""What the new detectors take, as they are charged for it, and what the readers give them."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness.core import Wants
from harness.core.config import target
from harness.evidence.gather import Gatherer, wants
from harness.evidence.recorder import Recorder
from tests.harness.models.test_attention import SPANS, trace_of

CONF = Path(__file__).parents[4] / "conf" / "method"
N = len(SPANS)


@pytest.mark.parametrize(
    ("name", "passes"),
    [  # the pass that every trace gets is counted for all
        ("step_entropy", 1),
        ("fai", 2),
        ("deep_thinking", 2),
        ("oar_g", 3),
        ("oar_g_kl", 4),
        ("attricot", 1 + N),
        ("dependency_deletion", 1 + N),
        ("span_mask", 2 + N),
    ],
)
def test_passes_are_counted_as_promised(recorder: Recorder, name: str, passes: int):
    made = target(OmegaConf.load(CONF / f"{name}.yaml")[name], name)
    assert isinstance(made, Wants)
    trace, gatherer = trace_of(SPANS, 43), Gatherer(recorder, ())
    have, drawn = gatherer.complete(trace, {name: made})
    assert not drawn
    assert gatherer.charged(trace, wants(made, trace, have))[0] == passes
    assert np.isfinite(made.score(trace, have).score[:2]).all()


def test_fai_and_waad_share_a_pass(recorder: Recorder):
    """Each is charged what it takes alone, and the model attends once for both."""
    names, trace = ("fai", "waad"), trace_of(SPANS, 43)
    made = {n: target(OmegaConf.load(CONF / f"{n}.yaml")[n], n) for n in names}
    calls = list[int]()
    model = recorder.subject.model
    hook = model.get_decoder().register_forward_hook(lambda *_: calls.append(1))
    gatherer = Gatherer(recorder, ())
    have, _ = gatherer.complete(trace, made)
    hook.remove()
    assert len(calls) == 2  # the pass that every trace gets, and the one of both
    for one in made.values():
        assert isinstance(one, Wants)
        assert gatherer.charged(trace, wants(one, trace, have))[0] == 2


def test_nobody_at_the_endpoint_is_a_reason_not_a_stop(recorder: Recorder):
    node = {**OmegaConf.load(CONF / "judge.yaml")["judge"], "url": "http://127.0.0.1:9/v1"}
    made, trace = target(node, "judge"), trace_of(SPANS, 43)
    have, _ = Gatherer(recorder, ()).complete(trace, {"judge": made})
    assert made.score(trace, have).reason.startswith(
        "not tested: no endpoint at http://127.0.0.1:9"
    )
