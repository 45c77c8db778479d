"""openreadout's reading of an image file, for tests: it shares no code with our readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def pictures(path: Path, *, levels: bool = True) -> dict[str, Any]:
    """Pixels by the place that we give them; colours along c, axes of one item left out."""
    import openreadout

    with openreadout.open(path) as file:
        found = {}
        for number in range(len(file.images)):
            for level in range(len(file.levels(number)) if levels else 1):
                place = f"{level}/image" if len(file.images) == 1 else f"{number}/{level}/image"
                found[place] = _ordered(file.read_image(number, level=level))
        return found


def _ordered(data: Any) -> Any:
    """(t, c, z, y, x[, samples]) with the samples as the channels, without axes of one item."""
    if data.ndim == 6:
        data = np.moveaxis(data, -1, 2).reshape(data.shape[0], -1, *data.shape[2:5])
    lead = tuple(i for i in range(3) if data.shape[i] == 1)
    return data.squeeze(lead)
