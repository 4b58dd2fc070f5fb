"""How many of what a load needs: `python scripts/sizing.py --requests-per-second 20 --answer-tokens 300`.

What a request costs is read from docs/benchmarks, which `make bench` writes on the machine at hand. The rest is
arithmetic: Little's law for what runs at once, Erlang's C formula for who waits, and the shares below.
docs/guides/sizing.md explains the figures, and what they leave out.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

BENCHMARKS: Final = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"

BUSY: Final = 0.6
"""The share of a core, of a slot or of a shard that is planned with: above it, whoever comes waits more and more."""
WAITING: Final = 0.1
"""The share of requests that may find every slot of their model taken."""
WRITES_OF_A_RUN: Final = 6
"""Updates of a run in Temporal's database: its start, two workflow tasks and one activity, which are the started and
completed events of the history of a plain chat, without the two that are written with another."""
BEATS_PER_SECOND: Final = 2.0
"""Updates by the heartbeats of an answer that is being generated: a worker sends one each half second."""
WRITE_SECONDS: Final = 0.005
"""How long such an update takes on Postgres with a disk that syncs; measure yours."""
WRITES_OF_A_CORE: Final = 500
"""Updates that one core of Postgres takes in a second, by what operators of Temporal publish."""
FEWEST_SHARDS: Final = 512
"""What Temporal's chart begins with. They cost little, and cannot be changed later."""
SPREAD: Final = 8
"""Shards beside the fewest that could be busy: runs fall on them by chance."""
EVENTS_BYTES: Final = 10_000
"""What the history of a run takes without prompt and answer; each of these is in it twice."""
BYTES_OF_A_TOKEN: Final = 4
CHUNKS_PER_SECOND: Final = 40.0
"""Chunks of one stream at most: a worker gathers tokens for 25 ms."""
INDEX_OVERHEAD: Final = 1.5
"""Memory of an HNSW index beside the vectors alone, as Qdrant's documentation plans it."""
MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Load:
    """What is asked. Tokens are means."""

    requests_per_second: float
    rag_share: float = 0.5
    prompt_tokens: int = 500
    answer_tokens: int = 200
    chunks: int = 100_000
    dimension: int = 384
    retention_days: float = 7.0


@dataclass(frozen=True)
class Model:
    """One instance of the model: what it generates in a second in all its slots together, and reads of prompts."""

    tokens_per_second: float
    prompt_tokens_per_second: float
    slots: int


@dataclass(frozen=True)
class Costs:
    """CPU seconds of each part for a request without passages and for one with them; MiB that each part holds."""

    plain: dict[str, float]
    rag: dict[str, float]
    resident: dict[str, float]
    texts_per_second: float
    """Queries that one embed-worker embeds on two cores."""

    def of(self, part: str, load: Load) -> float:
        """CPU seconds of a part in each second of the load."""
        mixed = (1 - load.rag_share) * self.plain[part] + load.rag_share * self.rag[part]
        return load.requests_per_second * mixed


@dataclass(frozen=True)
class Need:
    """What one part needs in all."""

    part: str
    instances: int
    cores: float
    memory_mib: float
    why: str


def table(name: str, folder: Path = BENCHMARKS) -> list[dict[str, str]]:
    """The rows of a benchmark."""
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def costs(folder: Path = BENCHMARKS) -> Costs:
    """What was measured."""
    by_kind: dict[str, dict[str, float]] = {"plain": {}, "rag": {}}
    for row in table("cpu_by_part", folder):
        by_kind[row["request"]][row["part"]] = float(row["cpu_s"])
    resident = {
        row["part"]: float(row["value"]) for row in table("start_up", folder) if row["figure"] == "resident_mib"
    }
    batches = [
        32 / float(row["subject_s"])
        for row in table("embed_batching", folder)
        if (row["texts"], row["precision"]) == ("short", "float32")
    ]
    return Costs(by_kind["plain"], by_kind["rag"], resident, statistics.median(batches))


def demo_model(folder: Path = BENCHMARKS) -> Model:
    """The demonstration model on two cores, eight slots."""
    rows = [row for row in table("llm_throughput_demo", folder) if row["way"] == "ours"]
    speed = statistics.median(float(row["tokens"]) / float(row["seconds"]) for row in rows)
    return Model(speed, speed * 4, 8)


def waiting(servers: int, offered: float) -> float:
    """Erlang's C formula: the probability that a request finds all servers busy.

    Args:
        servers: How many there are.
        offered: Requests in a second, times seconds that each takes; below `servers`, else everybody waits.
    """
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def slots_for(offered: float) -> int:
    """The fewest slots that are not busier, and let no more wait, than is planned with."""
    slots = max(1, math.ceil(offered / BUSY))
    while waiting(slots, offered) > WAITING:
        slots += 1
    return slots


def answer_seconds(load: Load, model: Model) -> float:
    """How long an answer takes in a slot, while all slots are busy."""
    return (
        load.prompt_tokens / model.prompt_tokens_per_second + load.answer_tokens * model.slots / model.tokens_per_second
    )


def needs(load: Load, model: Model, measured: Costs) -> list[Need]:
    """Every part."""
    return [
        *_services(load, measured),
        *_models(load, model, measured),
        *_servers(load, model, measured),
    ]


