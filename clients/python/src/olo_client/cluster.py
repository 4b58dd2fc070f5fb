"""What the cluster calls over HTTP tell, put together as one sample of how everything is at a moment."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from olo_client.errors import InvalidRequestError, OloError, UnavailableError
from olo_client.settings import chosen_tls
from olo_client.tls import Tls

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_SECONDS: Final = 5.0
_MOST_BYTES: Final = 16 * 1024 * 1024
_CALLS: Final = {
    "status": "/api/cluster/status",
    "models": "/api/cluster/models",
    "queues": "/api/queue/status",
    "performance": "/admin/performance",
}
_WORST_FIRST: Final = ("open", "half_open", "closed")


@dataclass(frozen=True)
class ModelSample:
    """One model. What nobody knows now is None; lengths of time are seconds.

    Attributes:
        model_id: Its id.
        type: `llm` or `embedding`.
        available: Whether it can be asked now.
        instances: Instances that are ready.
        instances_known: All of them.
        in_flight: Requests that its instances work on.
        slots: Requests that they can work on at once.
        waiting: Tasks in its queue, about.
        oldest: How long the oldest of them has waited.
        tokens_per_second: Throughput of an attempt, of late.
        first_token: Until the first token, of late.
        per_token: For each further one.
        error_rate: 0 to 1.
        breaker: The worst state among its circuit breakers.
    """

    model_id: str
    type: str
    available: bool
    instances: int
    instances_known: int
    in_flight: int
    slots: int
    waiting: int | None
    oldest: float | None
    tokens_per_second: float | None
    first_token: float | None
    per_token: float | None
    error_rate: float | None
    breaker: str | None


@dataclass(frozen=True)
class Sample:
    """How everything was at a moment.

    Attributes:
        time: Seconds since the epoch.
        status: `ok`, `degraded` or `unavailable`.
        parts: Whether each part answers.
        admission: Runs in flight, their limit, parked and refused ones, of the gateway that was asked.
        models: The models; None while the registry is away.
    """

    time: float
    status: str
    parts: Mapping[str, bool]
    admission: Mapping[str, Any]
    models: Sequence[ModelSample] | None


def sample(url: str) -> Sample:
    """Asks a gateway.

    Raises:
        UnavailableError: It does not answer.
        InvalidRequestError: What answers at the address is no gateway, or it is no address.
    """
    with ThreadPoolExecutor(len(_CALLS)) as threads:
        asked = {name: threads.submit(_get_if_known, url, path) for name, path in _CALLS.items()}
        told = {name: answer.result() for name, answer in asked.items()}
    try:
        return _sample(told)
    except (KeyError, TypeError) as error:
        raise InvalidRequestError("INVALID_ARGUMENT", "url_invalid", f"no gateway of this kind is at {url}") from error


def logs(url: str, **wanted: str | int) -> dict[str, Any]:
    """The last lines of the services' logs: of a `service`, from a `level` on, of a `run_id`, at most `limit`.

    Raises:
        OloError: As `sample`.
    """
    return get(url, "/logviewer/api/logs?" + urlencode({name: value for name, value in wanted.items() if value}))


def get(url: str, path: str) -> dict[str, Any]:
    """The JSON object that a call answers with.

    Raises:
        OloError: As `sample`.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidRequestError("INVALID_ARGUMENT", "url_invalid", "the URL must begin with http:// or https://")
    context = (chosen_tls(True) or Tls()).context() if url.startswith("https://") else None
    try:
        with urllib.request.urlopen(  # noqa: S310 - checked above
            url.rstrip("/") + path, timeout=_SECONDS, context=context
        ) as answer:
            told = json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        if error.code == 503:
            raise UnavailableError("UNAVAILABLE", "unavailable", f"the gateway at {url} cannot say now") from error
        message = f"what answers at {url} is no gateway (HTTP {error.code})"
        raise InvalidRequestError("INVALID_ARGUMENT", "url_invalid", message) from error
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError("UNAVAILABLE", "unavailable", f"no gateway answers at {url}") from error
    except ValueError as error:
        message = f"what answers at {url} is no gateway"
        raise InvalidRequestError("INVALID_ARGUMENT", "url_invalid", message) from error
    if not isinstance(told, dict):
        raise InvalidRequestError("INVALID_ARGUMENT", "url_invalid", f"what answers at {url} is no gateway")
    return told


def _get_if_known(url: str, path: str) -> dict[str, Any] | None:
    """None where the gateway answers, but cannot say this now: the rest is worth showing."""
    try:
        return get(url, path)
    except UnavailableError as error:
        if isinstance(error.__cause__, urllib.error.HTTPError):
            return None
        raise


def _sample(told: Mapping[str, dict[str, Any] | None]) -> Sample:
    status, queues = told["status"], told["queues"]
    if status is None or queues is None:
        raise OloError("UNAVAILABLE", "unavailable", "the gateway cannot say how it is")
    performance = told["performance"] or {}
    models = told["models"]
    rows = None
    if models is not None:
        waiting = {queue["model_id"]: queue for queue in queues["queues"] or ()}
        rows = [_model(model, waiting.get(model["model_id"], {}), performance) for model in models["models"]]
    return Sample(time.time(), status["status"], status["parts"], queues["admission"], rows)


def _model(model: Mapping[str, Any], queue: Mapping[str, Any], performance: Mapping[str, Any]) -> ModelSample:
    model_id, instances = model["model_id"], model["instances"]
    measured = [each for each in performance.get("models") or () if each["model_id"] == model_id]
    states = {each["state"] for each in performance.get("breakers") or () if each["model_id"] == model_id}
    known = performance.get("breakers") is not None
    return ModelSample(
        model_id=model_id,
        type=model["type"],
        available=model["available"],
        instances=sum(instance["state"] == "ready" for instance in instances),
        instances_known=len(instances),
        in_flight=sum(instance["in_flight"] for instance in instances),
        slots=sum(instance["max_concurrency"] for instance in instances),
        waiting=queue.get("waiting"),
        oldest=queue.get("oldest"),
        tokens_per_second=_mean(measured, "tokens_per_second"),
        first_token=_mean(measured, "first_token"),
        per_token=_mean(measured, "per_token"),
        error_rate=_mean(measured, "error_rate"),
        breaker=next((state for state in _WORST_FIRST if state in states), "closed" if known else None),
    )


def _mean(measured: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Over prompts of all sizes, by how many attempts each figure stands for."""
    told = [(each[name], each["attempts"]) for each in measured if each[name] is not None and each["attempts"] > 0]
    weight = sum(attempts for _, attempts in told)
    return sum(value * attempts for value, attempts in told) / weight if weight else None
