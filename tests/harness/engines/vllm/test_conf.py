"""What can be known of engine=vllm and engine=auto without vLLM and without a GPU."""

from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.core import Route, UserError
from harness.engines import auto, vllm
from harness.engines.auto import Auto
from harness.engines.hf import HF
from harness.engines.vllm import VLLM
from harness.engines.vllm.fit import GIB, GPU, check_fits, gpus, token_bytes, tokens, weight_bytes
from harness.models.conditions import Forbidden, Recycled, Steered
from harness.models.model import Subject

CONF = VLLM(
    versions=("0.32", "0.33"), slots=4, max_length=None, memory=0.5, cpu_memory=1,
    tensor_parallel=1, data_parallel=1, quantization=None, kv_cache_dtype=None,
    batch_invariant=False, cascade=False, max_num_batched_tokens=None, async_scheduling=None,
    speculative=None, extra={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (None, r"^engine=vllm: vLLM is not installed; pip install 'anchor-harness\[vllm\]'"),
        ("0.40.1", r"vLLM 0\.40\.1 was not tested, only 0\.32, 0\.33; .*versions=\[\"0\.40\.1\"\]"),
        ("0.330.0", r"vLLM 0\.330\.0 was not tested"),
    ],
)
def test_a_vllm_that_is_missing_or_unknown_is_one_line(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, there: str | None, words: str
) -> None:
    monkeypatch.setattr(vllm, "installed", lambda: there)
    with pytest.raises(UserError, match=words) as caught:
        CONF.check(subject)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("there", ["0.32", "0.32.0", "0.33.1.post1"])
def test_a_known_version_passes(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    monkeypatch.setattr(vllm, "installed", lambda: there)
    CONF.check(subject)
    other = replace(CONF, versions=("9",))
    with pytest.raises(UserError, match="was not tested"):
        other.check(subject)


def test_what_vllm_can_sample_under(subject: Subject) -> None:
    CONF.able(subject, "", [Forbidden, Forbidden((5,))])
    for under in (Steered, Recycled(0, (5,)), Route("rl", "kl", 0.1)):
        with pytest.raises(UserError, match=r"^engine=vllm: it cannot sample under \w+ing; choose"):
            CONF.able(subject, "", [Forbidden, under])
    with pytest.raises(UserError, match=r"it forbids 1024 words at most, got 1025"):
        CONF.able(subject, "", [Forbidden(tuple(range(1025)))])
    with pytest.raises(UserError, match=r"^model\.checkpoints\.none: missing"):
        CONF.able(subject, "none", [])


def test_a_replica_needs_seeds_and_other_batches(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"^engine=vllm: takes no seeds on a CPU"):
        CONF.check_replica(subject)
    monkeypatch.setattr("harness.engines.vllm.fit.gpus", lambda: [GPU("0", 80 * GIB)])
    CONF.check_replica(subject)
    with pytest.raises(UserError, match=r"^engine\.batch_invariant: true, so that the same seeds"):
        replace(CONF, batch_invariant=True).check_replica(subject)
    with pytest.raises(UserError, match=r"^engine=auto does not say which engine drew the run"):
        Auto(4, 100, CONF).check_replica(subject)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slots": 0}, r"^engine\.slots: must be at least 1, got 0"),
        ({"data_parallel": 0}, r"^engine\.data_parallel: must be at least 1"),
        ({"memory": 1.5}, r"^engine\.memory: must be a share"),
        ({"max_length": 1}, r"^engine\.max_length: must be at least 2"),
    ],
)
def test_a_wrong_option_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        replace(CONF, **change)


def test_auto_takes_vllm_where_both_are_there(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf, on_gpu = Auto(8, 400, CONF), copy(subject)
    on_gpu.device = "cuda"
    for there in (None, "0.33.0"):
        monkeypatch.setattr(auto, "installed", lambda there=there: there)
        assert conf.chosen(subject) == HF(8, 400)
        assert conf.chosen(on_gpu) == (CONF if there else HF(8, 400))
        conf.able(subject, "", [Steered])
        if there:
            with pytest.raises(UserError, match=r"^engine=vllm: it cannot sample under steering"):
                conf.able(on_gpu, "", [Steered])


def test_sizes_by_hand(subject: Subject) -> None:
    # Four layers of two groups of eight numbers, keys and values, two bytes each.
    assert token_bytes(subject.config) == 4 * 2 * 8 * 2 * 2
    assert weight_bytes(subject) == 4 * sum(p.numel() for p in subject.model.parameters())
    # Qwen2.5-7B: 28 layers of four groups of 128.
    shape = {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
    text = SimpleNamespace(**shape, hidden_size=3584)
    assert token_bytes(SimpleNamespace(get_text_config=lambda: text)) == 57344
    # 24 GiB at 0.9, less weights of 15 and 1.5 to work with: 5.1 GiB.
    assert tokens(24 * GIB * 0.9, 15 * GIB, 1, 57344) == int(5.1 * GIB // 57344)
    assert tokens(8.0 * GIB, 15 * GIB, 2, 57344) < 0


def test_a_model_that_does_not_fit_says_what_would(subject: Subject) -> None:
    gib = int(GIB)
    check_fits(CONF, subject, [GPU("0", 8 * gib)])
    words = r"takes 0\.0 GiB, which leaves 1 GPU of 3\.0 GiB room for 0 tokens of 512; try engine\."
    with pytest.raises(UserError, match=words):
        check_fits(CONF, subject, [GPU("0", 3 * gib)])
    check_fits(replace(CONF, memory=0.9), subject, [GPU("0", 3 * gib)])
    check_fits(replace(CONF, quantization="fp8"), subject, [GPU("0", 3 * gib)])
    with pytest.raises(UserError, match=r"room for \d+ tokens of 99999999;"):
        check_fits(replace(CONF, max_length=99_999_999), subject, [GPU("0", 8 * gib)])
    few = [GPU(str(i), 8 * gib) for i in range(3)]
    with pytest.raises(UserError, match=r"=2 times data_parallel=2 are 4 GPUs, and torch sees 3"):
        check_fits(replace(CONF, tensor_parallel=2, data_parallel=2), subject, few)


def test_here_are_as_many_gpus_as_torch_sees() -> None:
    import torch

    assert len(gpus()) == torch.cuda.device_count()


def test_what_is_left_to_vllm_is_not_said(subject: Subject) -> None:
    """Names of EngineArgs in vLLM 0.32 and 0.33."""
    plain = CONF._arguments(subject)
    assert plain["max_num_seqs"] == 4
    assert plain["disable_cascade_attn"] is True
    named = {"kv_cache_dtype", "max_num_batched_tokens", "async_scheduling", "speculative_config"}
    assert not named & set(plain)
    guess = {"model": "small", "num_speculative_tokens": 4}
    said = replace(
        CONF, slots=None, kv_cache_dtype="fp8", cascade=True, max_num_batched_tokens=9,
        async_scheduling=False, speculative=guess,
    )._arguments(subject)  # fmt: skip
    assert "max_num_seqs" not in said
    assert said["disable_cascade_attn"] is False
    found = [said[key] for key in sorted(named)]
    assert found == [False, "fp8", 9, guess]


def test_options_that_make_no_sense(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"engine\.max_num_batched_tokens: must be at least 1"):
        replace(CONF, max_num_batched_tokens=0)
    monkeypatch.setattr(vllm, "installed", lambda: "0.32")
    with pytest.raises(UserError, match=r"engine\.batch_invariant: needs a GPU"):
        replace(CONF, batch_invariant=True).check(subject)
