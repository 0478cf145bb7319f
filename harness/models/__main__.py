"""`python -m harness.models`: which models are computed right, by what is asked of them."""

import sys
from collections.abc import Iterator, Sequence

from harness.cli.exits import ended
from harness.core import UserError

USAGE = """usage: python -m harness.models [ARCHITECTURE | FOLDER | HUB_ID ...] [--why]

A table of architectures by what is asked of a model: readings (entropy, log p, states), attention,
suppression, likelihood (log p behind boundaries) and rollouts with engine=hf. Each is tried on a
tiny random model of the config beside plain eager passes; no weights are read. --why lists the
reasons. Without arguments, all architectures whose configs come with the harness."""


def main() -> None:
    """`python -m harness.models [ARCHITECTURE …]`; exit code 2 for a user's mistake."""
    ended(lambda: run(sys.argv[1:]))


def run(argv: Sequence[str]) -> None:
    """Print the table, a line as soon as it is known."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return
    unknown = [word for word in argv if word.startswith("-") and word != "--why"]
    if unknown:
        raise UserError(f"{unknown[0]}: no such option; --help lists them")
    for line in table([word for word in argv if word != "--why"], why="--why" in argv):
        print(line, flush=True)


def table(names: Sequence[str], *, why: bool = False) -> Iterator[str]:
    """The lines of the table in Markdown, reasons behind it where they are wanted."""
    from harness.engines.hf.preflight import PATHS, tried  # imports torch
    from harness.models.architectures.examples import EXAMPLES, config_of

    yield f"| architecture | {' | '.join(PATHS)} |"
    yield f"|---|{'---|' * len(PATHS)}"
    reasons = list[str]()
    for name in names or list(EXAMPLES):
        found = tried(config_of(name), PATHS)
        yield f"| {name} | {' | '.join('–' if found[path] else 'yes' for path in PATHS)} |"
        reasons += [f"{name}, {path}: {found[path]}" for path in PATHS if found[path]]
    yield from ["", *reasons] if why else []


if __name__ == "__main__":
    main()
