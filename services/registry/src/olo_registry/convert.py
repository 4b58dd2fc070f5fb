"""Messages to plain values and back."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from olo.common.v1 import common_pb2
from olo.registry.v1 import registry_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_registry.catalogue.alias import Alias, Shadow, Target
from olo_registry.catalogue.entry import PolicyChange
from olo_registry.leases.conflicts import Conflict
from olo_registry.types import Announcement, HardwareType, ModelType, Stamp
from olo_registry.views import InstanceView, ModelView, State, Update

_MODEL_TYPES = {
    ModelType.LLM: common_pb2.MODEL_TYPE_LLM,
    ModelType.EMBEDDING: common_pb2.MODEL_TYPE_EMBEDDING,
}
_HARDWARE_TYPES = {
    HardwareType.CPU: common_pb2.HARDWARE_TYPE_CPU,
    HardwareType.GPU: common_pb2.HARDWARE_TYPE_GPU,
}
_MODEL_TYPE_OF = {number: model_type for model_type, number in _MODEL_TYPES.items()}
_HARDWARE_TYPE_OF = {number: hardware_type for hardware_type, number in _HARDWARE_TYPES.items()}

_STATES = {
    State.READY: pb.INSTANCE_STATE_READY,
    State.DRAINING: pb.INSTANCE_STATE_DRAINING,
    State.QUARANTINED: pb.INSTANCE_STATE_QUARANTINED,
}

_OPTIONAL = ("quality_score", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens")
_POLICY_PATHS = tuple(PolicyChange().__slots__)
_DEFAULT_PAGE = 100
_MAX_PAGE = 1000


def announcement_of(message: pb.InstanceAnnouncement) -> Announcement:
    """The announcement; types that are not known become None."""
    instance = message.instance
    return Announcement(
        instance_id=instance.instance_id,
        model_id=instance.model_id,
        stamp=Stamp(instance.epoch, instance.seq),
        model_name=message.model_name,
        model_type=_MODEL_TYPE_OF.get(message.model_type),
        priority=message.priority,
        default_flag=message.default_flag,
        max_concurrency=instance.max_concurrency,
        context_limit=instance.context_limit,
        hardware_type=_HARDWARE_TYPE_OF.get(instance.hardware_type),
        address=instance.address,
        task_queue=instance.task_queue,
        embedding_dimension=message.embedding_dimension,
        in_flight=instance.in_flight,
        draining=instance.state == pb.INSTANCE_STATE_DRAINING,
        capabilities=tuple(sorted(instance.capabilities)),
        labels=dict(instance.labels),
    )


def model_type_of(number: common_pb2.ModelType) -> ModelType | None:
    """The type to list; None for all.

    Raises:
        InvalidField: There is no such type.
    """
    if number == common_pb2.MODEL_TYPE_UNSPECIFIED:
        return None
    if number not in _MODEL_TYPE_OF:
        raise InvalidField("model_type", "must be LLM or EMBEDDING")
    return _MODEL_TYPE_OF[number]


def page_of(request: pb.ListModelsRequest) -> tuple[str, int]:
    """After which id the page begins, and how many models it may have.

    Raises:
        InvalidField: The token is not one of ours.
    """
    return _after(request.page_token), min(request.page_size or _DEFAULT_PAGE, _MAX_PAGE)


def page_token(last_id: str) -> str:
    """The token of the page that follows this model."""
    return base64.urlsafe_b64encode(last_id.encode()).decode()


def _after(token: str) -> str:
    try:
        # The strict decoder refuses what the lenient one would skip.
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidField("page_token", "must be a token from an earlier answer") from None


def change_of(request: pb.UpdateModelRequest) -> PolicyChange:
    """What the mask names.

    Raises:
        InvalidField: The mask names nothing, or something that is not policy.
    """
    paths = set(request.update_mask.paths)
    if not paths or not paths <= set(_POLICY_PATHS):
        raise InvalidField("update_mask", f"must name one or more of {', '.join(_POLICY_PATHS)}")
    values = {path: _policy_value(request.model, path) for path in paths}
    return PolicyChange(**values)


def _policy_value(model: pb.Model, path: str) -> Any:
    if path in _OPTIONAL and not model.HasField(path):
        return None
    value = getattr(model, path)
    if path in ("capabilities", "allowed_tenants"):
        return tuple(sorted(value))
    return dict(value) if path == "labels" else value


def model_message(view: ModelView) -> pb.Model:
    """A model with its live instances."""
    entry = view.entry
    return pb.Model(
        model_id=entry.model_id,
        model_name=entry.model_name,
        model_type=_MODEL_TYPES[entry.model_type],
        priority=entry.priority,
        default_flag=entry.default_flag,
        enabled=entry.enabled,
        context_limit=entry.context_limit,
        max_concurrency=sum(seen.instance.max_concurrency for seen in view.instances),
        hardware_type=_HARDWARE_TYPES[entry.hardware_type],
        task_queue=entry.task_queue,
        embedding_dimension=entry.embedding_dimension,
        instances=[_instance_message(seen) for seen in view.instances],
        create_time=_timestamp(entry.create_time),
        update_time=_timestamp(entry.update_time),
        quality_score=view.worth.quality_score,
        cost_per_1k_input_tokens=view.worth.cost_per_1k_input_tokens,
        cost_per_1k_output_tokens=view.worth.cost_per_1k_output_tokens,
        labels=entry.labels,
        capabilities=view.capabilities,
        allowed_tenants=entry.allowed_tenants,
        conflicts=[_conflict_message(conflict) for conflict in view.conflicts],
    )


def update_message(update: Update) -> pb.WatchModelsResponse:
    """What a watcher gets."""
    return pb.WatchModelsResponse(
        version=update.version,
        registry_epoch=update.registry_epoch,
        snapshot=update.snapshot,
        models=[model_message(view) for view in update.models],
        aliases=[alias_message(alias) for alias in update.aliases],
        removed_aliases=update.removed_aliases,
    )


def alias_of(message: pb.Alias) -> Alias:
    """The alias; its targets are in the order of their ids."""
    targets = tuple(sorted(Target(target.model_id, target.weight) for target in message.targets))
    told = message.shadow
    return Alias(message.alias, targets, Shadow(told.model_id, told.percent) if message.HasField("shadow") else None)


def alias_message(alias: Alias) -> pb.Alias:
    """A name and what it stands for."""
    targets = [pb.AliasTarget(model_id=target.model_id, weight=target.weight) for target in alias.targets]
    message = pb.Alias(alias=alias.name, targets=targets)
    if (shadow := alias.shadow) is not None:
        message.shadow.model_id, message.shadow.percent = shadow.model_id, shadow.percent
        message.shadow.SetInParent()
    return message


def _conflict_message(conflict: Conflict) -> pb.Conflict:
    return pb.Conflict(
        instance_id=conflict.instance_id,
        field=conflict.field,
        expected=conflict.expected,
        announced=conflict.announced,
    )


def _instance_message(seen: InstanceView) -> pb.Instance:
    instance = seen.instance
    return pb.Instance(
        instance_id=instance.instance_id,
        model_id=instance.model_id,
        address=instance.address,
        task_queue=instance.task_queue,
        max_concurrency=instance.max_concurrency,
        in_flight=instance.in_flight,
        context_limit=instance.context_limit,
        hardware_type=_HARDWARE_TYPES[instance.hardware_type],
        state=_STATES[seen.state],
        epoch=instance.stamp.epoch,
        seq=instance.stamp.seq,
        announce_time=_timestamp(instance.announce_time),
        capabilities=instance.capabilities,
        labels=instance.labels,
        state_reason=seen.reason,
    )


def _timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message
