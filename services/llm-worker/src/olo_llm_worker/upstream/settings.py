"""Where a model is served that another server holds."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from olo_common.base_settings import OloSettings, settings_config
from olo_common.errors import StartupError

_PREFIX = "OLO_LLM_WORKER_UPSTREAM_"


class UpstreamSettings(OloSettings):
    model_config = settings_config(_PREFIX)

    url: str = ""
    """Base URL of the server that holds the model, as its own clients are given it: https://api.openai.com/v1,
    http://127.0.0.1:8000/v1, https://api.anthropic.com. Needed by these engines; all texts go there."""
    model: str = ""
    """Name of the model on that server; empty: the model id."""
    api_key: SecretStr | None = None
    """Key for that server. It is sent with each request, also where the URL is not https."""
    context_limit: Annotated[int, Field(ge=2)] = 8192
    """Tokens of prompt and answer together that are announced; too many bring requests that are refused there."""
    hardware: Literal["cpu", "gpu"] = "gpu"
    """What that server runs the model on, as it is announced to the registry and shown to operators."""
    idle_seconds: Annotated[float, Field(gt=0)] = 120.0
    """How long that server may be silent, before and within an answer, until the request is given up."""
    check_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time between two checks of whether that server answers; the worker leaves the fleet while it does not."""
    extensions: bool = False
    """Pass on top_k, min_tokens and repetition_penalty, which vLLM and llama.cpp understand beyond the OpenAI protocol;
    servers that do not may refuse such requests. Off: they are refused here, by name."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the engine openai names the longest answer; newer models of OpenAI accept max_completion_tokens alone."""
    proxy: str = ""
    """URL of an HTTP proxy to reach that server through; proxies of the environment are not used."""

    @field_validator("url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no user, password, query or fragment")
        return value.rstrip("/")

    def key(self) -> str | None:
        """The key, as it can stand in a header.

        Raises:
            StartupError: It is none.
        """
        key = self.api_key.get_secret_value() if self.api_key else None
        if key is not None and (not key or not key.isascii() or not key.isprintable() or " " in key):
            raise StartupError(f"{_PREFIX}API_KEY: it holds no key, or characters that no key has")
        return key
