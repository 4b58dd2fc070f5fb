"""How well names of models are matched, beside one similarity of whole names at its best threshold.

The names are those of the registry's tests: real ones, written down by hand, near misses among them. The peer is given
the threshold that serves it best on these very names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rapidfuzz import fuzz, process, utils
from tests.bench.harness import write_csv

from olo_registry.benchmarks.matching import Index

NAMES = Path(__file__).resolve().parents[2] / "services" / "registry" / "tests" / "names"
Match = Callable[[str], str | None]


def measure(match: Match, labelled: list[tuple[str, str | None]]) -> tuple[float, float]:
    """Precision and recall."""
    found = [(match(name), expected) for name, expected in labelled]
    matched = [(record, expected) for record, expected in found if record is not None]
    right = sum(record == expected for record, expected in matched)
    known = sum(expected is not None for _, expected in labelled)
    return right / max(len(matched), 1), right / known


def whole_names(records: list[str], threshold: float) -> Match:
    """The most similar record, where it is similar enough."""

    def match(name: str) -> str | None:
        best = process.extractOne(name, records, scorer=fuzz.token_sort_ratio, processor=utils.default_process)
        return best[0] if best is not None and best[1] >= threshold else None

    return match


def main() -> None:
    """Measures both."""
    records = (NAMES / "records.txt").read_text().splitlines()
    rows = [line.split("\t") for line in (NAMES / "labelled.tsv").read_text().splitlines()]
    labelled = [(name, None if record == "-" else record) for name, record in rows]
    index = Index((record, ()) for record in records)
    began = time.process_time()
    precision, recall = measure(lambda name: index.resolve(name).match, labelled)
    each = (time.process_time() - began) / len(labelled)
    reviewed = sum(
        expected is not None and expected in {candidate.record for candidate in index.resolve(name).doubtful}
        for name, expected in labelled
    )
    known = sum(expected is not None for _, expected in labelled)
    peers = {threshold: measure(whole_names(records, threshold), labelled) for threshold in range(60, 101, 2)}
    best = max(
        peers, key=lambda threshold: 2 / (1 / max(peers[threshold][0], 1e-9) + 1 / max(peers[threshold][1], 1e-9))
    )
    print(
        f"name_resolution: {len(labelled)} names, precision {precision:.3f}, recall {recall:.3f} "
        f"({recall + reviewed / known:.3f} with those offered for review), {each * 1e6:.0f} us each; whole names at "
        f"{best} %: {peers[best][0]:.3f}, {peers[best][1]:.3f}"
    )
    header = ["matcher", "names", "precision", "recall", "recall_with_review"]
    write_csv(
        "name_resolution",
        header,
        [
            ["parts", len(labelled), round(precision, 4), round(recall, 4), round(recall + reviewed / known, 4)],
            [f"whole_names_{best}", len(labelled), round(peers[best][0], 4), round(peers[best][1], 4), ""],
        ],
    )
