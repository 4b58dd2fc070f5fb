"""Models of the registry as the Ollama dialect shows them. What nobody has said is null."""

from __future__ import annotations

from collections.abc import Sequence

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING
from olo.inference.v1.inference_service_pb2 import GetModelInfoResponse
from olo.registry.v1 import registry_service_pb2 as registry
from olo_gateway.http.ollama.names import name_of, written
from olo_gateway.http.ollama.schemas import Details, ListedModel, LoadedModel, Shown


def listed(models: Sequence[registry.Model], aliases: Sequence[registry.Alias]) -> list[ListedModel]:
    """Models that may be chosen, and the aliases of such."""
    enabled = {model.model_id: model for model in models if model.enabled}
    named = dict(enabled)
    for alias in aliases:
        target = next((enabled[each.model_id] for each in alias.targets if each.model_id in enabled), None)
        if target is not None:
            named[alias.alias] = target
    return [
        ListedModel(
            name=name_of(name),
            model=name_of(name),
            modified_at=written(model.update_time),
            details=Details(),
            capabilities=_capabilities(model),
        )
        for name, model in sorted(named.items())
    ]


def loaded(model: registry.Model) -> LoadedModel:
    """A model that workers hold in memory."""
    name = name_of(model.model_id)
    return LoadedModel(name=name, model=name, context_length=model.context_limit, details=Details())


def shown(model: registry.Model, info: GetModelInfoResponse | None) -> Shown:
    """What is known of a model; `info` is what an instance says of it."""
    family = (info.family if info is not None else "") or None
    sizes = {f"{family or 'general'}.context_length": model.context_limit}
    if model.embedding_dimension:
        sizes[f"{family or 'general'}.embedding_length"] = model.embedding_dimension
    return Shown(
        modified_at=written(model.update_time),
        license=info.license if info is not None else "",
        details=Details(
            family=family,
            families=[family] if family else None,
            quantization_level=(info.quantization if info is not None else "") or None,
        ),
        model_info={"general.architecture": family, "general.basename": model.model_name, **sizes},
        capabilities=_capabilities(model),
    )


def _capabilities(model: registry.Model) -> list[str]:
    """What this dialect can be used for with the model."""
    if model.model_type == MODEL_TYPE_EMBEDDING:
        return ["embedding"]
    return ["completion", "tools"] if "tools" in model.capabilities else ["completion"]
