"""What the trials of a config said, kept in the user's cache under all that they depend on."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock
from platformdirs import user_cache_path

import harness
from harness.core import UserError
from harness.store.files import write_bytes

Found = Mapping[str, str | None]  # by path, why it is wrong, None where it is right
CODE = ("models", "engines/hf")  # what is tried
BESIDES = ("_name_or_path", "_commit_hash", "transformers_version", "dtype", "torch_dtype")


def place(config: Any) -> Path:
    """The file of a config: another one for another transformers and after a change of the code."""
    stated = {k: v for k, v in config.to_dict().items() if k not in BESIDES}
    option = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    digest = hashlib.sha256(orjson.dumps(stated, default=str, option=option))
    digest.update(f"transformers {version('transformers')}, torch {version('torch')}".encode())
    root = Path(harness.__file__).parent
    for file in sorted(file for part in CODE for file in (root / part).rglob("*.py")):
        digest.update(file.read_bytes())
    name = f"{config.model_type}-{digest.hexdigest()[:16]}.json"
    return user_cache_path("anchor-harness") / "architectures" / name


def known(path: Path) -> Found:
    """What is kept there; nothing where the file is missing or damaged, as it is made again."""
    try:
        found: Any = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    sound = isinstance(found, dict) and all(
        why is None or isinstance(why, str)
        for why in found.values()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    )
    return found if sound else {}  # pyright: ignore[reportUnknownVariableType]


def keep(path: Path, found: Found) -> None:
    """Add to what is kept; a cache that cannot be written is no reason to stop."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            write_bytes(path, orjson.dumps({**known(path), **found}))
    except (OSError, UserError):
        return
