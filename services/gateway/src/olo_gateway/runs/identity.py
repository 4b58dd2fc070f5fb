"""The id of a run, and the fingerprint that tells two requests with one id apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Final

from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.order import ChatOrder

_PREFIX: Final = "run-"
_SHADOW_PREFIX: Final = "shadow-"
_REWRITING_PREFIX: Final = "rewrite-"
_LONGEST: Final = 128
"""A run's id is also the request id of its generations, which may not be longer."""


def run_id_of(request_id: str) -> str:
    """The id of the run with this request id. Needs no escaping in a URL; one that would be too long is hashed."""
    return _prefixed(_PREFIX, request_id)


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
    asked = replace(order, request_id="", timeout=None, wait_for_model=None, store=False, priority=Priority.NORMAL)
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
