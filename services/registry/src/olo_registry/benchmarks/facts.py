"""What a source says of a model, and what follows from it for choosing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

ELO_SCALE = 400.0
"""So many points more mean ten to one odds."""


class Source(Enum):
    """Who publishes; the value is its name everywhere."""

    OPENROUTER = "openrouter"
    LMARENA = "lmarena"
    HUGGING_FACE = "hugging_face"


@dataclass(frozen=True, slots=True)
class Record:
    """What a source says of one model; None: it does not say."""

    name: str
    """The source's own name of it."""
    other_names: tuple[str, ...] = ()
    elo: float | None = None
    input_cost: float | None = None
    """US dollars for 1000 tokens."""
    output_cost: float | None = None
    """US dollars for 1000 tokens."""
    context_limit: int | None = None
    license: str | None = None
    parameters: int | None = None
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceState:
    """The last good word of a source, kept for when it is away."""

    source: Source
    records: tuple[Record, ...] = ()
    fetch_time: datetime | None = None
    """When the records were published to us; None: never."""
    check_time: datetime | None = None
    """When the source was asked last."""
    problem: str = ""
    """Why the last attempt brought nothing; empty: it did, or nothing was new."""
    validators: Mapping[str, str] = field(default_factory=dict)
    """By address: the entity tag of what it gave last."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a source says of one of our models."""

    name: str
    value: str
    source: Source
    record: str
    observe_time: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """What a person has decided of a model in a source; None: it has no record there."""

    model_id: str
    source: Source
    record: str | None


def facts_of(record: Record, source: Source, observe_time: datetime) -> list[Fact]:
    """Everything that the record says."""
    said = {
        "elo": record.elo,
        "cost_per_1k_input_tokens": record.input_cost,
        "cost_per_1k_output_tokens": record.output_cost,
        "context_limit": record.context_limit,
        "license": record.license,
        "parameters": record.parameters,
        "capabilities": ", ".join(record.capabilities) or None,
    }
    return [
        Fact(name, f"{value:g}" if isinstance(value, float) else str(value), source, record.name, observe_time)
        for name, value in said.items()
        if value is not None
    ]


def quality_scores(records: Iterable[Record]) -> dict[str, float]:
    """Each rated record's chance, 0 to 1, of being preferred to the median one of its board."""
    rated = {record.name: record.elo for record in records if record.elo is not None}
    if not rated:
        return {}
    median = statistics.median(rated.values())
    return {name: 1.0 / (1.0 + 10.0 ** ((median - elo) / ELO_SCALE)) for name, elo in rated.items()}
