"""Messages to plain values and back."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from olo.common.v1 import common_pb2
from olo.registry.v1 import registry_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_registry.catalogue.entry import PolicyChange
from olo_registry.leases.instance import Instance
from olo_registry.registry import ModelView, Update
from olo_registry.types import Announcement, HardwareType, ModelType, Stamp

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

_POLICY_PATHS = ("model_name", "priority", "default_flag", "enabled")
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
    return PolicyChange(
        model_name=request.model.model_name if "model_name" in paths else None,
        priority=request.model.priority if "priority" in paths else None,
        default_flag=request.model.default_flag if "default_flag" in paths else None,
        enabled=request.model.enabled if "enabled" in paths else None,
    )


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
        max_concurrency=sum(instance.max_concurrency for instance in view.instances),
        hardware_type=_HARDWARE_TYPES[entry.hardware_type],
        task_queue=entry.task_queue,
        embedding_dimension=entry.embedding_dimension,
        instances=[_instance_message(instance) for instance in view.instances],
        create_time=_timestamp(entry.create_time),
        update_time=_timestamp(entry.update_time),
    )


def update_message(update: Update) -> pb.WatchModelsResponse:
    """What a watcher gets."""
    return pb.WatchModelsResponse(
        version=update.version,
        registry_epoch=update.registry_epoch,
        snapshot=update.snapshot,
        models=[model_message(view) for view in update.models],
    )


def duration(seconds: float) -> Duration:
    """Seconds as a message."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _instance_message(instance: Instance) -> pb.Instance:
    return pb.Instance(
        instance_id=instance.instance_id,
        model_id=instance.model_id,
        address=instance.address,
        task_queue=instance.task_queue,
        max_concurrency=instance.max_concurrency,
        in_flight=instance.in_flight,
        context_limit=instance.context_limit,
        hardware_type=_HARDWARE_TYPES[instance.hardware_type],
        state=pb.INSTANCE_STATE_DRAINING if instance.draining else pb.INSTANCE_STATE_READY,
        epoch=instance.stamp.epoch,
        seq=instance.stamp.seq,
        announce_time=_timestamp(instance.announce_time),
    )


def _timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message
