"""Dense vectors on the wire: row-major little-endian float32 in one `bytes` field."""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence

from olo.embedding.v1.embedding_service_pb2 import Vectors


def pack(rows: Sequence[Sequence[float]]) -> Vectors:
    """Packs rows of one length. A caller that holds a float32 array passes its bytes to `Vectors` itself."""
    if not rows:
        return Vectors()
    flat = array.array("f", [value for row in rows for value in row])
    if sys.byteorder == "big":
        flat.byteswap()
    return Vectors(count=len(rows), dimension=len(rows[0]), data=flat.tobytes())


def unpack(vectors: Vectors) -> list[list[float]]:
    """The rows.

    Raises:
        ValueError: The length of the data is not count * dimension * 4.
    """
    if len(vectors.data) != vectors.count * vectors.dimension * 4:
        raise ValueError(f"{vectors.count} vectors of {vectors.dimension} do not fit {len(vectors.data)} bytes")
    flat = array.array("f", vectors.data)
    if sys.byteorder == "big":
        flat.byteswap()
    step = vectors.dimension
    return [flat[i * step : (i + 1) * step].tolist() for i in range(vectors.count)]
