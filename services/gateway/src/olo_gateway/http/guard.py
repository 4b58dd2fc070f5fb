"""The guard of the HTTP calls: nothing of a call is read, and no route runs, before it is known who calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final

from fastapi import Response
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_gateway.access.caller import acting
from olo_gateway.access.credentials import Need, permitted
from olo_gateway.access.keyring import Keyring
from olo_gateway.http.needs import need_of
from olo_gateway.telemetry import count_denial

_POLICY_VIOLATION: Final = 1008


@dataclass(frozen=True, slots=True)
class Guarding:
    """By which keys calls are let in.

    Attributes:
        keys: Who there is.
        public_docs: Whether the description of the calls is for everybody.
    """

    keys: Keyring
    public_docs: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A route, as the router of the framework finds it."""

    path: Pattern[str]
    template: str
    methods: frozenset[str] | None
    """None: all."""


class Guard:
    """ASGI middleware, the last before the router.

    Args:
        app: The router.
        routes: Its routes; looked at when the first call comes, and all of them are there.
        guarding: By which keys.
        refuse: What is answered at a path to who is not let in.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[BaseRoute],
        guarding: Guarding,
        refuse: Callable[[OloError, str], Response],
    ) -> None:
        self._app = app
        self._places = places_of(routes)
        self._guarding = guarding
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on in its caller's name, or refuses it. No route takes a websocket, and none is let in."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        try:
            who = permitted(headers, self._need(scope), self._guarding.keys)
        except OloError as error:
            await self._turn_away(error, scope, receive, send)
            return
        with acting(who):
            try:
                who.charge()
            except OloError as error:
                await self._turn_away(error, scope, receive, send)
                return
            await self._app(scope, receive, send)

    async def _turn_away(self, error: OloError, scope: Scope, receive: Receive, send: Send) -> None:
        logger(__name__).info("http_refused", code=error.code.name, reason=error.reason)
        count_denial(error.reason)
        await self._refuse(error, scope["path"])(scope, receive, send)

    def _need(self, scope: Scope) -> Need:
        template = template_of(self._places, scope["path"], scope["method"])
        return need_of(template, public_docs=self._guarding.public_docs)


def places_of(routes: Sequence[BaseRoute]) -> list[Place]:
    """All routes, those of included routers too, in the order in which they are tried."""
    found: list[Place] = []
    for each in iter_route_contexts(routes):
        route: Any = each
        methods = None if each.methods is None else frozenset(each.methods)
        found.append(Place(route.path_regex, _plain(each.path or ""), methods))
    return found


def template_of(places: Sequence[Place], path: str, method: str) -> str:
    """The template of the route that answers: the first that takes path and method, else the first that takes the path.

    Empty where no route does.
    """
    partial = ""
    for place in places:
        if place.path.match(path):
            if place.methods is None or method in place.methods:
                return place.template
            partial = partial or place.template
    return partial


def _plain(template: str) -> str:
    """A template without the kinds of its parts: `/v1/models/{model_id:path}` as `/v1/models/{model_id}`."""
    return "/".join(f"{part.partition(':')[0]}}}" if ":" in part else part for part in template.split("/"))
