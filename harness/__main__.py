"""`python -m harness`: run detectors and report how far they agree."""

import sys


def main() -> None:
    """The console script and `python -m harness`."""
    try:
        from harness.cli.main import called  # an interrupt of the imports is one line, too

        called(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted; the same command, without overwrite, goes on", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
