"""Numbers as figures, tables and the page write them."""

SPAN = 4  # doublings: the deepest colours of enrichment are 16 times and a sixteenth


def decimal(value: float | None) -> str:
    """A correlation with two decimals and no leading zero, `n/a` where undefined."""
    if value is None:
        return "n/a"
    text = f"{abs(value):.2f}"
    sign = "−" if value < 0 and text != "0.00" else ""
    return sign + (text[1:] if text.startswith("0") else text)


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets, or `no interval`."""
    return "no interval" if low is None or high is None else f"[{decimal(low)}, {decimal(high)}]"
