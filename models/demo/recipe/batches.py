"""Encode examples as batches: questions share the passages but do not see each other."""

from __future__ import annotations

import json
import multiprocessing as mp
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Full

import numpy as np
from generator import SYSTEM, Example, Generator, Shape
from numpy.typing import NDArray
from questions import STOP, stem
from tokenizers import Tokenizer

SPECIALS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
PAD, END, SYS, USR, AST = range(5)
KEY_WEIGHT = 4.0  # Of the first token of an answer and of the number of its passage.
HEAD = 5  # Tokens that are kept of an answer that is cut short.
CUT = 0.4  # Share of the answers that are cut short; with 0.65 the long ones were copied worse and worse.
# What an attention head can be shown to look at: see `encode`.
GUIDES = ("marker", "start", "span", "pointer")
Ints = NDArray[np.int64]


@dataclass
class Batch:
    """Arrays of shape [examples, tokens].

    `group` is 0 in the passages, the number of its question elsewhere and -1 in padding. `weight` belongs to the token
    that the position predicts. `stem` is equal for positions of the same word stem. `low` and `high` give, for each
    guide, the first and last position to look at, or -1.
    """

    ids: Ints
    positions: Ints
    group: Ints
    weight: NDArray[np.float32]
    stem: Ints
    low: dict[str, Ints]
    high: dict[str, Ints]


class Row:
    """One example as lists of equal length, and the guides of its heads."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.group: list[int] = []
        self.weight: list[float] = []
        self.stem: list[int] = []
        self.guides: list[tuple[str, int, int, int]] = []

    def add(self, ids: list[int], start: int, group: int, stems: list[int] | None = None) -> None:
        self.ids += ids
        self.positions += range(start, start + len(ids))
        self.group += [group] * len(ids)
        self.weight += [0.0] * len(ids)
        self.stem += stems or [0] * len(ids)


class Encoder:
    """Turns examples into rows of token ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.system = tokenizer.encode(SYSTEM).ids
        self._stems: dict[str, int] = {}

    def _stem_ids(self, text: str, offsets: list[tuple[int, int]]) -> list[int]:
        marks = np.zeros(len(text) + 1, dtype=np.int64)
        for match in re.finditer(r"[A-Za-z0-9][\w-]*", text):
            if match[0].lower() not in STOP:
                marks[match.start() : match.end()] = self._stems.setdefault(stem(match[0]), len(self._stems) + 1)
        return [int(marks[min(end - 1, len(text))]) if end > start else 0 for start, end in offsets]

    def encode(self, example: Example, heads_only: Callable[[], bool] = lambda: False) -> Row:
        """Encode an example; an answer for which `heads_only` says so ends after a few tokens, as copying is easy.

        The guides show a head where to look: `marker` from a passage's token to the number of its passage; `start` to
        the first token of its sentence; `span` from an answer to the whole sentence that it copies (to the first token
        of all for a refusal); `pointer` to the very token that comes next.
        """
        row = Row()
        text = example.context()
        coded = self.tokenizer.encode(text)
        row.add([SYS, *self.system, END, USR], 0, 0)
        shift = len(row.ids)
        row.add(coded.ids, shift, 0, self._stem_ids(text, coded.offsets))
        row.add(self.tokenizer.encode("Question:").ids, len(row.ids), 0)
        ends = np.array([b for _, b in coded.offsets])

        def token_at(char: int) -> int:
            return int(np.searchsorted(ends, char, side="right"))

        marker, spans, cursor = [], {}, 0
        for number, passage in enumerate(example.passages, start=1):
            marker.append(token_at(cursor + 1))
            cursor += len(f"[{number}] ")
            for sentence in passage:
                first, last = token_at(cursor), token_at(cursor + len(sentence) - 1)
                spans[sentence, number - 1] = (cursor, first, last)
                for token in range(first, last + 1):
                    row.guides.append(("marker", shift + token, shift + marker[-1], shift + marker[-1]))
                    row.guides.append(("start", shift + token, shift + first, shift + first))
                cursor += len(sentence) + 1
        prefix = len(row.ids)
        for number, turn in enumerate(example.turns, start=1):
            asked = self.tokenizer.encode(" " + turn.question)
            answer = self.tokenizer.encode(turn.answer)
            at = len(row.ids)
            row.add([*asked.ids, END, AST], prefix, number, [*self._stem_ids(" " + turn.question, asked.offsets), 0, 0])
            first_row = len(row.ids) - 1
            count = min(len(answer.ids) + 1, HEAD) if heads_only() else len(answer.ids) + 1
            whole = count == len(answer.ids) + 1
            row.add([*answer.ids, END][:count], prefix + len(row.ids) - at, number)
            weights = [1.0] * count
            weights[0], weights[1], weights[2] = KEY_WEIGHT, 2.0, 1.5
            if turn.passage is None:
                row.guides += [("span", first_row + i, 0, 0) for i in range(2)]
            else:
                char, first, last = spans[turn.sentence, turn.passage]
                for i, (start, end) in enumerate(answer.offsets[:count]):
                    if end <= len(turn.sentence):
                        source = token_at(char + max(start, end - 1) if i else char)
                        row.guides.append(("pointer", first_row + i, shift + source, shift + source))
                    row.guides.append(("span", first_row + i, shift + first, shift + last))
                if whole:
                    weights[-3] = KEY_WEIGHT
                    number_at = shift + marker[turn.passage]
                    row.guides.append(("pointer", first_row + count - 3, number_at, number_at))
            row.weight[first_row : first_row + count] = weights
        return row


