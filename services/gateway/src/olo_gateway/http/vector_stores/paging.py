"""Pages of lists, as callers ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, Protocol, TypeAlias, TypeVar

from fastapi import Depends, Query

Order = Literal["asc", "desc"]


class Identified(Protocol):
    """Something of a list."""

    id: str


I = TypeVar("I", bound=Identified)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Page(Generic[I]):
    """Some of a list, and whether there are more where these came from."""

    items: list[I]
    more: bool

    @property
    def first(self) -> str | None:
        """The id of the first; None where there is none."""
        return self.items[0].id if self.items else None

    @property
    def last(self) -> str | None:
        """The id of the last; None where there is none."""
        return self.items[-1].id if self.items else None


@dataclass(frozen=True, slots=True)
class Pages:
    """Which page of a list is wanted."""

    limit: int
    after: str
    before: str
    order: Order

    def of(self, items: Sequence[I]) -> Page[I]:
        """The page of items that are given newest first. An id that is not among them has none after or before it."""
        items = list(items) if self.order == "desc" else list(reversed(items))
        ids = [item.id for item in items]
        if self.after:
            items = items[ids.index(self.after) + 1 :] if self.after in ids else []
        elif self.before:
            items = items[: ids.index(self.before)] if self.before in ids else []
            return Page(items[-self.limit :], len(items) > self.limit)
        return Page(items[: self.limit], len(items) > self.limit)


def _paging(
    limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str = "", before: str = "", order: Order = "desc"
) -> Pages:
    return Pages(limit, after, before, order)


Paging: TypeAlias = Annotated[Pages, Depends(_paging)]
