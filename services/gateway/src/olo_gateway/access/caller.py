"""Who calls: known to everything that happens for a call, as the ids in its log lines are.

It is a context variable because a tenant that every function hands on is a tenant that one function forgets. Where
keys are asked for, a guard sets it for each call before anything else runs, and outside of calls it is `NOBODY`, who
has nothing; where none are, it is `OPEN`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final

from olo_contracts.identifiers import AUTO_MODEL, DEFAULT_TENANT
from olo_gateway.access.allowance import Allowance, Bill
from olo_gateway.access.errors import Forbidden
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.order import ChatOrder


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        tenant: Whose things they see and make.
        admin: Whether they may do what operators do.
        key_id: By which key they are known; empty: by none.
        models: Names of models and aliases that they may ask for; empty: all.
        highest: The most urgent that their requests can be.
        allowance: How much they may ask for; None: as much as there is room for.
    """

    tenant: str = DEFAULT_TENANT
    admin: bool = False
    key_id: str = ""
    models: frozenset[str] = frozenset()
    highest: Priority = Priority.INTERACTIVE
    allowance: Allowance | None = None

    def may_name(self, model: str) -> bool:
        """Whether they may ask for this model by this name."""
        return not self.models or model in self.models

    def may_see(self, model_id: str, tenants: Collection[str]) -> bool:
        """Whether they are shown a model. Where no keys are asked for, everybody is shown all.

        Args:
            model_id: The model.
            tenants: For whom it is kept; empty: for all.
        """
        if not self.key_id:
            return True
        return self.may_name(model_id) and (not tenants or self.tenant in tenants)

    def check_model(self, model: str) -> None:
        """Refuses a name that is not theirs, and to have a model chosen that might not be.

        Raises:
            Forbidden: Naming the field.
        """
        if self.models and model in ("", AUTO_MODEL):
            raise Forbidden("this key has to name one of the models that it may use", field="model")
        if not self.may_name(model):
            raise Forbidden("this key may not use this model", field="model")

    def charge(self) -> None:
        """Takes one call from their allowance.

        Raises:
            RateLimited: There were too many.
        """
        if self.allowance is not None:
            self.allowance.call()

    def admitted(self, order: ChatOrder) -> ChatOrder:
        """The order as this caller may have it: no more urgent than their key allows.

        Raises:
            Forbidden: It asks for a model that is not theirs, or might end at one.
        """
        self.check_model(order.model)
        if self.models and order.allow_fallback:
            raise Forbidden("this key may use named models alone, and another one might answer", field="allow_fallback")
        if order.priority.value >= self.highest.value:
            return order
        return replace(order, priority=self.highest)


OPEN: Final = Caller(admin=True)
"""Everybody, where no keys are asked for."""

NOBODY: Final = Caller(tenant="-")
"""Who acts where keys are asked for and no call says who: probes, and whatever a gateway does by itself. No tenant can
be called so."""

_CALLER: Final[ContextVar[Caller]] = ContextVar("caller", default=OPEN)


def caller() -> Caller:
    """Who calls now."""
    return _CALLER.get()


def tenant() -> str:
    """Whose things are seen and made now.

    Raises:
        RuntimeError: Nobody's: this is outside of a call, and has not said for whom it acts. The code is wrong.
    """
    who = caller()
    if who is NOBODY:
        raise RuntimeError("nobody calls, and nobody has said whose things these are")
    return who.tenant


@contextmanager
def outside_calls(who: Caller) -> Iterator[None]:
    """Says who acts where no call does: in everything that is started inside, servers and workers too."""
    before = _CALLER.get()
    _CALLER.set(who)
    try:
        yield
    finally:
        # Not by the token: a service may be stopped from another context than it was started in.
        _CALLER.set(before)


@contextmanager
def acting(who: Caller) -> Iterator[None]:
    """What happens inside, and in the tasks that it starts, happens for this caller."""
    token = _CALLER.set(who)
    try:
        yield
    finally:
        _CALLER.reset(token)


@contextmanager
def billed(expected: int) -> Iterator[Bill]:
    """Takes an answer from the caller's allowance, see `Allowance.answer`; where nothing limits them, it is only noted.

    Raises:
        RateLimited: They have to wait.
    """
    allowance = caller().allowance
    if allowance is None:
        yield Bill(expected)
        return
    with allowance.answer(expected) as bill:
        yield bill