def collate(rows: list[Row]) -> Batch:
    """Pad rows to the longest of them."""
    shape = (len(rows), max(len(r.ids) for r in rows))
    batch = Batch(
        ids=np.zeros(shape, np.int64),
        positions=np.zeros(shape, np.int64),
        group=np.full(shape, -1, np.int64),
        weight=np.zeros(shape, np.float32),
        stem=np.zeros(shape, np.int64),
        low={name: np.full(shape, -1, np.int64) for name in GUIDES},
        high={name: np.full(shape, -1, np.int64) for name in GUIDES},
    )
    for index, row in enumerate(rows):
        size = len(row.ids)
        for name in ("ids", "positions", "group", "weight", "stem"):
            getattr(batch, name)[index, :size] = getattr(row, name)
        for name, query, low, high in row.guides:
            batch.low[name][index, query], batch.high[name][index, query] = low, high
    return batch


def batches(
    corpus: Path, tokenizer: Path, seed: int, tokens: int, shapes: list[tuple[float, Shape]], *, heldout: bool = False
) -> Iterator[Batch]:
    """Yield batches of about `tokens` tokens without end; rows of similar length go together."""
    generator = Generator(json.loads(corpus.read_text()), seed, heldout=heldout)
    encoder = Encoder(Tokenizer.from_file(str(tokenizer)))
    while True:
        rows = []
        for _ in range(96):
            shape = generator.rng.choices([s for _, s in shapes], [w for w, _ in shapes])[0]
            example = next(generator.examples(shape))
            rows.append(encoder.encode(example, lambda: not heldout and generator.rng.random() < CUT))
        rows.sort(key=lambda r: len(r.ids))
        groups: list[list[Row]] = [[]]
        for row in rows:
            if groups[-1] and (len(groups[-1]) + 1) * len(row.ids) > tokens:
                groups.append([])
            groups[-1].append(row)
        if len(groups) > 1:
            groups.pop()  # The rest would be a smaller batch.
        generator.rng.shuffle(groups)
        for group in groups:
            yield collate(group)


def _fill(queue: mp.Queue[Batch], arguments: tuple[Path, Path, int, int, list[tuple[float, Shape]]]) -> None:
    parent = mp.parent_process()
    for batch in batches(*arguments):
        while True:
            try:
                queue.put(batch, timeout=30)
                break
            except Full:
                if parent is None or not parent.is_alive():
                    return


def prefetched(
    corpus: Path, tokenizer: Path, seed: int, tokens: int, shapes: list[tuple[float, Shape]]
) -> Iterator[Batch]:
    """Yield the same batches, made by a process of their own."""
    context = mp.get_context("spawn")
    queue: mp.Queue[Batch] = context.Queue(maxsize=12)
    maker = context.Process(target=_fill, args=(queue, (corpus, tokenizer, seed, tokens, shapes)), daemon=True)
    maker.start()
    while True:
        yield queue.get()
