"""KaTeX for the page, only where a text shown holds a formula."""

import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from harness.report.source import Source

FORMULA = r"\\\(|\\\[|\\boxed\{|\$[^\s$][^$]*\$"
FOLDER = Path(__file__).parents[1] / "templates" / "katex"


@dataclass(frozen=True)
class Latex:
    """What the page needs to render formulas; empty where none is shown."""

    script: str
    style: str


def latex(source: Source) -> Latex:
    """KaTeX with its fonts inside the style if any question or sentence holds a formula."""
    texts = (source.problems["question"], source.sentences["text"])
    if not any(text.str.contains(FORMULA).any() for text in texts):
        return Latex("", "")
    style = (FOLDER / "katex.min.css").read_text(encoding="utf-8")
    licence = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    script = (FOLDER / "katex.min.js").read_text(encoding="utf-8")
    script = f"/*! KaTeX\n{licence}*/\n{script}"
    return Latex(script, re.sub(r"src:url\(fonts/([\w-]+\.woff2)\)[^;}]*", inlined, style))


def inlined(source: re.Match[str]) -> str:
    """A font as a data address in the place of its files."""
    font = b64encode((FOLDER / "fonts" / source[1]).read_bytes()).decode("ascii")
    return f'src:url(data:font/woff2;base64,{font}) format("woff2")'
