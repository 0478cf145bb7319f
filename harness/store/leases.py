"""Leases: one process works on a thing while others wait, and none waits for a dead one."""

import time
from collections.abc import Generator
from contextlib import contextmanager
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
    with writing(Path(work.lock_file)):
        try:
            work.acquire(timeout=0)
        except Timeout:
            return False
    return True


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
