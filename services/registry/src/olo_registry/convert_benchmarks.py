"""What is known of sources and facts, as messages."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from olo.registry.v1 import benchmark_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_registry.benchmarks.facts import Fact, Source, SourceState
from olo_registry.benchmarks.matching import Resolution


def source_of(name: str) -> Source:
    """The source of this name.

    Raises:
        InvalidField: There is none.
    """
    try:
        return Source(name)
    except ValueError:
        raise InvalidField("source", f"must be one of {', '.join(source.value for source in Source)}") from None


def source_message(state: SourceState) -> pb.BenchmarkSource:
    """What is known of a source."""
    return pb.BenchmarkSource(
        source=state.source.value,
        records=len(state.records),
        fetch_time=_timestamp(state.fetch_time),
        check_time=_timestamp(state.check_time),
        problem=state.problem,
    )


def fact_message(fact: Fact) -> pb.ModelFact:
    """One thing that a source says."""
    return pb.ModelFact(
        name=fact.name,
        value=fact.value,
        source=fact.source.value,
        record=fact.record,
        observe_time=_timestamp(fact.observe_time),
    )


def review_message(model_id: str, source: Source, resolution: Resolution) -> pb.MatchReview:
    """A model and the records that may mean it."""
    candidates = [pb.MatchCandidate(record=found.record, doubts=found.doubts) for found in resolution.doubtful]
    return pb.MatchReview(model_id=model_id, source=source.value, candidates=candidates)


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message
