"""The values that core, ports and adapters share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
"""Dense vectors, [texts, dimension]."""


class InputKind(IntEnum):
    """The side of a search on which a text stands."""

    PASSAGE = 0
    QUERY = 1


@dataclass(frozen=True)
class Tokenized:
    """A text as the model reads it."""

    text: str
    ids: npt.NDArray[np.int64]
    """Its tokens, cut at the limit of the model, without padding."""
    tokens: int
    """Their number, uncut."""


@dataclass(frozen=True)
class SparseVector:
    """The entries that are not zero, by ascending index."""

    indices: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]


@dataclass(frozen=True)
class EngineInfo:
    """What an engine has loaded."""

    dimension: int
    context_limit: int
    """Tokens after which a text is cut."""
    on_gpu: bool
    reranker_model: str
    """Empty: none."""
