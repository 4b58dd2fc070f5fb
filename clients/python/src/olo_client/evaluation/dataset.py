"""A dataset: a folder with `documents.jsonl` and `questions.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class DatasetError(Exception):
    """A dataset cannot be used; the message says where and why."""


@dataclass(frozen=True)
class EvalDocument:
    """A document to search in."""

    document_id: str
    title: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EvalQuestion:
    """A question, with the documents that answer it and how well each does; without any it cannot be answered."""

    question_id: str
    text: str
    relevant: Mapping[str, int]
    answer: str = ""


@dataclass(frozen=True)
class Dataset:
    """Documents and questions."""

    name: str
    documents: list[EvalDocument]
    questions: list[EvalQuestion]

    @property
    def answerable(self) -> list[EvalQuestion]:
        """The questions that some document answers."""
        return [question for question in self.questions if question.relevant]


def read_dataset(folder: Path) -> Dataset:
    """The dataset in a folder.

    Raises:
        DatasetError: A file is missing, a line is not what it must be, or a question names no document of the set.
    """
    documents = _lines(folder / "documents.jsonl", _document)
    questions = _lines(folder / "questions.jsonl", _question)
    known = {document.document_id for document in documents}
    for what, ids in (
        ("documents", [document.document_id for document in documents]),
        ("questions", [question.question_id for question in questions]),
    ):
        if not ids or len(set(ids)) < len(ids):
            raise DatasetError(f"{what}.jsonl: it is empty, or an id comes twice")
    for question in questions:
        if unknown := sorted(set(question.relevant) - known):
            raise DatasetError(f"questions.jsonl: {question.question_id} names {unknown[0]!r}, which is no document")
    return Dataset(folder.resolve().name, documents, questions)


def _lines(path: Path, convert: Callable[[dict[str, Any]], T]) -> list[T]:
    found = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        found.append(convert(json.loads(line)))
                    except (KeyError, TypeError, ValueError, AttributeError) as error:
                        raise DatasetError(f"{path.name}, line {number}: {error!r}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    return found


def _document(line: dict[str, Any]) -> EvalDocument:
    metadata = {str(key): str(value) for key, value in line.get("metadata", {}).items()}
    return EvalDocument(_text(line, "id"), str(line.get("title", "")), _text(line, "text"), metadata)


def _question(line: dict[str, Any]) -> EvalQuestion:
    relevant = line["relevant"]
    if isinstance(relevant, list):
        relevant = dict.fromkeys(relevant, 1)
    grades = {str(key): int(grade) for key, grade in relevant.items()}
    if any(grade < 1 for grade in grades.values()):
        raise ValueError("relevant: grades are 1 or more")
    return EvalQuestion(_text(line, "id"), _text(line, "question"), grades, str(line.get("answer", "")))


def _text(line: dict[str, Any], key: str) -> str:
    value = line[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key}: must be a text")
    return value
