"""Files of a run read back: what is damaged, missing or foreign is one line that names the file.

A file carries a digest, inside itself as two files are never written at once: in the key-value
metadata of parquet, in a field of JSON and YAML. It is that of the file's place in the run and its
bytes, with zeros where the digest lies. It finds accidents; whoever changes a file on purpose can
write the digest that fits. Behind it stands the id of the run, that of run.yaml, which tells a file
of another run.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from polars.exceptions import PanicException, PolarsError

from harness.core import UserError
from harness.store.schema.fitting import fitting

FIELD = "digest"
_MARK = b"anchor-harness:blake2b:"
_SIZE = 32  # hex digits
_ID = 16  # hex digits, behind a colon
_DEEPEST = 7  # folders between a file and its run, that one included
_BLANK = (_MARK + b"0" * _SIZE).decode()
_FIRST = 64  # bytes of JSON or YAML in which its first field begins
_PARQUET = b"PAR1"
_FOLDERS = {"scores", "status", "rollouts", "tokens", "matrices", "validate", "asked"}

REMEDY = "the command that made the run makes it again"
KEPT = "restore it from a copy, or remove its line `digest` to use it as it stands"


@contextmanager
def reading(path: Path) -> Generator[None]:
    """What cannot be read of a file, as one line."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; {REMEDY}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (PolarsError, PanicException):
        raise UserError(f"{path}: cannot be read as parquet; {REMEDY}") from None


def content(path: Path) -> bytes:
    """The bytes of a file; raises UserError if its digest says that they were others."""
    with reading(path):
        found = path.read_bytes()
    if intact(path, found) is False:
        remedy = KEPT if path.suffix == ".yaml" else REMEDY
        raise UserError(f"{path}: is damaged or another file, as its digest says; {remedy}")
    if (own := _id(found)) and (here := run_id(path)) and own != here:
        raise UserError(f"{path}: is a file of another run; {REMEDY}")
    return found


def damaged(path: Path) -> bool:
    """Whether a file of JSON or parquet cannot be read as what it was written."""
    try:
        if path.suffix == ".json":
            read_json(path)
        else:
            look_over(path, {}, exact=False)
    except UserError:
        return True
    return False


def read_json(path: Path) -> dict[str, Any]:
    """A mapping from JSON; empty where there is no file."""
    if not path.exists():
        return {}
    try:
        found: Any = json.loads(content(path))  # not orjson, which refuses half a surrogate pair
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path}: is no JSON object; {REMEDY}")
    return {key: value for key, value in found.items() if key != FIELD}


