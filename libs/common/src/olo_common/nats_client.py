"""How a process shows a NATS server who it is, and knows that it is the right server."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from olo_common.errors import StartupError
from olo_common.settings import NatsSettings
from olo_common.spared import spared
from olo_common.tls import client_context, nats_files

with spared("aiohttp"):
    # It is for WebSockets alone, which no service uses, and would be a twelfth of the imports.
    from nats.aio.client import Client
    from nats.errors import Error as NatsError


class NatsWithoutTls(NatsError):
    """The server speaks no TLS, and the settings want it."""


class NatsClient(Client):
    """A connection whose TLS goes by the files as they are at each connect.

    Args:
        settings: Where the server is, and how it is spoken to.

    Raises:
        StartupError: A file cannot be used.
    """

    def __init__(self, settings: NatsSettings) -> None:
        super().__init__()
        self._settings = settings
        self._files = nats_files(settings)
        self._shown = _credentials(settings)

    async def connect_as_told(self, **options: Any) -> None:
        """Connects to the server of the settings; `options` are those of nats-py beside server and credentials."""
        await self.connect(servers=[self._settings.url], **self._shown, **options)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Asked for by nats-py whenever it connects to a server with TLS."""
        return client_context(self._files)

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # nats-py would go on in the clear, and say the password there.
        wanted = self._files is not None or self._settings.url.startswith("tls://")
        if initial_connection and wanted and not info.get("tls_required"):
            raise NatsWithoutTls("the NATS server speaks no TLS")
        await super()._process_info(info, initial_connection)


def _credentials(settings: NatsSettings) -> dict[str, Any]:
    """The options of nats-py that say who we are."""
    if settings.nkey_file is not None:
        return {"nkeys_seed_str": _seed(settings.nkey_file)}
    if settings.creds_file is not None:
        _text(settings.creds_file, "OLO_NATS_CREDS_FILE", "-----BEGIN NATS USER JWT-----")
        return {"user_credentials": str(settings.creds_file)}
    if settings.token is not None:
        return {"token": settings.token.get_secret_value()}
    if settings.password is not None:
        return {"user": settings.user, "password": settings.password.get_secret_value()}
    return {}


def _seed(path: Path) -> str:
    import nkeys

    text = _text(path, "OLO_NATS_NKEY_FILE", "S").strip()
    try:
        nkeys.from_seed(bytearray(text.encode())).wipe()
    except (ValueError, nkeys.NkeysError):
        raise StartupError(f"OLO_NATS_NKEY_FILE: {path} holds no seed of an nkey") from None
    return text


def _text(path: Path, variable: str, beginning: str) -> str:
    try:
        text = path.read_text(encoding="ascii").lstrip()
    except OSError as error:
        raise StartupError(f"{variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text.startswith(beginning):
        raise StartupError(f"{variable}: {path} does not begin with {beginning}")
    return text
