"""Migrations from the SDK and from the command line, against a service of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from olo.retrieval.v1 import migration_service_pb2 as pb
from olo.retrieval.v1.migration_service_pb2_grpc import (
    MigrationServiceServicer,
    add_MigrationServiceServicer_to_server,
)
from olo.retrieval.v1.retrieval_service_pb2 import CHUNK_STRATEGY_FIXED, Chunking
from olo_client import AsyncOlo, Olo
from olo_client.cli.program import run


class Migrating(MigrationServiceServicer):
    """One collection, whose migration takes three looks."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.state = pb.MIGRATION_STATE_COPYING
        self.end = pb.MIGRATION_STATE_SERVING
        self.looks = 0

    def _migration(self) -> pb.Migration:
        found = pb.Migration(
            migration_id="0" * 32, collection="manuals", state=self.state, percent=50, overlap=0.9, sampled_queries=20
        )
        found.source.embedding_model_id, found.target.embedding_model_id = "minilm", "e5"
        found.error = "no room" if self.state == pb.MIGRATION_STATE_FAILED else ""
        return found

    def StartMigration(self, request: Any, context: Any) -> pb.StartMigrationResponse:
        self.asked.append(request)
        return pb.StartMigrationResponse(migration=self._migration())

    def GetMigration(self, request: Any, context: Any) -> pb.GetMigrationResponse:
        self.looks += 1
        if self.looks == 3:
            self.state = self.end
        return pb.GetMigrationResponse(migration=self._migration())

    def ListMigrations(self, request: Any, context: Any) -> pb.ListMigrationsResponse:
        return pb.ListMigrationsResponse(
            migrations=[self._migration()], next_page_token="" if request.page_token else "more"
        )

    def RollBackMigration(self, request: Any, context: Any) -> pb.RollBackMigrationResponse:
        self.state = pb.MIGRATION_STATE_ROLLED_BACK
        return pb.RollBackMigrationResponse(migration=self._migration())

    def FinishMigration(self, request: Any, context: Any) -> pb.FinishMigrationResponse:
        self.state = pb.MIGRATION_STATE_FINISHED
        return pb.FinishMigrationResponse(migration=self._migration())


@pytest.fixture
def migrating() -> Migrating:
    return Migrating()


@pytest.fixture
def target(migrating: Migrating, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        add_MigrationServiceServicer_to_server(migrating, server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        monkeypatch.setenv("OLO_TARGET", address)
        monkeypatch.setattr("olo_client.cli.migrations._POLL_SECONDS", 0.0)
        try:
            yield address
        finally:
            server.stop(None).wait()


def test_the_command_waits_and_says_what_is_served(
    target: str, migrating: Migrating, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["--embedding-model", "e5", "--strategy", "fixed", "--max-tokens", "64", "--min-overlap", "0.5"]
    assert run(["collections", "migrate", "manuals", *order]) == 0
    assert migrating.asked == [
        pb.StartMigrationRequest(
            collection="manuals",
            embedding_model_id="e5",
            chunking=Chunking(strategy=CHUNK_STRATEGY_FIXED, max_tokens=64),
            min_overlap=0.5,
        )
    ]
    assert "manuals is embedded by e5 now" in capsys.readouterr().out
    assert run(["collections", "migration", "manuals"]) == 0
    assert capsys.readouterr().out.count("serving") == 2
    assert run(["collections", "migration", "manuals", "--json"]) == 0
    assert '"MIGRATION_STATE_SERVING"' in capsys.readouterr().out
    assert run(["collections", "rollback", "manuals"]) == 0
    assert "embedded by minilm as before" in capsys.readouterr().out
    assert run(["collections", "finish", "manuals"]) == 0
    assert "the old index is gone" in capsys.readouterr().out


def test_a_failed_one_is_an_error(target: str, migrating: Migrating, capsys: pytest.CaptureFixture[str]) -> None:
    migrating.end = pb.MIGRATION_STATE_FAILED
    assert run(["collections", "migrate", "manuals", "--max-tokens", "64"]) == 1
    assert "manuals is as before: no room" in capsys.readouterr().err


def test_nothing_to_change_is_refused(target: str, migrating: Migrating, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["collections", "migrate", "manuals"]) == 2
    assert "say what shall be different" in capsys.readouterr().err
    assert not migrating.asked


def test_both_clients(target: str) -> None:
    async def asynchronous() -> list[int]:
        async with AsyncOlo(target) as olo:
            started = await olo.migrations.start("manuals", embedding_model="e5")
            found = [started, await olo.migrations.get("manuals"), *[m async for m in olo.migrations.list("manuals")]]
            return [m.state for m in (*found, await olo.migrations.roll_back("manuals"))]

    assert asyncio.run(asynchronous()) == [1, 1, 1, 1, 6]
    with Olo(target) as olo:
        assert olo.migrations.finish("manuals").state == pb.MIGRATION_STATE_FINISHED