@lru_cache(maxsize=4)
def _parsed(text: bytes) -> Any:
    """What YAML says; a run.yaml, which is asked often, takes a quarter of a second.

    Not with libyaml's parser, which is faster: text that nests deep enough ends the process there.
    """
    return yaml.safe_load(text)


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from YAML; nothing that it names is looked up."""
    try:
        found: Any = deepcopy(_parsed(content(path)))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        raise UserError(f"{path}: is no YAML; restore it from a copy") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds no keys and values; restore it from a copy")
    return {key: value for key, value in found.items() if key != FIELD}


def read_frame(path: Path, needs: Mapping[str, Any], columns: Sequence[str] = ()) -> pl.DataFrame:
    """A parquet file, of it only `columns` where some are named.

    Raises UserError unless it is whole and has all columns of `needs`, of their kinds; what older
    runs lack is null.
    """
    whole = content(path)
    with reading(path):
        there = pl.read_parquet_schema(BytesIO(whole))
        asked = {name: needs[name] for name in columns} if columns else dict(needs)
        fitting(path, there, asked)
        only = [name for name in asked if name in there] if columns else None
        found = pl.read_parquet(BytesIO(whole), columns=only)
    lacking = {name: kind for name, kind in asked.items() if name not in there}
    found = found.with_columns(pl.lit(None, kind).alias(name) for name, kind in lacking.items())
    return found.select(columns) if columns else found


def scan_frames(paths: Sequence[Path], needs: Mapping[str, Any]) -> pl.LazyFrame:
    """Parquet files below one another, not yet decoded, with the columns of `needs`.

    Each is looked over first, as `read_frame` does.
    """
    if not paths:
        return pl.LazyFrame(schema=dict(needs))
    for path in paths:
        look_over(path, needs, exact=True)
    return pl.scan_parquet(
        list(paths), schema=dict(needs), missing_columns="insert", extra_columns="ignore"
    )


def look_over(path: Path, needs: Mapping[str, Any], *, exact: bool) -> None:
    """Raise UserError unless a parquet file is whole and has the columns of `needs`.

    Any numbers do for numbers unless the kinds must be `exact`.
    """
    with reading(path):
        facts = path.stat()
    stamp = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
    _looked_over(path, tuple(needs.items()), exact, stamp)


@lru_cache(maxsize=1 << 16)
def _looked_over(
    path: Path, needs: tuple[tuple[str, Any], ...], exact: bool, _stamp: tuple[int, ...]
) -> None:
    """Each file once, as long as it stays the file it was."""
    whole = content(path)
    with reading(path):
        fitting(path, pl.read_parquet_schema(BytesIO(whole)), dict(needs), exact=exact)


def run_id(path: Path) -> str:
    """The id of the run whose file this is, "" where its run.yaml carries none."""
    above = (folder / "run.yaml" for folder in path.parents[:_DEEPEST])
    return next((marked(first)[1] for first in above if first.is_file()), "")


def blank(own: str) -> str:
    """The digest of a file to be, not yet known, and the id of its run."""
    return f"{_BLANK}:{own}" if own else _BLANK


def sealed(path: Path, content: bytes) -> bytes:
    """The content of a file to be, with its digest in the place of `blank`."""
    at = _place(content)
    if at is None:
        raise ValueError("no place for a digest")
    return content[:at] + _digest(path, content, at) + content[at + _SIZE :]


def intact(path: Path, content: bytes) -> bool | None:
    """Whether the content is as it was written there; None where it carries no digest."""
    at = _place(content)
    if at is None:
        return None
    return content[at : at + _SIZE] == _digest(path, content, at)


def marked(path: Path) -> tuple[bool, str]:
    """Whether a file carries a digest, and the id of a run; reads only where they would lie."""
    with path.open("rb") as stream:
        head = stream.read(_FIRST + len(_BLANK) + 1 + _ID)
        if head.startswith(_PARQUET):
            size = stream.seek(0, 2)
            stream.seek(max(0, size - 8))
            footer = int.from_bytes(stream.read(4), "little") + 8
            stream.seek(max(0, size - footer))
            head = _PARQUET + stream.read()
    return _place(head) is not None, _id(head)


def _id(content: bytes) -> str:
    """The id of the run behind a digest, "" where there is none."""
    at = _place(content)
    if at is None or content[at + _SIZE : at + _SIZE + 1] != b":":
        return ""
    return content[at + _SIZE + 1 : at + _SIZE + 1 + _ID].decode("ascii", "replace")


def _place(content: bytes) -> int | None:
    """Where the hex digits of the digest begin."""
    if content.startswith(_PARQUET):
        at = content.rfind(_MARK)  # in the footer: what the pages hold lies before it
    else:
        at = content.find(_MARK, 0, _FIRST + len(_MARK))
    return None if at < 0 else at + len(_MARK)


def _digest(path: Path, content: bytes, at: int) -> bytes:
    found = blake2b(_place_in_run(path).encode(), digest_size=_SIZE // 2)
    found.update(memoryview(content)[:at])
    found.update(b"0" * _SIZE)
    found.update(memoryview(content)[at + _SIZE :])
    return found.hexdigest().encode()


def _place_in_run(path: Path) -> str:
    """The path from the run's folder, whatever that is called and wherever it lies."""
    above = path.parts[-3:-1]
    first = next((i for i, part in enumerate(above) if part in _FOLDERS), len(above))
    return "/".join([*above[first:], path.name])
