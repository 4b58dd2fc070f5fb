"""Which announcements, heartbeats and policies are well formed. Nothing that fails here gets any further."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Final

from olo_common.errors import InvalidField
from olo_contracts.identifiers import MODEL_ID, is_valid
from olo_registry.catalogue.entry import MAX_PRIORITY, UNSET, PolicyChange, Unset, task_queue_of
from olo_registry.types import Announcement, HardwareType, ModelType, Stamp

INSTANCE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]")
_MAX_NAME: Final = 256
_MAX_COUNTER: Final = 2**63 - 1
_MAX_IN_FLIGHT: Final = 1_000_000
_MAX_COST: Final = 1000.0
_CAPABILITY: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_MAX_CAPABILITIES: Final = 32
_MAX_LABELS: Final = 32
_MAX_TENANTS: Final = 1000


def validate_announcement(announcement: Announcement) -> tuple[ModelType, HardwareType]:
    """Checks every field; gives the types, which an announcement may lack.

    Raises:
        InvalidField: Naming the first field that is out of range.
    """
    said = announcement
    validate_identity(said.instance_id, said.model_id, said.stamp, said.in_flight)
    if said.model_type is None:
        raise InvalidField("model_type", "must be llm or embedding")
    if said.hardware_type is None:
        raise InvalidField("hardware_type", "must be cpu or gpu")
    _within("max_concurrency", said.max_concurrency, 1, 1024)
    _within("context_limit", said.context_limit, 1, 10_000_000)
    _within("priority", said.priority, 0, MAX_PRIORITY)
    if said.model_type is ModelType.EMBEDDING:
        _within("embedding_dimension", said.embedding_dimension, 1, 65_536)
    elif said.embedding_dimension != 0:
        raise InvalidField("embedding_dimension", "must be 0 for a model that does not embed")
    if said.model_name:
        _validate_name("model_name", said.model_name)
    if said.task_queue != (expected := task_queue_of(said.model_id, said.model_type)):
        raise InvalidField("task_queue", f"must be {expected}")
    _validate_address(said.address)
    _validate_capabilities("capabilities", said.capabilities)
    _validate_labels("labels", said.labels)
    return said.model_type, said.hardware_type


def validate_identity(instance_id: str, model_id: str, stamp: Stamp, in_flight: int = 0) -> None:
    """Checks what every event of an instance holds.

    Raises:
        InvalidField: Naming the first field that is out of range.
    """
    validate_instance_id(instance_id)
    if not is_valid(MODEL_ID, model_id):
        raise InvalidField("model_id", "must be 1 to 128 letters, digits and ._:/-, beginning with a letter or digit")
    _within("epoch", stamp.epoch, 0, _MAX_COUNTER)
    _within("seq", stamp.seq, 0, _MAX_COUNTER)
    _within("in_flight", in_flight, 0, _MAX_IN_FLIGHT)


def validate_instance_id(instance_id: str) -> None:
    """Checks the spelling.

    Raises:
        InvalidField: It is not an instance id.
    """
    if not is_valid(INSTANCE_ID, instance_id):
        raise InvalidField("instance_id", "must be 1 to 128 letters, digits and ._:-, beginning with a letter or digit")


def validate_change(change: PolicyChange) -> None:
    """Checks what the operator asks for.

    Raises:
        InvalidField: Naming the first field that is out of range.
    """
    if change.priority is not UNSET:
        _within("model.priority", change.priority, 0, MAX_PRIORITY)
    if change.model_name is not UNSET:
        _validate_name("model.model_name", change.model_name)
    _number("model.quality_score", change.quality_score, 1.0)
    _number("model.cost_per_1k_input_tokens", change.cost_per_1k_input_tokens, _MAX_COST)
    _number("model.cost_per_1k_output_tokens", change.cost_per_1k_output_tokens, _MAX_COST)
    if change.labels is not UNSET:
        _validate_labels("model.labels", change.labels)
    if change.capabilities is not UNSET:
        _validate_capabilities("model.capabilities", change.capabilities)
    if change.allowed_tenants is not UNSET:
        _validate_all("model.allowed_tenants", change.allowed_tenants, _TENANT, _MAX_TENANTS)


def _within(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidField(field, f"must be {low} to {high}")


def _number(field: str, value: float | Unset | None, high: float) -> None:
    if isinstance(value, Unset) or value is None:
        return
    if not (math.isfinite(value) and 0 <= value <= high):
        raise InvalidField(field, f"must be 0 to {high:g}")


def _validate_capabilities(field: str, capabilities: Collection[str]) -> None:
    _validate_all(field, capabilities, _CAPABILITY, _MAX_CAPABILITIES)


def _validate_labels(field: str, labels: Mapping[str, str]) -> None:
    _validate_all(field, labels, _LABEL, _MAX_LABELS)
    for value in labels.values():
        if value:
            _validate_name(field, value)


def _validate_all(field: str, values: Collection[str], spelling: re.Pattern[str], most: int) -> None:
    if len(values) > most:
        raise InvalidField(field, f"must be at most {most}")
    if len(set(values)) < len(values):
        raise InvalidField(field, "must hold each only once")
    if not all(spelling.fullmatch(value) for value in values):
        raise InvalidField(field, f"must be spelled {spelling.pattern}")


def _validate_name(field: str, name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidField(field, f"must be 1 to {_MAX_NAME} printable characters")


def _validate_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    right_port = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535
    if not right_port or _HOST.fullmatch(host) is None:
        raise InvalidField("address", "must be host:port")
