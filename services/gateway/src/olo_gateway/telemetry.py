"""What the gateway measures of itself."""

from __future__ import annotations

from typing import Final

from olo_common.metrics import Gauge
from olo_gateway.runs.admission.admission import Admission

RUNS_LIMIT: Final = Gauge("olo_gateway_runs_limit", "Runs that may be in flight now; the limit adapts to the load.")
RUNS_IN_FLIGHT: Final = Gauge("olo_gateway_runs_in_flight", "Runs in flight; parked ones are not counted.")
RUNS_REFUSED: Final = Gauge("olo_gateway_runs_refused", "Calls that were refused for overload since the start.")
INSTRUMENTS: Final = (RUNS_LIMIT, RUNS_IN_FLIGHT, RUNS_REFUSED)


def show(admission: Admission) -> None:
    """Shows how full the gateway is, whenever somebody looks."""
    RUNS_LIMIT.watch(lambda: admission.limit)
    RUNS_IN_FLIGHT.watch(lambda: admission.in_flight)
    RUNS_REFUSED.watch(admission.refused.total)
