"""What a model must offer, from plain Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, TypedDict

from olo.common.v1.common_pb2 import HardwareType
from olo.router.v1 import router_service_pb2 as pb

_LONGEST_SECONDS = 1e9
_HARDWARE = {"cpu": HardwareType.HARDWARE_TYPE_CPU, "gpu": HardwareType.HARDWARE_TYPE_GPU}


class Constraints(TypedDict, total=False):
    """What a model must offer; what is left out does not matter.

    Attributes:
        min_quality: 0 to 1. A model whose quality is not known does not meet it.
        max_latency: Seconds that the whole answer may be expected to take.
        max_cost_per_1k_tokens: US dollars. A model whose cost is not known does not meet it.
        min_context: Tokens.
        hardware: What it runs on.
        labels: Labels that it must have.
        capabilities: What it must be able to do, such as "tools" or "json".
    """

    min_quality: float
    max_latency: float
    max_cost_per_1k_tokens: float
    min_context: int
    hardware: Literal["cpu", "gpu"]
    labels: Mapping[str, str]
    capabilities: Sequence[str]


def constraints_message(wanted: Constraints) -> pb.Constraints:
    """The message.

    Raises:
        ValueError: The hardware is neither cpu nor gpu, or a value does not fit its field.
        TypeError: A value is of the wrong type.
    """
    hardware = wanted.get("hardware")
    if hardware is not None and hardware not in _HARDWARE:
        raise ValueError("constraints.hardware: must be cpu or gpu")
    message = pb.Constraints(
        min_quality=wanted.get("min_quality"),
        max_cost_per_1k_tokens=wanted.get("max_cost_per_1k_tokens"),
        min_context=wanted.get("min_context", 0),
        hardware_type=_HARDWARE[hardware] if hardware else HardwareType.HARDWARE_TYPE_UNSPECIFIED,
        labels=wanted.get("labels", {}),
        capabilities=wanted.get("capabilities", ()),
    )
    if (latency := wanted.get("max_latency")) is not None:
        message.max_latency.FromTimedelta(timedelta(seconds=min(latency, _LONGEST_SECONDS)))
    return message