def _services(load: Load, measured: Costs) -> Iterator[Need]:
    for part, why in (
        ("gateway", "a process is one core; scale first; two, so that one can be replaced"),
        ("router", "decides in memory; two, so that one can be replaced"),
        ("retrieval", "more than one needs Postgres and a Qdrant server"),
    ):
        busy = measured.of(part, load) / BUSY
        fewest = 1 if part == "retrieval" and busy < 1 else 2
        instances = max(fewest, math.ceil(busy))
        yield Need(part, instances, busy, instances * measured.resident[part], why)
    yield Need("registry", 1, max(0.1, measured.of("registry", load)), measured.resident["registry"], "one at a time")


def _models(load: Load, model: Model, measured: Costs) -> Iterator[Need]:
    seconds = answer_seconds(load, model)
    slots = slots_for(load.requests_per_second * seconds)
    instances = math.ceil(slots / model.slots)
    why = f"{slots} slots: an answer takes {seconds:.1f} s where all are busy"
    yield Need("llm-worker", instances, instances * 2.0, instances * measured.resident["llm-worker"], why)
    texts = load.requests_per_second * load.rag_share
    instances = max(1, math.ceil(texts / (measured.texts_per_second * BUSY)))
    cores = 2 * texts / (measured.texts_per_second * BUSY)
    yield Need(
        "embed-worker", instances, cores, instances * measured.resident["embed-worker"], "queries; ingestion besides"
    )


def _servers(load: Load, model: Model, measured: Costs) -> Iterator[Need]:
    rate, seconds = load.requests_per_second, answer_seconds(load, model)
    busy = measured.of("temporal", load) / BUSY
    writes = rate * (WRITES_OF_A_RUN + BEATS_PER_SECOND * seconds)
    # A shard writes one update after the other.
    shards = max(FEWEST_SHARDS, 2 ** math.ceil(math.log2(SPREAD * writes * WRITE_SECONDS / BUSY)))
    why = f"at least {shards} history shards, which cannot be changed later"
    yield Need("temporal", max(1, math.ceil(busy / 4)), busy, measured.resident["temporal"] * max(1, busy), why)
    history = EVENTS_BYTES + 2 * BYTES_OF_A_TOKEN * (load.prompt_tokens + load.answer_tokens)
    kept = rate * 86_400 * load.retention_days * history
    why = f"{writes:.0f} updates a second; {kept / 1024**3:.1f} GiB of histories kept"
    yield Need("postgres", 1, writes / WRITES_OF_A_CORE / BUSY, 1024.0, why)
    chunks = rate * min(load.answer_tokens, seconds * CHUNKS_PER_SECOND)
    yield Need("nats", 1, measured.of("nats", load) / BUSY, measured.resident["nats"], f"{chunks:.0f} chunks a second")
    vectors = load.chunks * load.dimension * 4 * INDEX_OVERHEAD / MIB
    yield Need("qdrant", 1, 1.0, 128 + vectors, f"{load.chunks} vectors of {load.dimension} in memory")


def most_on(cores: float, load: Load, model: Model, measured: Costs) -> float:
    """Requests in a second that one machine with so many cores carries, all parts on it; 0 where not even few."""

    def fits(rate: float) -> bool:
        found = needs(replace(load, requests_per_second=rate), model, measured)
        return sum(need.cores for need in found) <= cores

    low, high = 0.0, 1.0
    while fits(high):
        low, high = high, high * 2
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="sizing", description="How many of what a load needs.")
    parser.add_argument("--requests-per-second", type=_above_zero, required=True, help="at the busiest time")
    parser.add_argument("--rag-share", type=_share, default=0.5, help="share of requests with passages (0.5)")
    parser.add_argument("--prompt-tokens", type=_count, default=500, help="of a request, with its passages (500)")
    parser.add_argument("--answer-tokens", type=_count, default=200, help="of an answer (200)")
    parser.add_argument("--tokens-per-second", type=_above_zero, help="of one instance, all slots (the demo model's)")
    parser.add_argument("--prompt-tokens-per-second", type=_above_zero, help="that it reads (4 times what it writes)")
    parser.add_argument("--slots", type=_count, help="OLO_LLM_WORKER_MAX_CONCURRENCY of an instance (8)")
    parser.add_argument("--chunks", type=_count, default=100_000, help="passages in all collections (100000)")
    parser.add_argument("--dimension", type=_count, default=384, help="of their vectors (384)")
    parser.add_argument("--retention-days", type=_above_zero, default=7.0, help="of Temporal's namespace (7)")
    parser.add_argument("--cores", type=_above_zero, help="of one machine: what it carries with everything on it")
    parser.add_argument("--json", action="store_true", help="for programs")
    told = parser.parse_args(arguments)
    load = Load(
        told.requests_per_second,
        told.rag_share,
        told.prompt_tokens,
        told.answer_tokens,
        told.chunks,
        told.dimension,
        told.retention_days,
    )
    demo, measured = demo_model(), costs()
    speed = told.tokens_per_second or demo.tokens_per_second
    model = Model(speed, told.prompt_tokens_per_second or 4 * speed, told.slots or demo.slots)
    found = needs(load, model, measured)
    machine = most_on(told.cores, load, model, measured) if told.cores else None
    if told.json:
        print(json.dumps({"needs": [asdict(need) for need in found], "one_machine_requests_per_second": machine}))
        return 0
    for need in found:
        print(f"{need.part:14}{need.instances:4} x {need.cores:7.1f} cores {need.memory_mib:8.0f} MiB  {need.why}")
    total = sum(need.cores for need in found)
    print(f"{'in all':14}{'':4}   {total:7.1f} cores {sum(need.memory_mib for need in found):8.0f} MiB")
    if machine is not None:
        print(f"one machine with {told.cores:g} cores carries {machine:.1f} such requests a second")
    return 0


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**12:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
