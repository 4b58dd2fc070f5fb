"""The id of a run, and the fingerprint that tells two requests with one id apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Final

from olo_contracts.identifiers import DEFAULT_TENANT
from olo_gateway.errors import RunNotFound
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.order import ChatOrder

_PREFIX: Final = "run-"
_OF_TENANT: Final = "run."
"""How ids of runs begin whose tenant is not the default one; those of the default tenant never do."""
_TENANT_LETTERS: Final = 16
_SHADOW_PREFIX: Final = "shadow-"
_REWRITING_PREFIX: Final = "rewrite-"
_LONGEST: Final = 128
"""A run's id is also the request id of its generations, which may not be longer."""


def run_id_of(request_id: str, tenant: str = DEFAULT_TENANT) -> str:
    """The id of the tenant's run with this request id. Needs no escaping in a URL; one too long for that is hashed."""
    return _prefixed(run_prefix(tenant), request_id)


def run_prefix(tenant: str) -> str:
    """How the ids of a tenant's runs begin, and nobody else's. It does not tell the name of the tenant."""
    if tenant == DEFAULT_TENANT:
        return _PREFIX
    return f"{_OF_TENANT}{hashlib.sha256(tenant.encode()).hexdigest()[:_TENANT_LETTERS]}."


def own_run_id(run_id: str, tenant: str) -> str:
    """The tenant's run that a caller means.

    Clients that make up a request id expect the run to be called `run-` and that: it is the tenant's own then.

    Raises:
        RunNotFound: It is none of the tenant's.
    """
    prefix = run_prefix(tenant)
    if run_id.startswith(prefix):
        return run_id
    if not run_id.startswith(_PREFIX):
        raise RunNotFound
    return run_id_of(run_id.removeprefix(_PREFIX), tenant)


def shadow_id_of(run_id: str) -> str:
    """The id of the workflow in which a shadow answers the request of this run."""
    return _prefixed(_SHADOW_PREFIX, run_id)


def rewriting_id_of(run_id: str) -> str:
    """The request id under which a model rewrites the question of this run."""
    return _prefixed(_REWRITING_PREFIX, run_id)


def fingerprint(order: ChatOrder) -> str:
    """A hash of what is asked. How long, how urgently and where the caller waits is no part of it: retries differ.

    Nor is what was left at its default, so that a release with a further field gives the same.
    """
    asked = replace(
        order, request_id="", new=False, timeout=None, wait_for_model=None, store=False, priority=Priority.NORMAL
    )
    return hashlib.sha256(json.dumps(_said(asked), sort_keys=True).encode()).hexdigest()


def _said(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_said(each) for each in value]
    if is_dataclass(value):
        said = ((field.name, getattr(value, field.name), field.default) for field in fields(value))
        return {name: _said(is_now) for name, is_now, default in said if is_now != default}
    return value


def _prefixed(prefix: str, name: str) -> str:
    return prefix + (name if len(prefix) + len(name) <= _LONGEST else hashlib.sha256(name.encode()).hexdigest())
