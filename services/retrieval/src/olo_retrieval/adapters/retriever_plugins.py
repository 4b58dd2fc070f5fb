"""Retrievers of other packages."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from olo_common.errors import StartupError
from olo_retrieval.ports import Retriever
from olo_retrieval.searching.retrievers import own_retrievers

GROUP = "olo.retrievers"
"""Entry points of this group are functions without arguments that make a Retriever, under the name for requests."""


def all_retrievers(plugins: Iterable[EntryPoint] | None = None) -> dict[str, Retriever]:
    """The retrievers of this package and those that are installed beside it.

    Raises:
        StartupError: One cannot be made, or has a name that is taken.
    """
    retrievers = own_retrievers()
    for plugin in entry_points(group=GROUP) if plugins is None else plugins:
        if plugin.name in retrievers:
            raise StartupError(f"there are two retrievers {plugin.name}: uninstall one")
        try:
            retrievers[plugin.name] = plugin.load()()
        except Exception as error:
            raise StartupError(f"the retriever {plugin.name} ({plugin.value}) cannot be made: {error}") from error
    return retrievers
