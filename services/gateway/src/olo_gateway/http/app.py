"""The HTTP application: the OpenAI dialect, health and the description of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, FastAPI, Response
from starlette.exceptions import HTTPException

from olo_common.errors import ErrorCode, OloError
from olo_common.health import Health
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.stored_responses import Responses
from olo_gateway.http import docs, errors
from olo_gateway.http.body import BodyLimit
from olo_gateway.http.chat_routes import chat_routes
from olo_gateway.http.completion_routes import completion_routes
from olo_gateway.http.embedding_routes import embedding_routes
from olo_gateway.http.guard import Guard, Guarding
from olo_gateway.http.model_routes import model_routes
from olo_gateway.http.rates import rate_headers
from olo_gateway.http.request_ids import RequestIds
from olo_gateway.http.responses.routes import response_routes
from olo_gateway.http.routing_routes import routing_routes
from olo_gateway.http.run_routes import run_routes
from olo_gateway.http.schemas import HealthAnswer
from olo_gateway.http.streaming import StreamPace
from olo_gateway.http.telemetry import HttpTelemetry
from olo_gateway.http.token_routes import token_routes
from olo_gateway.ports import Catalogue, Embedding, Routing, Runs, Tokenizing

_DESCRIPTION = "Durable answers from self-hosted models, for the clients that you already use."


def http_app(
    chats: Chats,
    catalogue: Catalogue,
    routing: Routing,
    health: Health,
    pace: StreamPace,
    *,
    runs: Runs,
    embedding: Embedding,
    tokenizing: Tokenizing,
    extras: Sequence[APIRouter] = (),
    larger_bodies: Mapping[str, int] | None = None,
    guarding: Guarding | None = None,
) -> FastAPI:
    """The application.

    Args:
        chats: Answers.
        catalogue: The models.
        routing: What the router knows.
        health: What must hold for the gateway to serve.
        pace: When streams fill a silence, and give a client up.
        runs: Durable runs.
        embedding: Vectors, and the order of documents.
        tokenizing: Tokens.
        extras: The routes of files, batches and documents.
        larger_bodies: Paths whose bodies may be larger than others, and how large.
        guarding: By which keys callers are let in; None: everybody is.
    """
    app = FastAPI(
        title="Open LLM Orchestrator",
        version="0.1.0",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        # Told by `HttpTelemetry`, for a fraction of the CPU; its logs would repeat what callers have sent.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(app)
    docs.install(app)
    app.include_router(chat_routes(chats, pace))
    app.include_router(completion_routes(chats, tokenizing, pace))
    app.include_router(response_routes(chats, Responses(runs), pace))
    app.include_router(embedding_routes(embedding))
    app.include_router(token_routes(tokenizing))
    app.include_router(model_routes(catalogue))
    app.include_router(routing_routes(routing))
    app.include_router(run_routes(chats.runs))
    for routes in extras:
        app.include_router(routes)

    @app.get(
        "/healthz",
        tags=["health"],
        summary="Whether the gateway can serve",
        responses={503: {"model": HealthAnswer, "description": "A condition does not hold, or it is stopping."}},
    )
    async def healthz(response: Response) -> HealthAnswer:
        if health.serving:
            return HealthAnswer(status="ok", missing=[])
        response.status_code = 503
        return HealthAnswer(status="unavailable", missing=health.missing)

    if guarding is not None:
        app.add_middleware(Guard, routes=app.routes, guarding=guarding, refuse=_denied)
    app.add_middleware(BodyLimit, refuse=_refused, larger=larger_bodies or {})
    app.add_middleware(RequestIds, rates=lambda: rate_headers(chats.places))
    app.add_middleware(HttpTelemetry)
    return app


def _denied(error: OloError, path: str) -> Response:
    # RFC 9110 has every 401 say what would help.
    challenge = {"WWW-Authenticate": "Bearer"} if error.code is ErrorCode.UNAUTHENTICATED else None
    return errors.response_of(error, errors.dialect_of(path), challenge)


def _refused(error: HTTPException, path: str) -> Response:
    return errors.response_of(errors.refused(error), errors.dialect_of(path))
