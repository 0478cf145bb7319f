"""What the docstring of a detector says: its idea, its source, its options."""

import re
import sys
from typing import Any

import yaml


def written(value: Any) -> str:
    """A value as yaml writes it, on one line."""
    return yaml.safe_dump([value], default_flow_style=True, width=sys.maxsize).strip()[1:-1]


def idea(text: str) -> str:
    """The first sentence of a docstring."""
    paragraph = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]


def source(text: str) -> str:
    """What a docstring says after "Source:", else the arXiv ids in it."""
    found = re.search(r"^Source: (.+?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    if found:
        return " ".join(found[1].split()).removesuffix(".")
    return ", ".join(dict.fromkeys(re.findall(r"arXiv \d{4}\.\d{4,5}", text)))
