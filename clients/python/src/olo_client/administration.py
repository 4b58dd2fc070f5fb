"""Requests of an operator to the registry, from plain Python values; both clients share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from google.protobuf.field_mask_pb2 import FieldMask

from olo.registry.v1 import registry_service_pb2 as pb
from olo_client.errors import InvalidRequestError


class Policy(TypedDict, total=False):
    """What the operator decides of a model; what is left out stays as it is, None leaves a number to the benchmarks.

    Attributes:
        model_name: Name for people.
        priority: 0 to 1000; higher is chosen first.
        default_flag: Whether it is chosen when the caller names no model.
        enabled: A disabled model is never chosen.
        quality_score: 0 to 1.
        cost_per_1k_input_tokens: US dollars.
        cost_per_1k_output_tokens: US dollars.
        labels: All labels.
        capabilities: All that it can do; empty: what its instances say.
        allowed_tenants: Who may use it; empty: everybody.
    """

    model_name: str
    priority: int
    default_flag: bool
    enabled: bool
    quality_score: float | None
    cost_per_1k_input_tokens: float | None
    cost_per_1k_output_tokens: float | None
    labels: Mapping[str, str]
    capabilities: Sequence[str]
    allowed_tenants: Sequence[str]


def update_request(model_id: str, **policy: Unpack[Policy]) -> pb.UpdateModelRequest:
    """The request that sets what is given.

    Raises:
        InvalidRequestError: A value does not fit its field.
    """
    values: dict[str, Any] = {name: value for name, value in policy.items() if value is not None}
    try:
        model = pb.Model(model_id=model_id, **values)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("INVALID_ARGUMENT", "field_invalid", str(error)) from error
    return pb.UpdateModelRequest(model=model, update_mask=FieldMask(paths=sorted(policy)))


def alias_request(
    alias: str, targets: str | Mapping[str, int], shadow: tuple[str, int] | None = None
) -> pb.SetAliasRequest:
    """The request that makes a name stand for a model, or for several with weights.

    Args:
        alias: The name.
        targets: What it stands for.
        shadow: A model that requests are mirrored to once they are answered, and of a hundred of them how many.

    Raises:
        InvalidRequestError: A weight or the share is no number that fits.
    """
    weights = {targets: 1} if isinstance(targets, str) else targets
    try:
        found = [pb.AliasTarget(model_id=model_id, weight=weight) for model_id, weight in weights.items()]
        mirrored = None if shadow is None else pb.AliasShadow(model_id=shadow[0], percent=shadow[1])
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("INVALID_ARGUMENT", "field_invalid", str(error)) from error
    return pb.SetAliasRequest(alias=pb.Alias(alias=alias, targets=found, shadow=mirrored))
