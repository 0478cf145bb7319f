"""Fits of the controls, kept for the next sample that is compared on the same sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from harness.agreement.controls.design import Design
from harness.agreement.controls.ladder import Projection, Regressors, projection, regressors
from harness.agreement.settings import Agreement, Control

REMEMBERED = 1 << 21  # sentences whose fits are kept, over all sets of them: they are large
LEAST_REMEMBERED = 4  # sets of sentences whose fits are kept, however many they hold


class Fits:
    """What takes the controls out, by the sentences compared: most splits share these."""

    def __init__(self, trace: Int[np.ndarray, " sentences"], conf: Agreement) -> None:
        self.trace, self.conf = trace, conf
        self.kept: dict[tuple[int, bytes], Fit] = {}

    def over(self, design: Design, kept: Bool[np.ndarray, " sentences"]) -> "Fit":
        """Those of a design over the kept sentences, the most recent few remembered."""
        key = (id(design), np.packbits(kept).tobytes())
        if key not in self.kept:
            rows = regressors(design.columns, self.trace, kept)
            there = bool(rows.blocks)
            self.kept[key] = Fit(
                rows,
                {
                    control: projection(ladder, rows, self.conf)
                    for control, ladder in design.of.items()
                    if control != "none" and there
                },
            )
        self.kept[key] = self.kept.pop(key)
        most = max(LEAST_REMEMBERED, REMEMBERED // len(self.trace))
        while len(self.kept) > most:
            del self.kept[next(iter(self.kept))]
        return self.kept[key]


@dataclass(frozen=True, eq=False)
class Fit:
    """Regressors over some sentences, and how each control is taken out of what is ranked there."""

    rows: Regressors
    controls: Mapping[Control, Projection]
