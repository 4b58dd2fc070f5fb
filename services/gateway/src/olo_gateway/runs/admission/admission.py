"""Admission: who is let in, and a quick and honest refusal of everybody else."""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_gateway.errors import GatewayStopping, Overloaded
from olo_gateway.runs.admission.appointments import Appointments
from olo_gateway.runs.admission.limit import AdaptiveLimit, Bounds
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.admission.tenants import Tenants

_UNKNOWN_SECONDS: Final = 1.0
"""How long a run is taken to last while none has ended."""
_MAX_REMEMBERED: Final = 10_000
"""Accepted runs whose callers may come back; one that is forgotten is admitted like a new one."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who wants a place.

    Attributes:
        run_id: The run that it is about.
        kind: What its run is compared with: the model that it names.
        timeout: Seconds that it has.
        tenant: Whose it is.
        priority: How urgent it is.
    """

    run_id: str = ""
    kind: str = ""
    timeout: float = float("inf")
    tenant: str = ""
    priority: Priority = Priority.NORMAL


class Place:
    """A place that is taken; or, for who comes back to a run, one beside those that are counted."""

    def __init__(self, clock: Callable[[], float], in_flight: int, tenant: str | None = None) -> None:
        self._clock = clock
        self._began = clock()
        self._ended: float | None = None
        self.in_flight = in_flight
        self.tenant = tenant
        """Who is charged for it; None: nobody."""
        self.run_seconds = 0.0
        """How long the run says that it took."""
        self.tokens = 0
        """Of the answer."""
        self.spent: int | None = None
        """Tokens of the answer and of what was asked; None: nobody knows."""
        self.accepted = False
        """Whether the run is durable: from then on its callers are never turned away."""
        self.disturbed = False
        """Whether a worker was lost over the run, or it was parked: that is no load."""
        self.aside = False
        """Whether the run is parked: it is not counted as in flight then."""

    def answered(self) -> None:
        """The run has ended; what its caller does with the answer is not its time."""
        if self._ended is None:
            self._ended = self._clock()

    @property
    def seconds(self) -> float:
        """From being let in to the answer."""
        return (self._clock() if self._ended is None else self._ended) - self._began

    @property
    def joined(self) -> bool:
        """Whether the caller came to a run that was there already."""
        return self.run_seconds > self.seconds


