"""Mirror: a run's files on an object store, for processes that share no file system."""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import yaml

from harness.core import UserError
from harness.core.config import check
from harness.store.files import write_bytes
from harness.store.folder import GROWING
from harness.text.masking import masked, printable

EVERY = 30.0  # seconds of finished files at risk
AT_ONCE = 256  # files fetched together


@dataclass(frozen=True)
class Mirror:
    """A copy of run folders under a URL that fsspec knows, as in s3://bucket/results."""

    url: str

    @contextmanager
    def reached(self, run: str) -> Generator["Place"]:
        """A run's place there; raises UserError with the store's reason for whatever fails."""
        try:
            url = f"{self.url.rstrip('/')}/{run}"
            system, root = fsspec.url_to_fs(url, use_listings_cache=False)
            yield Place(system, root)
        except UserError:
            raise
        except Exception as error:  # each store has errors of its own
            message = masked(printable(f"{type(error).__name__}: {error}"), [self.url])
            raise UserError(f"mirror: {masked(self.url)} fails ({message:.300})") from None

    def check(self, run: str, now: Mapping[str, Any], *, overwrite: bool) -> None:
        """Raise UserError if the store cannot be read or holds another run of that name."""
        with self.reached(run) as place:
            there = place.read("run.yaml")
        if there is None:
            return
        if overwrite:
            raise UserError(f"overwrite: {masked(self.url)} keeps {run}; choose another run=NAME")
        before = yaml.safe_load(there)["identity"]
        every = {*before, *now} - set(GROWING)
        keys = sorted(key for key in every if before.get(key) != now.get(key))
        if keys:
            raise UserError(
                f"mirror: {run} there was made with another {', '.join(keys[:5])}; choose another "
                "run=NAME"
            )

    @contextmanager
    def kept(self, folder: Path) -> Generator[None]:
        """Fetch what the folder lacks; send what is finished, as it is written and at the end."""
        with self.reached(folder.name) as place:
            place.fetch(folder)
        over = threading.Event()

        def follow() -> None:
            while not over.wait(EVERY):
                with suppress(UserError):  # tried again, and told if it fails at the end
                    self.send(place, folder)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.send(place, folder)

    def send(self, place: "Place", folder: Path) -> None:
        """Copy there what has been written since; raises UserError if the store refuses."""
        with self.reached(folder.name):
            place.send(folder)


@dataclass(frozen=True)
class Place:
    """A run's folder in a file system of fsspec, and what it has in a version of ours.

    Not fsspec's rsync: it compares sizes alone, writes to a local disk without a rename, copies
    leases, and passes over files that a store refuses.
    """

    system: Any
    root: str
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)  # size, time of change

    def read(self, name: str) -> bytes | None:
        """A file's content, None where there is none."""
        path = f"{self.root}/{name}"
        return bytes(self.system.cat_file(path)) if self.system.exists(path) else None

    def fetch(self, folder: Path) -> None:
        """Copy here what the folder lacks."""
        found = self.system.find(self.root, detail=True) if self.system.exists(self.root) else {}
        names = {path: path[len(self.root) :].lstrip("/") for path in sorted(found)}
        for name in names.values():
            if not name or ".." in name.split("/") or "\\" in name or Path(name).is_absolute():
                raise UserError(
                    f"mirror: {masked(self.root)} holds {name!r:.80}, outside of the run"
                )
        lacking = [path for path, name in names.items() if not (folder / name).exists()]
        for i in range(0, len(lacking), AT_ONCE):
            for path, content in self.system.cat(lacking[i : i + AT_ONCE]).items():
                write_bytes(folder / names[path], content)
        for path, name in names.items():
            if (folder / name).stat().st_size == found[path]["size"]:
                self.sent[name] = _stamp(folder / name)

    def send(self, folder: Path) -> None:
        """Copy there what was written since, but hidden files: leases and drafts."""
        for path in sorted(folder.glob("**/*")):
            name = path.relative_to(folder)
            if not path.is_file() or any(part.startswith(".") for part in name.parts):
                continue
            stamp = _stamp(path)
            if self.sent.get(str(name)) != stamp:
                self._put(f"{self.root}/{name}", path.read_bytes())
                self.sent[str(name)] = stamp

    def _put(self, path: str, content: bytes) -> None:
        try:
            self.system.pipe_file(path, content)
        except FileNotFoundError:  # unlike object stores, file systems want the folder first
            self.system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.system.pipe_file(path, content)


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def mirror(value: Any) -> Mirror | None:
    """What a URL stands for; raises UserError for one that fsspec does not know."""
    if value is None:
        return None
    found = Mirror(check(str, value, "mirror"))
    with found.reached("run"):
        return found
