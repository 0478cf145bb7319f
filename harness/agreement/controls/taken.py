"""Which methods a control takes out, so that under it nothing is left to compare."""

from collections.abc import Iterable

from harness.agreement.settings import Agreement, Control

THE_CONTROL = "the control is the method"  # stands where a verdict would

PARTS = {
    "none": (),
    "position": ("position",),
    "length": ("length",),
    "headroom": ("position", "headroom"),  # alone it fails where traces converge gradually
    "structure": ("position", "length", "headroom"),
    "wording": ("wording",),
    "all": ("position", "length", "headroom", "wording"),
}


def takes(control: Control, methods: Iterable[str], conf: Agreement) -> bool:
    """Whether one of the methods is what the control takes out, or made of the same thing."""
    by = {
        "position": {"position", "recency"},
        "length": {"length"},
        "headroom": {"headroom"},
        "wording": {"lexicon", *conf.wording, *conf.worded},
    }
    taken = set[str]().union(*(by[part] for part in PARTS[control]))
    return not taken.isdisjoint(methods)
