"""The harness' command line, called in the process of a test."""

import sys

import pytest

from harness import __main__


def harness_exit(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `python -m harness` with these arguments, 0 where it just ends."""
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    try:
        __main__.main()
    except SystemExit as ended:
        return int(str(ended.code))
    return 0
