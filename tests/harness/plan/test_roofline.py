"""The roofline of a plan, against what was worked out by hand and what was published."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

import conf
from harness import UserError
from harness.cli.assumptions import Assumptions, Card, Tflops
from harness.core.config import build
from harness.engines.auto import Auto
from harness.engines.hf import HF
from harness.engines.vllm import VLLM
from harness.models.memory import Memory, memory
from harness.models.model import Model
from harness.plan.hours import fits, known
from harness.plan.load import Load
from harness.plan.roofline import (
    End,
    Machine,
    Serving,
    at_once,
    ends,
    machine,
    prefill,
    reading,
    serving,
    written_per_second,
)
from harness.plan.unseen import Unseen

CONF = Path(conf.__file__).parent
NODE = yaml.safe_load((CONF / "plan" / "default.yaml").read_text())
PLAN = build(Assumptions, NODE, "plan")
CEILING = End(1.0, 1.0, 0.0, 0.0, shared=False)
STEP = (0.0, 0.0)
# parameters as their model cards count them, and KiB of keys and values a token in bfloat16
PUBLISHED = {
    "Qwen/Qwen2.5-0.5B-Instruct": (494_032_768, 12),
    "Qwen/Qwen3-4B-Thinking-2507": (4_022_468_096, 144),
    "Open-Reasoner-Zero/Open-Reasoner-Zero-7B": (7_615_616_512, 56),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": (1_777_088_000, 28),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": (7_615_616_512, 56),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": (14_770_033_664, 192),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": (8_030_261_248, 128),
}


def unseen(path: str, config: Mapping[str, object], dtype: str = "bfloat16") -> Unseen:
    tags = ("", "", "", False, {}, ())
    return Unseen(Model("m", path, None, dtype, "auto", None, *tags), config)  # type: ignore[arg-type]


def load(requests: int, each: int, prefix: int, written: int) -> Load:
    """Requests of `each` rollouts behind prefixes, all of them their own."""
    n = requests * each
    total = float(n * written)
    behind, attended = total * prefix, total * (prefix + written / 2)
    return Load(requests, n, requests * prefix, prefix, total, behind, attended)


def on(name: str, model: str, slots: int = 256, dtype: str = "bfloat16") -> Machine:
    held = memory(unseen(model, PLAN.configs[model], dtype))
    return machine(held, dtype, PLAN.chosen[name], Serving(slots, 0.9, 1, 1, STEP))


def test_the_configs_are_those_of_named_models():
    named = {yaml.safe_load(f.read_text())["model"]["path"] for f in CONF.glob("model/*.yaml")}
    assert PUBLISHED.keys() == PLAN.configs.keys() <= named


@pytest.mark.parametrize("path", PUBLISHED)
def test_parameters_and_cache_are_as_published(path: str) -> None:
    parameters, kib = PUBLISHED[path]
    held = memory(unseen(path, PLAN.configs[path]))
    assert held.weights == 2 * parameters
    assert held.cache == kib * 1024


def test_operations_of_a_token_leave_out_an_embedding_that_is_looked_up():
    tied = "Qwen/Qwen2.5-0.5B-Instruct"
    assert memory(unseen(tied, PLAN.configs[tied])).flops == 2 * 494_032_768
    untied = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
    held = memory(unseen(untied, PLAN.configs[untied]))
    assert held.flops == 2 * (1_777_088_000 - 151_936 * 1_536)
    assert held.attending == 4 * 28 * 12 * 128  # scores and values: layers, heads, width


def test_of_experts_a_token_meets_a_few():
    config = {
        "model_type": "qwen3_moe", "hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 100,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "num_experts": 8,
        "num_experts_per_tok": 2, "moe_intermediate_size": 16, "tie_word_embeddings": True,
    }  # fmt: skip
    held = memory(unseen("moe", config))
    experts = 2 * 8 * 3 * 32 * 16  # layers, experts, matrices
    assert held.flops == 2 * (held.weights // 2 - experts * 6 // 8)


# One H100 at a context of 3,000: 256 rollouts of 1.5B and 7B run at once. A step reads the weights
# and the cache at 3.35 TB/s: (3.554 + 256 * 3,000 * 28,672 / 1e9 = 22.02) GB in 7.634 ms,
# (15.23 + 44.04) GB in 17.69 ms. Of 14B (72 - 29.54) GB / .5898 GB = 71.99 fit: 72 GB in 21.49 ms.
@pytest.mark.parametrize(
    ("size", "rollouts", "speed"),
    [("1.5B", 256, 256 / 7.634e-3), ("7B", 256, 256 / 17.69e-3), ("14B", 71.99, 71.99 / 21.493e-3)],
)
def test_the_ceiling_of_an_h100_at_a_context_of_3000(
    size: str, rollouts: float, speed: float
) -> None:
    h100 = on("h100", f"deepseek-ai/DeepSeek-R1-Distill-Qwen-{size}")
    work = load(100, 25, 2500, 1000)
    assert work.context == 3000
    assert at_once(h100, work, shared=False) == pytest.approx(rollouts, rel=1e-3)
    assert written_per_second(h100, work, CEILING) == pytest.approx(speed, rel=1e-3)


def test_rollouts_that_share_a_prefix_fit_more_at_once():
    h100 = on("h100", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", slots=10_000)
    alone, shared = (at_once(h100, load(4, 10**6, 1500, 3000), shared=s) for s in (False, True))
    assert shared == pytest.approx(2 * alone, rel=1e-4)  # half of a context of 3,000 is shared


def test_what_was_published_of_qwen3_14b_lies_in_the_range():
    """5.8-10.6 thousand tokens a second, read and written together, on one H100."""
    config = dict(PLAN.configs["Qwen/Qwen3-4B-Thinking-2507"])
    config |= {"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40}
    config |= {"intermediate_size": 17408, "tie_word_embeddings": False}
    held = memory(unseen("qwen3-14b", config))
    assert held.weights == 2 * 14_768_307_200
    card = PLAN.chosen["h100"]
    how = serving(auto(1, 1), card, PLAN)
    there = machine(held, "bfloat16", card, how)
    work = load(256, 1, 512, 512)
    low, high = (
        (work.written + work.prefix)
        / (prefill(there, work, end) + work.written / written_per_second(there, work, end))
        for end in ends(PLAN, how)
    )
    assert low < 5_800
    assert high > 10_600


# Two cores: SmolLM2 in float32 wrote 120-360 tokens/s, the organism up to 13,500.
@pytest.mark.parametrize(
    ("held", "slots", "prefix", "written", "seen"),
    [
        (Memory(4 * 134_515_008, 2 * 30 * 3 * 64 * 4, 2 * 134_515_008, 4 * 30 * 9 * 64), 64, 150,
         150, (120, 250)),
        (Memory(4 * 897_000, 512, 2 * 897_000, 4 * 4 * 4 * 8), 512, 100, 60, (5_000, 13_500)),
    ],
)  # fmt: skip
def test_what_was_seen_on_two_cores_lies_in_the_range(
    held: Memory, slots: int, prefix: int, written: int, seen: tuple[float, float]
) -> None:
    how = serving(HF(slots, 1), PLAN.chosen["cpu"], PLAN)
    there = machine(held, "float32", PLAN.chosen["cpu"], how)
    work = load(40, 25, prefix, written)
    low, high = (written_per_second(there, work, end) for end in ends(PLAN, how))
    assert low < seen[0] < seen[1] < high


def test_passes_are_bound_by_arithmetic_where_long_and_by_the_weights_where_short():
    held = Memory(weights=10**9, cache=1, flops=10**9, attending=0)
    there = Machine(held, 1e10, bandwidth=1e9, peak=1e12, slots=1, copies=1)
    assert reading(there, Load(passes=2, read=8000.0), CEILING) == pytest.approx(8)
    assert reading(there, Load(passes=2, read=10.0), CEILING) == pytest.approx(2)
    slow = End(1.0, 0.5, 0.0, 0.25, shared=False)
    assert reading(there, Load(passes=2, read=8000.0), slow) == pytest.approx(16 + 0.5)
    assert reading(there, Load(), slow) == 0


def test_prefixes_are_read_once_or_by_each_request():
    held = Memory(weights=1, cache=1, flops=10**6, attending=2)
    there = Machine(held, 1e10, 1e9, peak=1e9, slots=1, copies=2)
    work = load(10, 5, 1000, 10)
    each = 1000 * (1e6 + 2 * 1000 / 2) / 1e9 / 2  # two copies
    assert prefill(there, work, CEILING) == pytest.approx(10 * each)
    assert prefill(there, work, End(1.0, 0.5, 0.0, 0.0, shared=True)) == pytest.approx(2 * each)


def auto(*parts: int) -> Auto:
    return Auto(
        64,
        4096,
        VLLM(("0.32",), 256, None, 0.85, 4, *parts, None, None, False, False, None, None, None, {}),
    )


def test_an_engine_says_how_many_rollouts_run_at_once_and_where():
    gpu, cpu = PLAN.chosen["h100"], PLAN.chosen["cpu"]
    assert serving(auto(2, 3), gpu, PLAN) == Serving(256, 0.85, 2, 3, (0.001, 0.01))
    assert serving(auto(2, 3), cpu, PLAN) == Serving(64, 0.9, 1, 1, (0.01, 0.15))
    tensor = machine(Memory(1, 1, 1, 1), "float32", gpu, serving(auto(2, 3), gpu, PLAN))
    assert (tensor.memory, tensor.bandwidth, tensor.peak) == pytest.approx(
        (0.85 * 160e9, 6.7e12, 134e12)
    )
    assert tensor.copies == 3


def test_a_model_that_does_not_fit_is_told():
    small = Card(16.0, 1.0, Tflops(1.0, 1.0, 1.0), gpu=True)
    there = machine(Memory(15 * 10**9, 1, 1, 1), "float32", small, Serving(9, 0.9, 1, 1, STEP))
    assert not fits(there, load(1, 1, 10, 10))
    tight = machine(Memory(14 * 10**9, 10**6, 1, 1), "float32", small, Serving(9, 0.9, 1, 1, STEP))
    assert not fits(tight, load(1, 1, 300, 300))  # 450 tokens, room for 400
    assert fits(tight, load(1, 1, 100, 100))


def test_speeds_that_are_known_give_hours_without_a_range():
    work = Load(written=7.2e6, read=3.6e6, passes=1)
    assert known(2000.0, 1000.0, work) == ["", "2,000", "1", "1", "2"]


def test_an_unknown_card_is_met_with_what_was_meant():
    with pytest.raises(UserError, match=r"plan.card: no such card h10; did you mean h100\?"):
        build(Assumptions, NODE | {"card": ["l40s", "h10"]}, "plan")
    mine = {"memory": 1, "bandwidth": 1, "tflops": NODE["cards"]["h100"]["tflops"]}
    with pytest.raises(UserError, match=r"plan\.cards\.mine\.gpu: missing"):
        build(Assumptions, NODE | {"cards": {"mine": mine}}, "plan")


def test_lengths_are_by_problem_set_and_the_command_line_goes_before():
    assert PLAN.of("math_level5", 16_384).tokens == 6150
    assert PLAN.of("nothing known", 16_384) == PLAN.of("other", 16_384)
    cut = PLAN.of("math_level5", 1694)
    assert (cut.tokens, cut.sentences) == (1694, 100)  # 6150 / 363 tokens a sentence
    asked = build(Assumptions, NODE | {"tokens": 99, "sentences": 7}, "plan")
    assert (asked.of("aime", 500).tokens, asked.of("aime", 500).sentences) == (99, 7)
