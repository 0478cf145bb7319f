"""How a command ends: 0, 1 where it says so, 2 for a user's mistake, 130 for an interrupt."""

import os
import sys
from collections.abc import Callable

from harness.core import UserError
from harness.text.masking import printable


def ended(command: Callable[[], int | None], interrupted: str = "interrupted") -> None:
    """Run a command to its exit code; a user's mistake and an interrupt are one line each."""
    try:
        code = command()
        if sys.stdout is not None:  # closed by who called
            sys.stdout.flush()
    except BrokenPipeError:  # who read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)  # as a shell says of a process that writes to nobody
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)
    if code:
        sys.exit(code)
