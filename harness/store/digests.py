"""Digests: a file of a run carries one of its own bytes, so that damage is seen when it is read.

The digest lies inside the file, as two files are never written at once: in the key-value metadata
of parquet, in a field of JSON and YAML. It is that of the file's place in the run and its bytes,
with zeros where the digest lies. It finds accidents; whoever changes a file on purpose can write
the digest that fits.
"""

from hashlib import blake2b
from pathlib import Path

FIELD = "digest"
_MARK = b"anchor-harness:blake2b:"
_SIZE = 32  # hex digits
BLANK = (_MARK + b"0" * _SIZE).decode()
_FIRST = 64  # bytes of JSON or YAML in which its first field begins
_PARQUET = b"PAR1"
_FOLDERS = {"scores", "status", "rollouts", "tokens", "matrices"}


def sealed(path: Path, content: bytes) -> bytes:
    """The content of a file to be, with its digest in the place of BLANK."""
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


def carries(path: Path) -> bool:
    """Whether a file carries a digest, right or not; reads only where that would lie."""
    with path.open("rb") as stream:
        head = stream.read(_FIRST + len(BLANK))
        if not head.startswith(_PARQUET):
            return _place(head) is not None
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 8))
        footer = int.from_bytes(stream.read(4), "little") + 8
        stream.seek(max(0, size - footer))
        return _MARK in stream.read()


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
