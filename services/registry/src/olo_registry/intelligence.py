"""What others say of our models: fetched from time to time, matched by name, shown with source and age.

A source that is away, or that publishes in another shape, changes nothing: its last good word stays in use, and its age
is shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from olo_common.errors import OloError
from olo_registry.benchmarks.facts import Fact, Link, Record, Source, SourceState, facts_of, quality_scores
from olo_registry.benchmarks.matching import Index, Resolution
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.changes import Changes
from olo_registry.errors import RecordNotFound, SourceDrifted
from olo_registry.ports import BenchmarkStore, Clock, Publisher
from olo_registry.views import Views, Worth

_SHRUNK = 0.5
_MOST_REVIEWS = 1000


class _Board:
    """One source, ready to be asked for a model."""

    def __init__(self, state: SourceState) -> None:
        self.state = state
        self.by_name = {record.name: record for record in state.records}
        self.qualities = quality_scores(state.records)
        self._index = Index((record.name, record.other_names) for record in state.records)
        self._resolved: dict[str, Resolution] = {}

    def resolve(self, model_id: str) -> Resolution:
        """What means this model here; worked out once for each word of the source."""
        if model_id not in self._resolved:
            self._resolved[model_id] = self._index.resolve(model_id)
        return self._resolved[model_id]


class Intelligence:
    """See the module.

    Args:
        states: What was stored of each source.
        links: What people have decided.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        views: Views,
        *,
        store: BenchmarkStore,
        clock: Clock,
        states: list[SourceState],
        links: list[Link],
    ) -> None:
        self._catalogue = catalogue
        self._views = views
        self._store = store
        self._clock = clock
        known = {state.source: state for state in states}
        self._boards = {source: _Board(known.get(source, SourceState(source))) for source in Source}
        self._links = {(link.model_id, link.source): link.record for link in links}
        self._syncing = asyncio.Lock()

    def states(self) -> list[SourceState]:
        """What is known of each source."""
        return [board.state for board in self._boards.values()]

    async def sync(self, source: Source, publisher: Publisher) -> SourceState:
        """Asks a source. What goes wrong is said in the state, and changes nothing else.

        Raises:
            Unavailable: It does not answer, or the outcome cannot be stored.
        """
        async with self._syncing:
            last, now = self._boards[source].state, self._clock.now()
            try:
                fetched = await publisher.fetch(last, self._wanted())
                if fetched is not None and len(fetched.records) < _SHRUNK * len(last.records):
                    raise SourceDrifted(f"it has only {len(fetched.records)} of {len(last.records)} records")
            except OloError as error:
                await self._keep(replace(last, check_time=now, problem=error.message))
                if error.retryable:
                    raise
            else:
                news = last if fetched is None else replace(fetched, fetch_time=now)
                await self._keep(replace(news, check_time=now, problem=""))
            return self._boards[source].state

    def facts(self, model_id: str) -> list[Fact]:
        """What the sources say of a model.

        Raises:
            ModelNotFound: There is no such model.
        """
        self._catalogue.get(model_id)
        found: list[Fact] = []
        for source, board in self._boards.items():
            record = self._record(model_id, source)
            if record is not None and board.state.fetch_time is not None:
                found += facts_of(record, source, board.state.fetch_time)
        return found

    def reviews(self) -> list[tuple[str, Source, Resolution]]:
        """The models of which it is doubtful which record means them, and not decided."""
        found = [
            (model_id, source, resolution)
            for model_id in self._catalogue.ids()
            for source, board in self._boards.items()
            if (model_id, source) not in self._links and (resolution := board.resolve(model_id)).doubtful
        ]
        return found[:_MOST_REVIEWS]

    async def decide(self, model_id: str, source: Source, record: str | None) -> None:
        """Says which record means a model, or that none does.

        Raises:
            ModelNotFound: There is no such model.
            RecordNotFound: The source has no such record.
            Unavailable: It cannot be stored.
        """
        self._catalogue.get(model_id)
        if record is not None and record not in self._boards[source].by_name:
            raise RecordNotFound("the source has no such record", field="record")
        await self._store.save_link(Link(model_id, source, record))
        self._links[model_id, source] = record
        self.appraise()

    def appraise(self) -> None:
        """Works out anew how good and how dear each model is."""
        self._views.appraise({model_id: self._worth(model_id) for model_id in self._catalogue.ids()})

    async def follow(self, changes: Changes) -> None:
        """Appraises models as they come, for ever."""
        known: set[str] = set()
        with changes.listener() as listener:
            self.appraise()
            known.update(self._catalogue.ids())
            while (changed := await listener.next()) is not None:
                if not known.issuperset(changed.models):
                    self.appraise()
                    known.update(changed.models)

    async def _keep(self, state: SourceState) -> None:
        await self._store.save_state(state)
        former = self._boards[state.source]
        if state.records == former.state.records:
            former.state = state
        else:
            self._boards[state.source] = _Board(state)
            self.appraise()

    def _record(self, model_id: str, source: Source) -> Record | None:
        board = self._boards[source]
        decided = (model_id, source) in self._links
        name = self._links[model_id, source] if decided else board.resolve(model_id).match
        return None if name is None else board.by_name.get(name)

    def _worth(self, model_id: str) -> Worth:
        rated = self._record(model_id, Source.LMARENA)
        priced = self._record(model_id, Source.OPENROUTER)
        return Worth(
            None if rated is None else self._boards[Source.LMARENA].qualities.get(rated.name),
            None if priced is None else priced.input_cost,
            None if priced is None else priced.output_cost,
        )

    def _wanted(self) -> list[str]:
        """The names of our models at the hub: their own, and those that another source gives."""
        found: dict[str, None] = {}
        for model_id in self._catalogue.ids():
            priced = self._record(model_id, Source.OPENROUTER)
            names = [model_id, *(priced.other_names[:1] if priced is not None else ())]
            found.update((name, None) for name in names if name.count("/") == 1)
        return list(found)
