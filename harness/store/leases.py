"""Leases: one process works on a thing while others wait, and none waits for a dead one."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLease, Timeout

from harness.store.files import slug, writing

LEASE = 30.0  # seconds of silence after which the holder of a lease counts as lost

POLL = 0.05  # seconds between looks at a lease that is waited for


def lease(run: Path, name: str) -> SoftFileLease:
    """The lease of one piece of work in a run, not yet taken.

    Its holder refreshes it; one that has died is known at once on the same machine, and on another
    by `LEASE` seconds of silence, counted by whoever waits.
    """
    path = run / ".leases" / f"{slug(name)}.lease"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return SoftFileLease(path, lease_duration=LEASE)


def taken(work: SoftFileLease) -> bool:
    """Take a lease unless another process holds it; raises UserError when the disk refuses."""
    path = Path(work.lock_file)
    with writing(path):
        try:
            work.acquire(timeout=0)
        except Timeout:
            _let_go_of_empty(path)
            return False
    return True


def _let_go_of_empty(path: Path) -> None:
    """Spoil a lease whose taker died before it wrote who it is.

    To the library an empty file is a holder of old, for ever; one that is no record it takes over
    after two seconds. A taker that is alive after all writes its record over what is written here.
    """
    with suppress(OSError), path.open("r+b") as file:
        found = os.fstat(file.fileno())
        if not found.st_size and time.time() - found.st_mtime > LEASE:
            file.write(b"\n")


@contextmanager
def lock(run: Path, name: str) -> Generator[None]:
    """Wait for the lease of a piece of work, and hold it."""
    work = lease(run, name)
    while not taken(work):
        time.sleep(POLL)
    try:
        yield
    finally:
        work.release()
