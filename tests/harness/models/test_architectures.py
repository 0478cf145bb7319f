"""Which models are computed right is found out on tiny random ones, and is found out right."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from harness.core import Attend, Suppress, UserError
from harness.engines.hf.preflight import PATHS, faults, tried
from harness.models.architectures.examples import EXAMPLES, config_of
from harness.models.architectures.known import place
from harness.models.architectures.paths import Row, fault, text
from harness.models.architectures.reference import whole
from harness.models.architectures.rotary import steady
from harness.models.architectures.shrunk import shrunk, small
from harness.models.edits import untouched
from harness.models.forward import logits, passes
from harness.models.masking import suppress
from harness.models.model import Weights

ALL = set(PATHS)
ALONE = {"readings", "attention", "likelihood", "cohorts"}  # no key can be hidden or shared
RIGHT = {
    "llama": ALL,
    "gemma2": ALL,
    "gpt_oss": ALL,
    "phi3 with longrope": ALL,
    "gpt2": ALL,
    "deepseek_v3": ALONE,
    "lfm2": ALONE,
    "falcon": {"readings", "cohorts"},
    "bloom": {"readings", "cohorts"},
    "stablelm": {"readings", "cohorts"},
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_of_an_architecture(name: str) -> None:
    found = tried(config_of(name), PATHS)
    assert {path for path in PATHS if found[path] is None} == RIGHT[name], found
    assert all(why is None or "\n" not in why for why in found.values())


def test_the_command_knows_many_architectures() -> None:
    assert len({kind for kind, _ in EXAMPLES.values()}) >= 25


def test_a_small_model_has_every_kind_of_layer() -> None:
    config = config_of("qwen3_next")
    made = small(config)
    assert set(made.layer_types) == set(config.layer_types)
    assert made.num_hidden_layers == len(made.layer_types) == 4


def test_an_uncapped_pass_of_a_capped_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fused attention knows no soft cap: what was silently wrong is seen."""
    monkeypatch.setattr("harness.models.forward.use_exact", _fused)
    found = tried(config_of("gemma2"), ["readings"])
    assert "from a plain pass" in (found["readings"] or "")


def _fused(model: torch.nn.Module) -> None:
    model.set_attn_implementation("sdpa")  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("name", ["gemma2", "gpt_oss"])
def test_distributions_do_not_depend_on_what_else_is_read(name: str) -> None:
    model, trace = shrunk(config_of(name)), text()
    alone, beside = (
        next(iter(passes(Weights(model, 1 << 20), trace, [untouched(trace)], (), attends)))[1].final
        for attends in ([], [Attend(Row(0))])
    )
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-5)
    full = whole(model, (*trace.prompt_ids, *trace.token_ids)).logits[len(trace.prompt_ids) - 1 :]
    with torch.inference_mode():
        torch.testing.assert_close(logits(model, alone), full[:-1], atol=1e-3, rtol=1e-3)


def test_heads_of_a_hybrid_are_numbered_by_the_models_layers() -> None:
    model, trace = shrunk(config_of("lfm2")), text()
    (_, made), *_ = passes(Weights(model, 1 << 20), trace, [untouched(trace)], (), [Attend(Row(0))])
    (found,) = made.attention.values()
    attends = [kind == "full_attention" for kind in model.config.layer_types]
    assert not all(attends)
    assert np.isfinite(found).all((1, 2)).tolist() == attends
    assert np.isnan(found).all((1, 2)).tolist() == [not each for each in attends]


def test_hybrids_refuse_suppression_in_one_line() -> None:
    model = shrunk(config_of("lfm2"))
    with pytest.raises(UserError, match="it has conv layers; no sentence can be masked"):
        suppress(Weights(model, 1 << 20), text(), Suppress(own_rows=False, temperature=1.0))


def test_a_table_that_moves_ends_the_context() -> None:
    assert steady(config_of("phi3 with longrope")) == 4096
    assert steady(config_of("llama with dynamic NTK")) == 2048
    assert steady(config_of("llama")) is None
    nested = AutoConfig.for_model("gemma3_text")
    assert steady(nested) is None


def test_what_was_found_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = config_of("bloom")
    assert faults(config, ["readings"]) == {}
    file = place(config)
    assert json.loads(file.read_bytes()) == {"readings": None}
    file.write_text('{"readings": "remembered"}')
    assert faults(config, ["readings"]) == {"readings": "remembered"}
    for damage in ("", "[1]", '{"readings": 3}'):
        file.write_text(damage)
        assert faults(config, ["readings"]) == {}
    other = AutoConfig.for_model("bloom", n_head=4)
    assert place(other) != file


def test_any_failure_is_a_reason() -> None:
    def fails() -> float:
        raise KeyError("one\n two")

    assert fault(fails) == r"it fails with KeyError: 'one\n two'"
    assert fault(lambda: 0.0) is None
    assert "from a plain pass" in str(fault(lambda: float("inf")))
