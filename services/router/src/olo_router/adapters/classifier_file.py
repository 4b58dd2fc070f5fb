"""The trained classifier: weights that `scripts/train_complexity.py` has learned from the labelled samples."""

from __future__ import annotations

import json
from importlib import resources

from olo_router.selection.complexity import LinearClassifier


def trained() -> LinearClassifier:
    """The classifier with the weights of the data file of this package."""
    learned = json.loads(resources.files("olo_router").joinpath("data/complexity.json").read_text(encoding="utf-8"))
    return LinearClassifier(learned["weights"], learned["bias"])
