"""`olo top`: models, their slots and queues, latencies and circuit breakers, as they change."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from olo_client.cli.options import AsJson, Url
from olo_client.cli.output import write_json
from olo_client.cluster import DEFAULT_URL, ModelSample, Sample, sample
from olo_client.errors import UnavailableError

_WIDE = 140
_STYLES = {"ok": "green", "degraded": "yellow", "unavailable": "red", "open": "red", "half_open": "yellow"}


def top(
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 2.0,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Shows models, slots, queues, latencies and breakers as they change, until Ctrl-C; --once for scripts."""
    console = Console()
    if once or not console.is_terminal:
        _show(console, sample(url), as_json=as_json)
        return
    try:
        if as_json:
            while True:
                _show(console, sample(url), as_json=True)
                time.sleep(interval)
        _watch(console, url, interval)
    except KeyboardInterrupt:
        return


def _show(console: Console, told: Sample, *, as_json: bool) -> None:
    if as_json:
        write_json(asdict(told))
        return
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    console.print(view(told, time.time()))


def _watch(console: Console, url: str, interval: float) -> None:
    """Draws anew for ever. The first look must succeed; later the last one stays, with its age."""
    told, problem = sample(url), ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(view(told, time.time(), problem), refresh=True)
            time.sleep(interval)
            try:
                told, problem = sample(url), ""
            except UnavailableError as error:
                problem = error.message


def view(told: Sample, now: float, problem: str = "") -> RenderableType:
    """What is shown of a sample; with a problem, it is an old one."""
    lines: list[RenderableType] = [_head(told)]
    if problem:
        lines.append(Text(f"{problem}; this is {now - told.time:.0f} s old", style="bold red"))
    if told.models is None:
        lines.append(Text("the registry does not answer: models are not known", style="yellow"))
        return Group(*lines)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model", no_wrap=True)
    for name in ("instances", "slots in use", "waiting", "oldest", "tokens/s", "first token", "token", "errors"):
        table.add_column(name, justify="right")
    table.add_column("breaker")
    for model in told.models:
        table.add_row(*_cells(model), style="" if model.available else "dim")
    return Group(*lines, table)


def _head(told: Sample) -> Text:
    gate = told.admission
    refused = sum(gate["refused"].values())
    away = [part for part, answers in told.parts.items() if not answers]
    head = Text(f"{told.status}", style=_STYLES.get(told.status, ""))
    head.append(f"   {time.strftime('%H:%M:%S', time.localtime(told.time))}", style="default")
    runs = f"   runs in flight {gate['in_flight']}/{gate['limit']}, parked {gate['parked']}, refused {refused}"
    head.append(runs, style="default")
    if away:
        head.append(f"   away: {', '.join(away)}", style="red")
    return head


def _cells(model: ModelSample) -> list[Text]:
    full = model.slots > 0 and model.in_flight >= model.slots
    error_rate = "-" if model.error_rate is None else f"{model.error_rate:.1%}"
    breaker = model.breaker or "-"
    return [
        Text(model.model_id),
        Text(f"{model.instances}/{model.instances_known}"),
        Text(f"{model.in_flight}/{model.slots}", style="yellow" if full else ""),
        Text("-" if model.waiting is None else str(model.waiting)),
        Text(_seconds(model.oldest if model.waiting else None)),
        Text("-" if model.tokens_per_second is None else f"{model.tokens_per_second:.1f}"),
        Text(_seconds(model.first_token)),
        Text(_seconds(model.per_token)),
        Text(error_rate, style="red" if (model.error_rate or 0) > 0.1 else ""),
        Text(breaker.replace("_", " "), style=_STYLES.get(breaker, "")),
    ]


def _seconds(spent: float | None) -> str:
    if spent is None:
        return "-"
    return f"{spent * 1000:.0f} ms" if spent < 1 else f"{spent:.1f} s"
