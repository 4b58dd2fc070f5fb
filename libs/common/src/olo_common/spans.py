"""What records spans: OpenTelemetry's API on the one side, the exporter of its SDK on the other, and little between.

The spans of the SDK have locks, limits, events and links, none of which is used here, and take six times the CPU
to make (docs/adr/0042).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

_SCOPE: Final = InstrumentationScope("olo", "")
_AT_RANDOM: Final = TraceFlags(TraceFlags.RANDOM_TRACE_ID)
_AT_RANDOM_SAMPLED: Final = TraceFlags(TraceFlags.RANDOM_TRACE_ID | TraceFlags.SAMPLED)
_UNSET: Final = Status()

Named = Callable[[Exception], str]
"""Names an error."""


class CurrentSpan(NonRecordingSpan):
    """The current span while it is entered; as it is, one of a trace that is not sampled, which takes nothing."""

    _token: Token[Context]

    def __enter__(self) -> Self:
        """Makes it the current one."""
        self._token = attach(set_span_in_context(self))
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Makes the one before the current one again."""
        detach(self._token)

    def fail(self, problem: str) -> None:
        """Tells that what it is about has failed, by a kind of error."""


class RecordedSpan(CurrentSpan):
    """A span that is exported when it has ended. It keeps attributes and how it has ended, neither events nor links.

    An error that leaves it is told by its kind alone: its text may hold anything.
    """

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        *,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        named: Named,
        start: int,
    ) -> None:
        self._recorder = recorder
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._attributes = attributes
        self._named = named
        self._start = start
        self._status = _UNSET
        self._ended = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends it."""
        super().__exit__(kind, error, at)
        if isinstance(error, Exception):
            self.fail(self._named(error))
        self.end()

    def is_recording(self) -> bool:
        """Whether it goes on."""
        return not self._ended

    def set_attribute(self, key: str, value: Any) -> None:
        """Adds an attribute; nothing once it has ended."""
        if not self._ended:
            self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Adds attributes; nothing once it has ended."""
        if not self._ended:
            self._attributes.update(attributes)

    def update_name(self, name: str) -> None:
        """Names it anew."""
        self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Tells how it has ended."""
        self._status = status if isinstance(status, Status) else Status(status, description)

    def fail(self, problem: str) -> None:
        """Tells that what it is about has failed, by a kind of error."""
        self._attributes["error.type"] = problem
        self._status = Status(StatusCode.ERROR)

    def end(self, end_time: int | None = None) -> None:
        """Ends it; the first end holds."""
        if self._ended:
            return
        self._ended = True
        self._recorder.take(
            ReadableSpan(
                self._name,
                self._context,
                self._parent,
                self._recorder.resource,
                self._attributes,
                kind=self._kind,
                status=self._status,
                start_time=self._start,
                end_time=end_time or time.time_ns(),
                instrumentation_scope=_SCOPE,
            )
        )


class Recorder:
    """Begins spans, and hands those that have ended to a processor.

    Args:
        service: Who tells them.
        share: The share of traces that are kept, of those that no caller has decided about.
        processor: Takes them.
    """

    def __init__(self, service: str, share: float, processor: SpanProcessor) -> None:
        self.resource = Resource.create({"service.name": f"olo-{service}"})
        self.take = processor.on_end
        self._bound = TraceIdRatioBased.get_bound_for_rate(share)
        self._ids = RandomIdGenerator()

    def begin(
        self,
        name: str,
        parent: SpanContext,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        *,
        named: Named,
        start: int = 0,
        span_id: int = 0,
    ) -> CurrentSpan:
        """Begins a span; one that takes nothing where its trace is not sampled.

        Args:
            name: Its name.
            parent: Where it hangs; an invalid one: nowhere, and it is decided whether the new trace is sampled.
            kind: On which side of a call it is.
            attributes: What is known of it.
            named: Names an error that leaves it.
            start: When it began, in nanoseconds since the epoch; 0: now.
            span_id: Its id; 0: any.
        """
        if parent.is_valid:
            if not parent.trace_flags.sampled:
                return CurrentSpan(parent)
            above, trace_id, flags = parent, parent.trace_id, parent.trace_flags
        else:
            above, trace_id = None, self._ids.generate_trace_id()
            flags = _AT_RANDOM_SAMPLED if trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound else _AT_RANDOM
        own = SpanContext(trace_id, span_id or self._ids.generate_span_id(), False, flags, parent.trace_state)
        if above is None and not flags.sampled:
            return CurrentSpan(own)
        return RecordedSpan(
            self,
            name,
            context=own,
            parent=above,
            kind=kind,
            attributes=dict(attributes or ()),
            named=named,
            start=start or time.time_ns(),
        )
