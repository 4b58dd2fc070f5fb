"""The connection to NATS: what has happened, told to whoever listens. Nothing here is ever waited for.

The server may be away at any time, at start too: publishing then drops and counts, subscriptions wait and come alive
with the connection, and callbacks run after each (re)connect so that the owner can tell its state anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from olo_common.journal import LOGS_ASKED_SUBJECT, journal
from olo_common.logs import logger
from olo_common.metrics import Counter
from olo_common.nats_client import NatsClient
from olo_common.occasional_log import OccasionalWarning
from olo_common.settings import NatsSettings
from olo_common.tracing import continued, error_type, trace_headers

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as NatsSubscription

DROPPED = Counter(
    "olo_nats_messages_dropped", "Messages that could not be published or used; all goes on without.", ("cause",)
)
INSTRUMENTS = (DROPPED,)

Handler = Callable[[str, bytes], Awaitable[None]]

_PENDING_MESSAGES = 65_536
_PENDING_BYTES = 32 * 1024 * 1024
_CANCEL_AGAIN_SECONDS = 0.5
_CLOSE_SECONDS = 2.0


class Subscription:
    """A standing wish to hear a subject; ended by `close`."""

    def __init__(self, subject: str, handler: Handler) -> None:
        self.subject = subject
        self.handler = handler
        self.inner: NatsSubscription | None = None
        self.attached = False
        self.closed = False

    async def close(self) -> None:
        """Ends the subscription."""
        self.closed = True
        if self.inner is not None:
            with contextlib.suppress(Exception):
                await self.inner.unsubscribe()


class NatsBus:
    """Publishes and subscribes; see the module. Raises StartupError where a file of the settings cannot be used."""

    def __init__(self, settings: NatsSettings) -> None:
        self._client = NatsClient(settings)
        self._subscriptions: list[Subscription] = []
        self._attaching = False
        self._connected = asyncio.Event()
        self._on_connect: list[Callable[[], Awaitable[None]]] = []
        self._log = logger(__name__)
        self._not_connected = OccasionalWarning("nats_connect_failed")

    @property
    def connected(self) -> bool:
        """Whether the server is there now."""
        return self._client.is_connected

    @property
    def client(self) -> Client:
        """The connection itself, for what is more than events."""
        return self._client

    async def wait_connected(self) -> None:
        """Waits for the first connection."""
        await self._connected.wait()

    def on_connect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Runs the callback after each connect and reconnect."""
        self._on_connect.append(callback)

    async def publish(self, subject: str, payload: bytes) -> bool:
        """Publishes; False, and counted, where the server is away."""
        if not self._client.is_connected:
            DROPPED.add(cause="disconnected")
            return False
        try:
            await self._client.publish(subject, payload, headers=trace_headers() or None)
        except Exception as error:
            DROPPED.add(cause="publish_failed")
            self._log.warning("nats_publish_failed", error=error_type(error))
            return False
        return True

    async def publish_quietly(self, subject: str, payload: bytes) -> bool:
        """Publishes without a word in the log, and outside of any trace; False where it could not."""
        if not self._client.is_connected:
            return False
        try:
            await self._client.publish(subject, payload)
        except Exception:
            return False
        return True

    async def flush(self, timeout: int = 1) -> None:
        """Waits until the server has what was published, or the time is over."""
        if self._client.is_connected:
            with contextlib.suppress(Exception):
                await self._client.flush(timeout)

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Hears a subject. A handler that raises loses that message alone: it is counted and logged."""
        subscription = Subscription(subject, handler)
        self._subscriptions = [s for s in self._subscriptions if not s.closed]
        self._subscriptions.append(subscription)
        if self._attaching:
            await self._attach(subscription)
        return subscription

    def dropped(self, cause: str) -> None:
        """Counts a message that the owner could not use."""
        DROPPED.add(cause=cause)

    async def _attach(self, subscription: Subscription) -> None:
        # Said before the first await: whoever subscribes while the connection comes up is attached here or there, once.
        if subscription.attached or subscription.closed:
            return
        subscription.attached = True

        async def deliver(message: Msg) -> None:
            try:
                with continued(message.headers):
                    await subscription.handler(message.subject, message.data)
            except Exception as error:
                DROPPED.add(cause="handler_failed")
                self._log.warning("nats_message_dropped", subject=message.subject, error=error_type(error))

        subscription.inner = await self._client.subscribe(
            subscription.subject,
            cb=deliver,
            pending_msgs_limit=_PENDING_MESSAGES,
            pending_bytes_limit=_PENDING_BYTES,
        )

    async def _run(self, url: str, name: str) -> None:
        async def connected() -> None:
            for callback in self._on_connect:
                try:
                    await callback()
                except Exception:
                    self._log.exception("nats_on_connect_failed")

        async def reconnected() -> None:
            self._log.info("nats_reconnected")
            await connected()

        async def disconnected() -> None:
            self._log.warning("nats_disconnected")

        async def error(problem: Exception) -> None:
            DROPPED.add(cause="client_error")
            if self._client.is_connected:
                self._log.debug("nats_error", error=error_type(problem))
            else:
                # The client tries again for ever; a wrong certificate or password would never be told otherwise.
                self._not_connected(error=error_type(problem))

        self._attaching = False
        for subscription in self._subscriptions:
            subscription.attached = False
        await self._client.connect_as_told(
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=256 * 1024,
            reconnected_cb=reconnected,
            disconnected_cb=disconnected,
            error_cb=error,
        )
        self._attaching = True
        for subscription in list(self._subscriptions):
            await self._attach(subscription)
        await self._client.flush()
        self._connected.set()
        self._log.info("nats_connected", url=url)
        await connected()

    async def _close(self) -> None:
        # In a task of its own: where the server has just gone, the client awaits what its own reconnecting task awaits
        # too, and the cancelling of that one would end whoever closes.
        closing = asyncio.create_task(self._client.close(), name="nats-close")
        await asyncio.wait({closing}, timeout=_CLOSE_SECONDS)
        closing.add_done_callback(lambda task: task.cancelled() or task.exception())
        closing.cancel()


@asynccontextmanager
async def nats_bus(settings: NatsSettings, name: str) -> AsyncIterator[NatsBus]:
    """A bus that connects in the background, and is closed afterwards.

    Raises:
        StartupError: A file of the settings cannot be used.
    """
    bus = NatsBus(settings)

    async def connect() -> None:
        while True:
            try:
                await bus._run(settings.url, name)
            except Exception as error:
                bus._not_connected(error=error_type(error))
                await asyncio.sleep(1.0)
            else:
                return

    tasks = [asyncio.create_task(connect(), name="nats-connect")]
    if (kept := journal()) is not None:
        await bus.subscribe(LOGS_ASKED_SUBJECT, kept.asked)
        tasks.append(asyncio.create_task(kept.send(bus), name="logs-send"))
    try:
        yield bus
    finally:
        await _ended(tasks)
        await bus._close()


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancels tasks until they have ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, with which the client connects, swallows a cancellation
    that comes just as the attempt has failed, and the client would go on trying, and this process stop, for ever.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
