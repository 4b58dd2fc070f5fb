"""GET /v1/models."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from olo.common.v1.common_pb2 import MODEL_TYPE_UNSPECIFIED
from olo_contracts.identifiers import MODEL_ID, is_valid
from olo_gateway.errors import ModelNotFound
from olo_gateway.http.answers import model_of
from olo_gateway.http.model_schemas import Model, ModelList
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Catalogue

_PAGE: Final = 1000
_AWAY: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "The registry is away.", **AN_ERROR}}
_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "The model does not exist.", **AN_ERROR}}


def model_routes(catalogue: Catalogue) -> APIRouter:
    """The routes of models."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", summary="List the models", responses=_AWAY)
    async def list_models() -> ModelList:
        models: list[Model] = []
        token = ""
        while True:
            page = await catalogue.list(_PAGE, token, MODEL_TYPE_UNSPECIFIED)
            models += [model_of(model) for model in page.models]
            token = page.next_page_token
            if not token:
                return ModelList(data=models)

    @router.get("/v1/models/{model_id:path}", summary="Show a model", responses=_UNKNOWN | _AWAY)
    async def get_model(model_id: str) -> Model:
        if not is_valid(MODEL_ID, model_id):
            raise ModelNotFound
        return model_of(await catalogue.get(model_id))

    return router
