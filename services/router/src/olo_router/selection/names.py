"""What the name in a request stands for: a model, or an alias of one or several."""

from __future__ import annotations

from olo_common.errors import InvalidField
from olo_contracts.identifiers import AUTO_MODEL
from olo_router.errors import ModelNotFound
from olo_router.selection.draws import weighted_order
from olo_router.selection.ranking import Ranking
from olo_router.selection.request import Request
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Model

_LATEST = ":latest"


def named(snapshot: Snapshot, ranking: Ranking, request: Request) -> tuple[tuple[Model, ...], str]:
    """The models that were asked for, the drawn one first, and the alias where the name is one.

    Raises:
        ModelNotFound: There is no such name.
        InvalidField: What it stands for does something else.
    """
    name = request.model
    if name in ("", AUTO_MODEL):
        return (), ""
    found, alias = _stands_for(snapshot, name, request.request_id)
    visible = tuple(model for model in found if model.model_id not in ranking.hidden)
    if not visible:
        raise ModelNotFound(name)
    fitting = tuple(model for model in visible if model.model_type is request.model_type)
    if not fitting:
        raise InvalidField("model", f"{visible[0].model_id} is not a model for {request.model_type.value}")
    return fitting, alias


def _stands_for(snapshot: Snapshot, name: str, request_id: str) -> tuple[tuple[Model, ...], str]:
    # Ollama's clients write `name:latest` for `name`.
    for spelling in (name, name.removesuffix(_LATEST)):
        if (alias := snapshot.aliases.get(spelling)) is not None:
            drawn = weighted_order(alias.targets, alias.name, request_id)
            return tuple(snapshot.models[each] for each in drawn if each in snapshot.models), alias.name
        if (model := snapshot.models.get(spelling)) is not None:
            return (model,), ""
    return (), ""
