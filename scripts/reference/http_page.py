"""The HTTP interface: a table of all routes, from the OpenAPI description that a gateway gives."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from markdown import code, page, table

from olo_common.lifecycle import Lifetime
from olo_common.logs import configure_logs
from olo_common.settings import LogSettings
from olo_gateway.app import running
from olo_gateway.http.needs import need_of
from olo_gateway.settings import GatewaySettings
from olo_testing.ports import free_port

_INTRODUCTION = """Every route of the gateway, by what it is for. `/docs` of a running gateway has all fields, tries
calls out and needs no other network; `/openapi.json` is the same for programs.

*Key*: which [key](../guides/keys-and-tenants.md) the call needs where keys are asked for: `user` any, `admin` an
operator's, `nothing` none. *Statuses* are those that the description names beside 200; [errors](errors.md) explains
them."""


def http_page() -> str:
    """The page."""
    paths: dict[str, dict[str, Any]] = asyncio.run(_description())["paths"]
    groups: dict[str, list[tuple[str, str, str, str]]] = {}
    for path, operations in paths.items():
        need = need_of(path, public_docs=False).name.lower()
        for method, operation in operations.items():
            others = ", ".join(sorted(operation["responses"].keys() - {"200"}))
            row = (code(f"{method.upper()} {path}"), operation.get("summary", ""), need, others)
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(row)
    parts = []
    for group in sorted(groups):
        parts += [f"## {group}", table(("call", "", "key", "statuses"), groups[group])]
    return page("HTTP", _INTRODUCTION, *parts)


async def _description() -> dict[str, Any]:
    """What a gateway without any peer says of itself."""
    port = free_port()
    settings = GatewaySettings(port=0, http_port=port, grace_seconds=0.0, log=LogSettings(level="error"))
    configure_logs(settings.log, "reference")
    async with running(settings, Lifetime()):
        return await asyncio.to_thread(_asked, f"http://127.0.0.1:{port}/openapi.json")


def _asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=60) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found
