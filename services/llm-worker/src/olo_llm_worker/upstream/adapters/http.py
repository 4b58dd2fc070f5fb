"""Requests to one upstream. Redirects are not followed: the key goes to the configured server alone."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import httpx2

from olo_llm_worker.upstream.adapters.failures import failure_of
from olo_llm_worker.upstream.adapters.sse import Event, SseParser
from olo_llm_worker.upstream.errors import UpstreamBroken, UpstreamUnavailable

_CONNECT_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 5.0
_MOST_OF_A_BODY: Final = 64 * 1024


class Upstream:
    """A server that holds a model.

    Args:
        url: Its base URL.
        headers: Headers of each request, the key among them.
        idle_seconds: How long it may be silent.
        context_limit: Tokens, for errors that do not tell.
        proxy: URL of a proxy; empty: none.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, idle_seconds: float, context_limit: int, proxy: str = ""
    ) -> None:
        self._url = url
        self._context_limit = context_limit
        self._client = httpx2.AsyncClient(
            headers={**headers, "user-agent": "olo-llm-worker"},
            timeout=httpx2.Timeout(idle_seconds, connect=_CONNECT_SECONDS),
            # The desk bounds what runs; a pool that is smaller would make requests fail instead of wait.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            # The system's certificates, and nothing of the environment: a .netrc would add a key of its own.
            verify=ssl.create_default_context(),
            trust_env=False,
            proxy=proxy or None,
        )

    async def events(self, path: str, body: Mapping[str, Any], *, tokens: int) -> AsyncGenerator[Event, None]:
        """Posts a request and gives the events of its answer. Closing it closes the connection.

        Args:
            path: Below the base URL.
            body: The request.
            tokens: Estimated tokens of the prompt, for errors that do not tell.

        Raises:
            OloError: What the failure means.
        """
        parser = SseParser()
        try:
            async with self._client.stream("POST", self._url + path, json=body) as response:
                if response.status_code != 200:
                    content = await _beginning(response)
                    limit = self._context_limit
                    raise failure_of(response.status_code, content, response.headers, tokens=tokens, limit=limit)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise UpstreamBroken("the server of the model does not stream")
                async for data in response.aiter_bytes():
                    for event in parser.feed(data):
                        yield event
        except httpx2.TimeoutException as error:
            raise UpstreamUnavailable("the server of the model does not answer in time") from error
        except httpx2.RemoteProtocolError as error:
            raise UpstreamBroken("the server of the model broke off before the answer was complete") from error
        except httpx2.TransportError as error:
            raise UpstreamUnavailable("the server of the model cannot be reached") from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise UpstreamBroken("the server of the model answers with what is no answer") from error

    async def check(self, path: str) -> None:
        """Asks for something small. A server that does not know the path answers, and that is enough.

        Raises:
            OloError: It refuses the key, fails, or does not answer.
        """
        try:
            async with self._client.stream("GET", self._url + path, timeout=_CHECK_SECONDS) as response:
                if response.status_code not in (200, 404, 405):
                    content = await _beginning(response)
                    raise failure_of(response.status_code, content, response.headers, tokens=0, limit=0)
        except httpx2.HTTPError as error:
            raise UpstreamUnavailable("the server of the model cannot be reached") from error

    def failure(self, error: Mapping[str, Any], *, tokens: int) -> Exception:
        """What an error within a stream means."""
        return failure_of(0, error, {}, tokens=tokens, limit=self._context_limit)

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


async def _beginning(response: httpx2.Response) -> bytes:
    content = b""
    async for data in response.aiter_bytes():
        content += data
        if len(content) > _MOST_OF_A_BODY:
            break
    return content
