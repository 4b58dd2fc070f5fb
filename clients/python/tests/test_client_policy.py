"""`olo models get`, `set`, `alias`, `aliases`, `drain`, and the same in both clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from olo.registry.v1 import registry_service_pb2 as rg
from olo_client import AsyncOlo, InvalidRequestError, Olo
from olo_client.cli import program as cli


@pytest.fixture(autouse=True)
def _settled(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_TARGET", served.target)
    monkeypatch.setenv("COLUMNS", "200")


def test_what_is_named_is_set_and_nothing_else(served: Any, capsys: Any) -> None:
    arguments = [
        "--priority",
        "0",
        "--no-default",
        "--disabled",
        "--label",
        "tier=gold",
        "--tenant",
        "a",
        "--clear",
        "quality",
    ]
    assert cli.run(["models", "set", "org/m:1", *arguments, "--json"]) == 0
    request = served.gateway.requests[0]
    assert request.model == rg.Model(model_id="org/m:1", labels={"tier": "gold"}, allowed_tenants=["a"])
    assert list(request.update_mask.paths) == [
        "allowed_tenants",
        "default_flag",
        "enabled",
        "labels",
        "priority",
        "quality_score",
    ]
    assert json.loads(capsys.readouterr().out)["model_id"] == "org/m:1"


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "m"],
        ["set", "m", "--label", "tier"],
        ["set", "m", "--clear", "nothing"],
        ["alias", "a"],
        ["alias", "a", "m", "--delete"],
        ["alias", "a", "m=x"],
        ["alias", "a", "m", "--shadow", "n"],
        ["drain"],
        ["drain", "m", "--instance", "i"],
    ],
)
def test_wrong_usage_is_said_before_anything_is_asked(served: Any, arguments: list[str]) -> None:
    assert cli.run(["models", *arguments]) == 2
    assert served.gateway.requests == []


def test_a_model_is_shown_with_what_is_known(capsys: Any) -> None:
    assert cli.run(["models", "get", "m"]) == 0
    out = capsys.readouterr().out
    assert "quality score" in out
    assert "0.5" in out


def test_aliases_are_made_listed_and_ended(served: Any, capsys: Any) -> None:
    assert cli.run(["models", "alias", "chat:latest", "a=9", "b"]) == 0
    assert cli.run(["models", "aliases"]) == 0
    assert "a=9, b=1" in capsys.readouterr().out
    assert cli.run(["models", "alias", "chat:latest", "a", "--shadow", "org/c:1=10"]) == 0
    assert capsys.readouterr().out == "chat:latest is a, mirrored to org/c:1=10%\n"
    assert served.gateway.aliases["chat:latest"].shadow == rg.AliasShadow(model_id="org/c:1", percent=10)
    assert cli.run(["models", "aliases"]) == 0
    assert "org/c:1=10%" in capsys.readouterr().out
    assert cli.run(["models", "alias", "chat:latest", "--delete"]) == 0
    assert served.gateway.aliases == {}


def test_drain_names_who_was_told(capsys: Any) -> None:
    assert cli.run(["models", "drain", "m"]) == 0
    assert cli.run(["models", "drain", "--instance", "i7"]) == 0
    assert capsys.readouterr().out == "i1 drains\ni7 drains\n"


async def test_both_clients_speak_alike(served: Any) -> None:
    with Olo(served.target) as olo:
        assert olo.models.update("m", quality_score=0.5).quality_score == 0.5
        assert olo.models.set_alias("a", "m").targets[0].weight == 1
        with pytest.raises(InvalidRequestError):
            olo.models.update("m", priority=2**40)
        with pytest.raises(InvalidRequestError):
            olo.models.set_alias("a", {"m": -1})
        with pytest.raises(InvalidRequestError):
            olo.models.set_alias("a", "m", ("n", -1))
        assert olo.models.set_alias("a", "m", ("n", 5)).shadow.percent == 5
    async with AsyncOlo(served.target) as client:
        assert (await client.models.get("m")).model_id == "m"
        assert (await client.models.update("m", enabled=False)).model_id == "m"
        assert list(await client.models.drain(model_id="m")) == ["i1"]
        assert len(await client.models.aliases()) == 1
        await client.models.delete_alias("a")
    assert served.gateway.aliases == {}


def test_benchmarks_are_listed_and_decided(served: Any, capsys: Any) -> None:
    for arguments, shown in ((["sources"], "away"), (["facts", "m"], "1234"), (["review"], "r-v2")):
        assert cli.run(["benchmarks", *arguments]) == 0
        assert shown in capsys.readouterr().out
        assert cli.run(["benchmarks", *arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)
    assert cli.run(["benchmarks", "decide", "r", "lmarena", "r-v2"]) == 0
    assert served.gateway.requests[-1].record == "r-v2"


async def test_both_clients_read_benchmarks(served: Any) -> None:
    with Olo(served.target) as olo:
        assert olo.benchmarks.sources()[0].records == 7
        olo.benchmarks.decide("m", "lmarena", None)
    async with AsyncOlo(served.target) as client:
        assert (await client.benchmarks.facts("m"))[0].name == "elo"
        assert (await client.benchmarks.reviews())[0].candidates[0].doubts == ["version"]
        await client.benchmarks.decide("m", "lmarena", "r")
        assert (await client.benchmarks.sources())[0].problem == "away"
