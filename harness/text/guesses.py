"""Guesses of what comes next: read out of a text, held against how it goes on."""

import re
from collections.abc import Collection

_BRACES = re.compile(r"\\boxed\{|(?<!\\)[{}]")


def boxed(text: str) -> str | None:
    r"""What stands in the last closed `\boxed{…}`, white space and all; None without one."""
    found, open_at = None, list[int]()
    for match in _BRACES.finditer(text):
        if match.group() != "}":
            open_at.append(match.end() if match.group() != "{" else -1)
        elif open_at and (start := open_at.pop()) >= 0:
            found = text[start : match.start()]
    return found


def prefix_matches(guess: str, text: str, starts: Collection[int]) -> bool:
    """Whether a guess is how the text goes on, up to where one of its tokens ends.

    `starts` are the characters of `text` at which its tokens begin. The bytes of the guess must be
    the first bytes of the text, and as many as those of its first token, or first two, and so on:
    the prefix matching reward, equation 3 of Reinforcement Pre-Training, arXiv 2506.08007.
    """
    ends = {*starts, len(text)} - {0}
    return text.startswith(guess) and len(guess) in ends
