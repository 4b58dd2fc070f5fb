"""The catalogue on disk: SQLite always, Postgres where its server is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from olo_common.errors import InvalidField, StartupError, Unavailable
from olo_registry.adapters.database import registry_database
from olo_registry.adapters.sql_benchmarks import SqlBenchmarkStore
from olo_registry.adapters.sql_measurements import SqlMeasurements
from olo_registry.adapters.sql_store import SqlCatalogueStore
from olo_registry.benchmarks.facts import Link, Record, Source, SourceState
from olo_registry.catalogue.alias import Alias, Shadow, Target
from olo_registry.catalogue.entry import Entry
from olo_registry.measurements.measurement import KEPT, Measurement
from olo_registry.types import HardwareType, ModelType
from olo_testing.postgres import postgres_server

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ENTRY = Entry("m", "Ein Modell ✓", ModelType.LLM, 100, True, True, 2048, HardwareType.CPU, 0, NOW, NOW)


@asynccontextmanager
async def catalogue_store(url: str) -> AsyncIterator[SqlCatalogueStore]:
    async with registry_database(url) as database:
        yield SqlCatalogueStore(database)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/below/registry.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


async def test_what_was_saved_is_there_after_a_restart(database_url: str) -> None:
    changed = replace(
        ENTRY,
        priority=7,
        enabled=False,
        quality_score=0.5,
        cost_per_1k_input_tokens=0.0,
        labels={"tier": "gold"},
        capabilities=("json", "tools"),
        allowed_tenants=("a",),
    )
    embedding = replace(
        ENTRY, model_id="org/e:1", model_type=ModelType.EMBEDDING, hardware_type=HardwareType.GPU, embedding_dimension=8
    )
    async with catalogue_store(database_url) as store:
        await store.save([ENTRY, embedding])
        await store.save([changed])
    async with catalogue_store(database_url) as store:
        assert sorted(await store.load(), key=lambda entry: entry.model_id) == [changed, embedding]
        await store.save([replace(changed, default_flag=False)])


async def test_the_default_moves_in_one_transaction_whatever_the_order(database_url: str) -> None:
    first, second = replace(ENTRY, model_id="a"), replace(ENTRY, model_id="b", default_flag=False)
    async with catalogue_store(database_url) as store:
        await store.save([replace(entry, default_flag=False) for entry in await store.load()])
        await store.save([first, second])
        await store.save([replace(second, default_flag=True), replace(first, default_flag=False)])
        assert [entry.model_id for entry in await store.load() if entry.default_flag] == ["b"]


async def test_the_database_itself_allows_one_default_of_a_type_and_keeps_nothing_of_a_failed_save(
    tmp_path: Path,
) -> None:
    async with catalogue_store(f"sqlite:///{tmp_path}/registry.db") as store:
        await store.save([ENTRY])
        with pytest.raises(Unavailable):
            await store.save([replace(ENTRY, priority=1), replace(ENTRY, model_id="other")])
        assert await store.load() == [ENTRY]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////proc/nowhere/registry.db",
        "sqlite:////proc/version",
        "postgresql://olo:secret@127.0.0.1:1/olo",
        "sqlite:nonsense",
    ],
)
async def test_a_database_that_cannot_be_used_is_one_clear_sentence(url: str) -> None:
    with pytest.raises(StartupError) as caught:
        async with catalogue_store(url):
            pass
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_file_that_is_no_database_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_text("this is not a database, and never was one; it is long enough to be read")
    with pytest.raises(StartupError, match="database"):
        async with catalogue_store(f"sqlite:///{tmp_path}/registry.db"):
            pass


async def test_aliases_are_replaced_whole_and_deleted(database_url: str) -> None:
    canary, whole = Alias("a:latest", (Target("m", 9), Target("n", 1))), Alias("a:latest", (Target("n", 1),))
    mirrored = Alias("a:latest", (Target("m", 1),), Shadow("n", 10))
    other = Alias("b", (Target("m", 1),), Shadow("m", 0))
    async with catalogue_store(database_url) as store:
        await store.save_alias(canary)
        await store.save_alias(other)
        assert await store.load_aliases() == [canary, other]
        await store.save_alias(mirrored)
    async with catalogue_store(database_url) as store:
        assert await store.load_aliases() == [mirrored, other]
        await store.save_alias(whole)
        await store.delete_alias("b")
    async with catalogue_store(database_url) as store:
        assert await store.load_aliases() == [whole]
        await store.delete_alias("a:latest")


async def test_a_database_of_before_the_policy_keeps_its_models(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registry.db"
    async with catalogue_store(url) as store:
        await store.save([ENTRY])
    config = Config()
    config.set_main_option("script_location", "olo_registry:migrations")
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    engine.dispose()
    async with catalogue_store(url) as store:
        assert await store.load() == [ENTRY]


async def test_the_last_word_of_a_source_and_decisions_survive_a_restart(database_url: str) -> None:
    record = Record(
        "a/b", ("A/B",), elo=1234.5, input_cost=0.0, context_limit=4096, parameters=8 * 10**9, capabilities=("tools",)
    )
    state = SourceState(Source.LMARENA, (record,), NOW, NOW, "away", {"http://x": '"tag"'})
    async with registry_database(database_url) as database:
        store = SqlBenchmarkStore(database)
        await store.save_state(SourceState(Source.LMARENA))
        await store.save_state(state)
        await store.save_link(Link("m", Source.LMARENA, "a/b"))
        await store.save_link(Link("m", Source.LMARENA, None))
    async with registry_database(database_url) as database:
        store = SqlBenchmarkStore(database)
        assert await store.load_states() == [state]
        assert await store.load_links() == [Link("m", Source.LMARENA, None)]


def measured(model_id: str = "m", *, seconds: float = 0.0, **values: object) -> Measurement:
    numbers = {"weight": 3.0, "timed_weight": 2.0, "first_token_seconds": 0.1, "token_seconds": 0.01}
    fields = {**numbers, "error_rate": 0.0, "throughput": 50.0, "instance_id": "", "prompt_size": "short", **values}
    return Measurement(model_id, observe_time=NOW + timedelta(seconds=seconds), **fields)  # type: ignore[arg-type]


async def test_of_measurements_with_one_key_the_newest_stays_however_they_come(database_url: str) -> None:
    async with registry_database(database_url) as database:
        store = SqlMeasurements(database)
        await store.save([measured(seconds=5, weight=5.0), measured(seconds=9, weight=9.0)], NOW)
        await store.save([measured(seconds=7, weight=7.0), measured("n", instance_id="i")], NOW)
        await store.save([], NOW)
    async with registry_database(database_url) as database:
        kept = await SqlMeasurements(database).list(10)
        assert kept == [measured(seconds=9, weight=9.0), measured("n", instance_id="i")]
        assert await SqlMeasurements(database).list(1) == kept[:1]


async def test_measurements_that_are_too_old_are_forgotten(database_url: str) -> None:
    async with registry_database(database_url) as database:
        store = SqlMeasurements(database)
        await store.save([measured()], NOW)
        await store.save([], NOW + KEPT + timedelta(hours=1))
        assert await store.list(10) == []


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("model_id", {"model_id": "../x"}),
        ("instance_id", {"instance_id": "a b"}),
        ("prompt_size", {"prompt_size": "huge"}),
        ("observe_time", {"seconds": 3600.0}),
        ("observe_time", {"seconds": -KEPT.total_seconds() - 1}),
        ("weight", {"weight": float("nan")}),
        ("token_seconds", {"token_seconds": -1.0}),
        ("throughput", {"throughput": float("inf")}),
        ("error_rate", {"error_rate": 1.5}),
    ],
)
def test_measurements_that_cannot_be_are_refused(field: str, values: dict[str, object]) -> None:
    with pytest.raises(InvalidField) as caught:
        measured(**values).check("measurements[0]", NOW)  # type: ignore[arg-type]
    assert (caught.value.field or "").endswith(field)
