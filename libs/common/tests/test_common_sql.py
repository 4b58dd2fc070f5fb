"""Transactions whose task is cancelled, and the state of a file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from olo_common.sql import Database, open_database

# Longer than any machine is busy; nothing waits for it where all is well.
_PATIENCE = 60


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    async def nothing(_: Database) -> None:
        """There are no migrations."""

    monkeypatch.setattr(Database, "migrate", nothing)
    url = f"sqlite:///{tmp_path}/numbers.db"
    async with open_database(
        url, name="the numbers", variable="OLO_NUMBERS", migrations="none", table="numbers"
    ) as opened:
        async with opened.write() as connection:
            await connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
        yield opened


async def write(database: Database, number: int) -> None:
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})


async def numbers(database: Database) -> list[int]:
    async with database.read() as connection:
        return [number for (number,) in await connection.execute(text("SELECT number FROM numbers ORDER BY number"))]


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_write_that_is_cancelled_while_it_waits_for_the_file_leaves_nothing(
    database: Database, tmp_path: Path, times: int
) -> None:
    before = asyncio.all_tasks()
    holder = sqlite3.connect(tmp_path / "numbers.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(write(database, 1))
    await _blocked(database)
    for _ in range(times):
        waiting.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    holder.execute("COMMIT")
    holder.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(_PATIENCE):
        await write(database, 2)
        assert await numbers(database) == [2]
        # What is left of it would wait for a thread that is gone, and the process with it when it ends.
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)


async def _blocked(database: Database) -> None:
    """Returns when a connection of the pool is in use."""
    while not database._engine.pool.checkedout():  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)


async def test_a_write_that_is_cancelled_in_its_body_is_rolled_back(database: Database) -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO numbers VALUES (1)"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(_PATIENCE):
        await write(database, 2)
    assert await numbers(database) == [2]


async def test_the_state_of_a_file_is_another_one_after_every_commit(database: Database, tmp_path: Path) -> None:
    states = [database.state()]
    assert await numbers(database) == []
    assert database.state() == states[0] is not None
    for number in (1, 2):
        await write(database, number)
        states.append(database.state())
    with sqlite3.connect(tmp_path / "numbers.db") as another_process:
        another_process.execute("DELETE FROM numbers")
    another_process.close()
    states.append(database.state())
    assert len(set(states)) == 4


async def test_a_server_has_no_state() -> None:
    async with open_database(
        "postgresql://nobody@127.0.0.1:9/none", name="it", variable="OLO_IT", migrations="none", table="it"
    ) as server:
        assert server.state() is None
