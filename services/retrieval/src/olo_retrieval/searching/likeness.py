"""How alike hits are to a query."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from olo_retrieval.types import Hit, Vector


def compared(hits: Sequence[Hit], probe: Vector) -> list[Hit]:
    """The hits, which have their vectors, with their cosines to the probe."""
    if not hits:
        return []
    unit = np.asarray(probe, np.float32)
    # Lists of floats become an array several times faster by way of the buffers of `array` than by numpy itself.
    rows = np.frombuffer(b"".join(array("f", hit.vector or ()).tobytes() for hit in hits), np.float32)
    cosines = rows.reshape(len(hits), -1) @ unit / (np.linalg.norm(unit) or 1.0)
    return [hit.compared(cosine) for hit, cosine in zip(hits, cosines.tolist(), strict=True)]
