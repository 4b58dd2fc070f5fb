"""What the Ollama dialect asks about models: lists, details, and its calls that change which models there are."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from olo.registry.v1 import registry_service_pb2 as registry
from olo_common.errors import ErrorCode, InvalidField, OloError
from olo_gateway.errors import ModelNotFound, NotOffered
from olo_gateway.http.ollama import schemas
from olo_gateway.http.ollama.answers import line
from olo_gateway.http.ollama.any_type import AnyTypeRoute
from olo_gateway.http.ollama.errors import AS_LINES, LINES, responses
from olo_gateway.http.ollama.models import listed, loaded, shown
from olo_gateway.http.ollama.names import model_of
from olo_gateway.ports import Fleet, Inspecting

DIALECT_VERSION: Final = "0.12.0"
"""Clients read from the version which calls there are: these are those of this version of Ollama, so far as they are
served."""
_ELSEWHERE: Final = "models come and go with the workers that serve them; start or stop a worker"


def model_routes(fleet: Fleet, inspecting: Inspecting) -> APIRouter:
    """The routes about models."""
    router = APIRouter(route_class=AnyTypeRoute, tags=["ollama"])

    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def root() -> Response:
        return PlainTextResponse("Ollama is running")

    @router.head("/api/version", include_in_schema=False)
    @router.get("/api/version", summary="Show which version of the dialect is spoken")
    async def version() -> schemas.Version:
        return schemas.Version(version=DIALECT_VERSION)

    @router.head("/api/tags", include_in_schema=False)
    @router.get("/api/tags", summary="List models and aliases", responses=responses(503))
    async def tags() -> schemas.Tags:
        return schemas.Tags(models=listed(await fleet.models(), await fleet.aliases()))

    @router.get("/api/ps", summary="List the models that workers hold in memory", responses=responses(503))
    async def ps() -> schemas.Loaded:
        return schemas.Loaded(models=[loaded(model) for model in await fleet.models() if model.instances])

    @router.post("/api/show", summary="Show a model", responses=responses(400, 404, 415, 503))
    async def show(body: schemas.NamedRequest) -> schemas.Shown:
        model = await _found(fleet, _name(body))
        return shown(model, await inspecting.info(model))

    @router.post(
        "/api/pull",
        response_model=schemas.Status,
        summary="Say that a model is there",
        description=f"Nothing is downloaded: {_ELSEWHERE}.",
        responses=AS_LINES | responses(400, 404, 415, 503),
    )
    async def pull(body: schemas.NamedRequest) -> Response:
        await _found(fleet, _name(body))
        done = schemas.Status(status="success").model_dump()
        return Response(line(done), media_type=LINES) if body.stream else JSONResponse(done)

    @router.post(
        "/api/copy",
        response_class=Response,
        summary="Make an alias of a model",
        responses=responses(400, 404, 415, 503),
    )
    async def copy(body: schemas.CopyRequest) -> Response:
        name = model_of(body.destination)
        targets = await _targets(fleet, model_of(body.source))
        if any(model.model_id == name for model in await fleet.models()):
            raise InvalidField("destination", "is a model; choose a name that is none")
        # What an operator has weighed is not lost to a copy.
        if any(alias.alias == name and list(alias.targets) != targets for alias in await fleet.aliases()):
            raise InvalidField("destination", "is an alias of something else; delete it first")
        await fleet.set_alias(registry.Alias(alias=name, targets=targets))
        return Response()

    @router.delete(
        "/api/delete", response_class=Response, summary="End an alias", responses=responses(400, 404, 415, 501, 503)
    )
    async def delete(body: schemas.NamedRequest) -> Response:
        name = model_of(_name(body))
        if name not in {alias.alias for alias in await fleet.aliases()}:
            await fleet.model(name)
            raise NotOffered(f"only aliases can be deleted: {_ELSEWHERE}")
        await fleet.delete_alias(name)
        return Response()

    async def refused() -> Response:
        raise NotOffered(f"models are not made here: {_ELSEWHERE}")

    for method, path in (("POST", "/api/create"), ("POST", "/api/push"), ("POST", "/api/blobs/{digest}")):
        router.add_api_route(path, refused, methods=[method], summary="Refused", responses=responses(501))
    return router


def _name(body: schemas.NamedRequest) -> str:
    name = body.model or body.name or ""
    if not model_of(name):
        raise InvalidField("model", "is missing")
    return name


async def _found(fleet: Fleet, name: str) -> registry.Model:
    """The model of a name, or the first target of an alias.

    Raises:
        OloError: There is none.
    """
    targets = await _targets(fleet, model_of(name))
    return await fleet.model(targets[0].model_id)


async def _targets(fleet: Fleet, name: str) -> list[registry.AliasTarget]:
    """The models that a name stands for. An alias wins over a model of the same id."""
    for alias in await fleet.aliases():
        if alias.alias == name:
            return list(alias.targets)
    try:
        return [registry.AliasTarget(model_id=(await fleet.model(name)).model_id, weight=1)]
    except OloError as error:
        if error.code in (ErrorCode.NOT_FOUND, ErrorCode.INVALID_ARGUMENT):
            raise ModelNotFound from None
        raise
