"""What conf/dynamics says."""

from dataclasses import dataclass

from pydantic import PositiveInt

from harness.text.grams import Lexicon, Mining, phrases


@dataclass(frozen=True)
class Dynamics:
    """How a series is followed.

    `rollouts` of each problem by each checkpoint; `lexicon` are the strategic grams, a file, a list
    or None: mined from the correct traces of all checkpoints as `mining` says. `following` words
    after a gram are those whose entropy given the gram is measured. `with_run`: a run whose model
    has a series follows it once it is scored.
    """

    rollouts: PositiveInt
    lexicon: Lexicon
    mining: Mining
    following: PositiveInt
    with_run: bool

    def __post_init__(self) -> None:
        if self.lexicon is not None:
            phrases(self.lexicon)  # a file that cannot be read is named at start
