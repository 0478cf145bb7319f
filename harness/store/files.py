"""Files of a run: written whole or not at all, named safely, leased while one process works."""

import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from harness.core import UserError
from harness.store.reading import FIELD, blank, run_id, scan_frames, sealed

# Names of devices on Windows, whatever follows the first dot.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def slug(name: str) -> str:
    """A file name for an id: unsafe characters replaced, told apart by a digest."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80]
    if name and safe == name and not _RESERVED.fullmatch(safe):
        return safe
    return f"{safe}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


@contextmanager
def writing(path: Path) -> Generator[None]:
    """What the disk refuses, as one line."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write under a temporary name, then rename; raises UserError when the disk refuses."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame as parquet, with its digest in the metadata."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata={FIELD: blank(run_id(path))})
    write_bytes(path, sealed(path, buffer.getvalue()))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, its digest first; what is no number is null.

    Half a surrogate pair, which models and servers can write, becomes its escape.
    """
    plain = json.loads(
        json.dumps({FIELD: blank(run_id(path)), **value}), parse_constant=lambda _: None
    )
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    write_bytes(path, sealed(path, text.encode("utf-8", "backslashreplace")))


def write_yaml(path: Path, value: Mapping[str, Any], own: str = "") -> None:
    """Write a mapping as YAML, its digest first, and with it the id of a run."""
    text = yaml.safe_dump({FIELD: blank(own), **value}, sort_keys=False, allow_unicode=True)
    write_bytes(path, sealed(path, text.encode()))


def rows(values: list[dict[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """A frame of rows with a declared schema."""
    return pl.DataFrame(values, schema=dict(schema), orient="row")


def parts(folder: Path, schema: Mapping[str, Any], columns: Sequence[str] = ()) -> pl.DataFrame:
    """All part files of a folder as one frame, read only as far as the columns asked for.

    A column that files of older runs do not have is null.
    """
    asked = {name: schema[name] for name in (columns or schema)}
    return scan_frames(sorted(folder.glob("*.parquet")), asked).collect()


def add_part(folder: Path, frame: pl.DataFrame) -> None:
    """Add a part file that no other process can have."""
    write_frame(folder / f"{uuid.uuid4().hex}.parquet", frame)
