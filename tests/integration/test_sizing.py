"""The program that says how many of what a load needs: its formulas against known values, constants against code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import sizing
from scripts.sizing import Load, Model, Need

from olo_llm_worker.attempts import HEARTBEAT_SECONDS
from olo_llm_worker.generation.generation import COALESCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
MODEL = Model(tokens_per_second=1000, prompt_tokens_per_second=4000, slots=8)
COSTS = sizing.costs()
RATES = st.floats(0.01, 2000)


def needed(load: Load, model: Model = MODEL) -> dict[str, Need]:
    return {need.part: need for need in sizing.needs(load, model, COSTS)}


@pytest.mark.parametrize(
    ("servers", "offered", "expected"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 7.0, 0.2217), (100, 90.0, 0.2169), (5, 5.0, 1.0)],
)
def test_who_waits_is_what_tables_of_erlangs_formula_say(servers: int, offered: float, expected: float) -> None:
    assert sizing.waiting(servers, offered) == pytest.approx(expected, abs=5e-4)


@given(st.floats(0.01, 500))
def test_slots_are_enough_and_one_less_is_not(offered: float) -> None:
    slots = sizing.slots_for(offered)
    assert sizing.waiting(slots, offered) <= sizing.WAITING
    assert offered / slots <= sizing.BUSY
    if slots > 1:
        assert sizing.waiting(slots - 1, offered) > sizing.WAITING or offered / (slots - 1) > sizing.BUSY


@given(RATES, st.floats(1.01, 10))
def test_more_requests_need_no_less_of_anything(rate: float, times: float) -> None:
    few, many = needed(Load(rate)), needed(Load(rate * times))
    for part, need in few.items():
        assert many[part].instances >= need.instances
        assert many[part].cores >= need.cores
        assert many[part].memory_mib >= need.memory_mib


@given(st.floats(8, 1024), st.floats(0, 1))
def test_one_machine_carries_what_fits_it_and_no_more(cores: float, rag: float) -> None:
    load = Load(1.0, rag_share=rag)
    most = sizing.most_on(cores, load, MODEL, COSTS)

    def used(rate: float) -> float:
        return sum(need.cores for need in sizing.needs(replace(load, requests_per_second=rate), MODEL, COSTS))

    assert used(most) <= cores or most == 0
    assert used(most * 1.01 + 0.01) > cores


def test_what_runs_at_once_follows_littles_law() -> None:
    load = Load(10.0, prompt_tokens=400, answer_tokens=100)
    assert sizing.answer_seconds(load, MODEL) == pytest.approx(0.1 + 100 / 125)
    # Nine are in a slot on average; 15 slots keep them 60 % busy.
    assert needed(load)["llm-worker"].instances == 2
    assert needed(replace(load, requests_per_second=100.0))["llm-worker"].instances == 19


def test_two_of_what_must_not_be_away_and_one_of_what_is_alone() -> None:
    little = needed(Load(0.01))
    assert (little["gateway"].instances, little["router"].instances) == (2, 2)
    assert (little["registry"].instances, little["llm-worker"].instances) == (1, 1)
    assert needed(Load(1000.0))["registry"].instances == 1


def test_the_writes_of_a_run_are_those_of_its_history() -> None:
    events = json.loads((ROOT / "services/gateway/tests/histories/plain.json").read_text())["events"]
    kinds = [event["eventType"].removeprefix("EVENT_TYPE_") for event in events]
    written = [kind for kind in kinds if kind.endswith(("_STARTED", "_COMPLETED"))]
    # The first task comes with the start, and the end with the last task.
    assert len(written) - 2 == sizing.WRITES_OF_A_RUN


def test_the_constants_of_workers_are_those_of_workers() -> None:
    assert 1 / sizing.BEATS_PER_SECOND >= HEARTBEAT_SECONDS
    assert pytest.approx(1 / COALESCE_SECONDS) == sizing.CHUNKS_PER_SECOND


def test_what_was_measured_covers_every_part() -> None:
    for kind in (COSTS.plain, COSTS.rag):
        assert {"gateway", "router", "registry", "retrieval", "temporal", "nats"} <= kind.keys()
        assert all(cost >= 0 for cost in kind.values())
        assert kind["gateway"] > 0 < kind["temporal"]
    assert {"gateway", "router", "registry", "retrieval", "llm-worker", "embed-worker"} <= COSTS.resident.keys()
    assert COSTS.texts_per_second > 0 < sizing.demo_model().tokens_per_second


def test_the_command_tells_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--requests-per-second", "20", "--cores", "64", "--tokens-per-second", "2000", "--slots", "32"]
    assert sizing.main(asked) == 0
    said = capsys.readouterr().out
    assert "history shards" in said
    assert "one machine with 64 cores carries" in said
    assert sizing.main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {need["part"] for need in told["needs"]} >= {"gateway", "temporal", "postgres", "llm-worker"}
    assert told["one_machine_requests_per_second"] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        ["--requests-per-second", "0"],
        ["--requests-per-second", "nan"],
        ["--requests-per-second", "1", "--rag-share", "2"],
        [],
    ],
)
def test_what_makes_no_sense_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        sizing.main(wrong)
    assert ended.value.code == 2
    assert "requests-per-second" in capsys.readouterr().err