class Admission:
    """Counts the runs in flight and holds them below a limit that adapts.

    Args:
        bounds: What the limit may be.
        clock: Monotonic seconds.
        jitter: Gives numbers from 0 to 1, which spread the retries of refused callers.
        refuse: Is told why a caller is not let in: `full`, `deadline`, `visitors` or `stopping`.
    """

    def __init__(
        self,
        bounds: Bounds,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        refuse: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._bounds = bounds
        self._limit = AdaptiveLimit(bounds)
        self._clock = clock
        self._refuse = refuse
        self._tenants = Tenants()
        self._appointments = {priority: Appointments(jitter) for priority in Priority}
        self._accepted: OrderedDict[str, None] = OrderedDict()
        self._returned = 0
        self._aside = 0
        self._closed = False
        self.in_flight = 0
        self.refused: Counter[Priority] = Counter()
        """Refusals so far."""

    @property
    def limit(self) -> int:
        """Runs that may be in flight now."""
        return self._limit.now

    @property
    def parked(self) -> int:
        """Runs of callers who wait here that are parked, and take no place."""
        return self._aside

    def close(self) -> None:
        """Lets nobody in any more; those who are in stay."""
        self._closed = True

    @contextmanager
    def place(self, applicant: Applicant) -> Iterator[Place]:
        """Holds one place while entered. Who comes back to an accepted run takes none: it is in flight or over already.

        Raises:
            GatewayStopping: Nobody is let in any more.
            Overloaded: There is no place, or the answer would come too late.
        """
        if applicant.run_id in self._accepted and self._returned < self._bounds.highest and not self._closed:
            with self.visit():
                yield Place(self._clock, self.in_flight)
            return
        self._admit(applicant)
        self._take(applicant.tenant)
        place = Place(self._clock, self.in_flight, applicant.tenant)
        try:
            yield place
            self._learn(applicant, place, place.tokens)
        except OloError as error:
            # A part that does not answer may be overloaded, too; where that took no time it does not count.
            if error.code is ErrorCode.DEADLINE_EXCEEDED or error.reason == Unavailable.reason:
                self._learn(applicant, place, None)
            raise
        finally:
            if place.accepted:
                self._remember(applicant.run_id)
            if place.aside:
                self._aside -= 1
            else:
                self._give_back(applicant.tenant)

    def recall(self, run_id: str) -> None:
        """Notes a run that was accepted elsewhere, or before this process: who comes back to it takes no place."""
        self._remember(run_id)

    def step_aside(self, place: Place) -> None:
        """Lets others in for a run that is parked: it costs nothing. Beyond a bound, it keeps its place."""
        if place.tenant is None or place.aside or self._aside >= self._bounds.highest:
            return
        place.aside = place.disturbed = True
        self._aside += 1
        self._give_back(place.tenant)

    def step_back(self, place: Place) -> None:
        """Counts a run again that has been parked; above the limit, too, for it was accepted."""
        if place.tenant is not None and place.aside:
            place.aside = False
            self._aside -= 1
            self._take(place.tenant)

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Lets somebody in who follows a run of somebody else: it takes no place; visitors are bounded, too.

        Raises:
            GatewayStopping: Nobody is let in any more.
            Overloaded: There are too many.
        """
        if self._closed:
            self._refuse("stopping")
            raise GatewayStopping
        if self._returned >= self._bounds.highest:
            self._refuse("visitors")
            raise Overloaded("too many callers follow runs; try again later", retry_after=_UNKNOWN_SECONDS)
        self._returned += 1
        try:
            yield
        finally:
            self._returned -= 1

    def _take(self, tenant: str) -> None:
        self.in_flight += 1
        self._tenants.took(tenant)
        self._limit.began(self.in_flight)

    def _give_back(self, tenant: str) -> None:
        self.in_flight -= 1
        self._tenants.gave_back(tenant)

    def _admit(self, applicant: Applicant) -> None:
        if self._closed:
            self._refuse("stopping")
            raise GatewayStopping
        now = self._clock()
        self._tenants.asked(applicant.tenant, now)
        places = max(1, int(self._limit.now * applicant.priority.share))
        places -= self._tenants.kept_from(applicant.tenant, places)
        if self.in_flight >= places:
            self._refuse("full")
            raise self._refusal("too many requests are in flight; try again later", applicant, now)
        calm, expected = self._limit.expected(applicant.kind)
        if self.in_flight >= self._bounds.lowest and calm <= applicant.timeout < expected:
            self._refuse("deadline")
            raise self._refusal("the answer would come after the deadline; try again later", applicant, now)

    def _remember(self, run_id: str) -> None:
        self._accepted[run_id] = None
        if len(self._accepted) > _MAX_REMEMBERED:
            self._accepted.popitem(last=False)

    def _refusal(self, message: str, applicant: Applicant, now: float) -> Overloaded:
        self.refused[applicant.priority] += 1
        each = (self._limit.usual_seconds or _UNKNOWN_SECONDS) / max(1, self.in_flight)
        return Overloaded(
            message,
            retry_after=self._appointments[applicant.priority].make(now, each),
            metadata={"in_flight": str(self.in_flight), "limit": str(self._limit.now)},
        )

    def _learn(self, applicant: Applicant, place: Place, tokens: int | None) -> None:
        """Runs that failed, or were there before, or were disturbed, say nothing about how long one takes."""
        if not place.joined and not place.disturbed:
            most = max(place.in_flight, self.in_flight)
            self._limit.ended(applicant.kind, place.seconds, most_in_flight=most, tokens=tokens)
