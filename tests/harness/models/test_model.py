"""The model: what is found, what is refused, what its text and tokens say of each other."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken

from harness.core import Problem, UserError
from harness.models.model import Model, Subject
from harness.models.weights import device, located
from harness.text.segmentation import reasoning_span

PROBLEM = Problem("p", "we add the apples", "1", None, "test", "evaluate")


def conf(path: Path | str, prompt: str | None = None) -> Model:
    tags = {"open_tag": "", "close_tag": "", "force": ""}
    rest = {"revision": None, "dtype": "float32", "device": "cpu", "trust_remote_code": False}
    rest |= {"checkpoints": {}, "series": ()}
    return Model(name="tiny", path=str(path), prompt=prompt, **tags, **rest)


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", Path.unlink, "holds no config.json"),
        ("config.json", lambda f: f.write_text("{"), "cannot load .*not a valid JSON"),
        ("config.json", lambda f: f.write_text("{}"), "cannot load .*Unrecognized model"),
        ("model.safetensors", Path.unlink, "holds no weights"),
        ("model.safetensors", lambda f: f.write_text("x"), "model.safetensors is damaged"),
        ("model.safetensors", cut, "model.safetensors is damaged"),
        ("tokenizer.json", Path.unlink, "holds no tokenizer"),
        ("tokenizer.json", lambda f: f.write_text("x"), "cannot load"),
        ("tokenizer.json", lambda f: f.write_text("{}"), "cannot load .*KeyError"),
        ("chat_template.jinja", Path.unlink, "has no chat template; give the prompt yourself"),
    ],
)
def test_a_folder_that_lacks_something_is_named(
    copy: Path, file: str, change: Callable[[Path], object], message: str
) -> None:
    change(copy / file)
    with pytest.raises(UserError, match=f"^model.path: .*{message}") as caught:
        Subject(conf(copy))
    assert "\n" not in str(caught.value)


def test_without_a_template_a_prompt_does(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    subject = Subject(conf(copy, " so {question} is"))
    ids = subject.prompt_ids(PROBLEM, " total")
    assert subject.decode(ids) == " so we add the apples\n\n total is"


def test_a_template_that_refuses_is_named(copy: Path) -> None:
    (copy / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(
        UserError, match=r"template fails \(TemplateError: roles must alternate\); set model"
    ):
        Subject(conf(copy)).prompt_ids(PROBLEM, "")


def test_weights_that_are_not_there_are_not_made_up(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks weights of the model, such as .*up_proj"):
        _ = Subject(conf(copy)).model


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.gguf", None, "cannot read .*m.gguf"),
        ("m.gguf", b"", "m.gguf is no GGUF file"),
        ("m.gguf", b"garbage", "m.gguf is no GGUF file"),
        ("m.GGUF", b"garbage", "m.GGUF is no GGUF file"),
        ("m.gguf", b"GGUF\x03\x00\x00\x00" + b"\xff" * 99, "cannot load .*m.gguf"),
        ("m.safetensors", b"", "is a file; give the folder"),
        ("m", None, "does not exist"),
    ],
)
def test_a_file_that_is_no_model_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"^model.path: .*{message}"):
        located(str(tmp_path / name))
    assert [p for p in cache.rglob("*") if p.suffix == ".safetensors"] == []
    assert capfd.readouterr() == ("", "")


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"cannot keep m\.gguf as"):
        located(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize("path", ["wheel://no_such_package/m.gguf", "wheel://harness/nix.gguf"])
def test_a_package_without_the_file_is_named(path: str) -> None:
    with pytest.raises(UserError, match=r"^model\.path: "):
        located(path)


def test_a_hub_id_is_left_alone() -> None:
    assert located("Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"


def test_tokens_begin_where_the_text_says(tiny: Path) -> None:
    subject = Subject(conf(tiny))
    ids = subject.encode("we add the apples. so total is \\boxed{3}.")
    starts = subject.starts(ids)
    text = subject.decode(ids)
    pieces = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    assert pieces == [subject.decode([i]) for i in ids]


def test_channel_marks_are_not_lost_where_special_tokens_are_skipped(tiny: Path) -> None:
    """As gpt-oss has them; a special token that no tag names is left out as ever."""
    plain = Subject(conf(tiny))
    marks = {"open_tag": "<|channel|> so<|message|>", "close_tag": "<|channel|> then<|message|>"}
    marked = Subject(replace(conf(tiny), **marks))
    for subject in (plain, marked):
        special = [AddedToken(f"<|{name}|>", special=True) for name in ("channel", "message", "x")]
        subject.tokenizer.add_tokens(special)
    written = "<|channel|> so<|message|> we add.<|x|><|channel|> then<|message|> total is"
    ids = (*marked.encode(written), 2)
    assert plain.decode(ids) == " so we add. then total is"
    text = marked.decode(ids)
    assert text == written.replace("<|x|>", "")
    start, stop = reasoning_span(text, **marks)
    assert text[start:stop] == " we add."


def test_what_the_config_says(tiny: Path, copy: Path) -> None:
    subject = Subject(conf(tiny))
    assert subject.context == 512
    assert subject.eos == {2}
    assert subject.revision == Subject(conf(copy)).revision
    with (copy / "tokenizer_config.json").open("a") as file:
        file.write(" ")
    assert subject.revision != Subject(conf(copy)).revision


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
def test_a_gpu_that_is_not_there_is_named(tiny: Path) -> None:
    with pytest.raises(UserError, match=r"model\.device: torch sees no GPU"):
        Subject(replace(conf(tiny), device="cuda"))


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        ((), "auto", "cpu"), (("cuda",), "auto", "cuda"), (("mps",), "auto", "mps"),
        (("cuda", "mps"), "auto", "cuda"), (("mps",), "mps", "mps"), (("cuda",), "cpu", "cpu"),
        (("cuda",), "mps", None), (("mps",), "cuda", None), ((), "mps", None),
    ],
)  # fmt: skip
def test_a_device_is_the_one_asked_for_or_named(
    there: tuple[str, ...], asked: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in there)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in there)
    if found:
        assert device(asked) == found
        return
    with pytest.raises(UserError, match=r"^model\.device: torch sees no .*; choose auto or cpu$"):
        device(asked)


def test_a_model_that_fits_on_no_one_card_is_one_line(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 30 GiB")

    monkeypatch.setattr("torch.nn.Module.to", full)
    with pytest.raises(UserError, match=r"^model\.device: .* needs 0\.0 GiB and the cpu") as caught:
        _ = Subject(conf(tiny)).model
    assert "readings run on one device" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_hub_that_cannot_be_reached_is_one_line_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        Subject(conf("somebody/some-model"))
    assert time.monotonic() - start < 5
    assert str(caught.value) == (
        "model.path: cannot load somebody/some-model, no folder here, from the hub "
        "(http://127.0.0.1:9 cannot be reached, and the cache does not have it)"
    )
    assert "etry" not in capfd.readouterr().err


def test_a_checkpoint_is_named_where_it_cannot_be_loaded(tiny: Path, tmp_path: Path) -> None:
    nowhere = replace(conf(tiny), checkpoints={"base": str(tmp_path / "nowhere")})
    with pytest.raises(UserError, match=r"^model\.checkpoints\.base: .*nowhere does not exist"):
        Subject(nowhere).checkpoint("base")


def test_a_checkpoint_needs_no_chat_template_and_is_loaded_once(tiny: Path, copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    paths = {"base": str(copy), "self": str(tiny)}
    subject = Subject(replace(conf(tiny), checkpoints=paths))
    assert subject.checkpoint("") is subject.checkpoint("self") is subject
    assert subject.checkpoint("base") is subject.checkpoint("base")
    assert subject.checkpoint("base").path == str(copy)
