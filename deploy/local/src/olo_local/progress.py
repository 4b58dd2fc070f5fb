"""Shows how a stack comes up, and what happens to it afterwards."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console

from olo_local.state import StackState
from olo_local.types import ChildState, ChildStatus


class Progress:
    """Writes one line for each thing that happens, and in a terminal a spinner with what is still awaited."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = console.status("starting")
        self._seen: dict[str, tuple[ChildState, int]] = {}
        self._step = ""
        self._phase = ""
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._spinner.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._spinner.stop()

    def knows(self, state: StackState) -> None:
        """Takes a state that needs no telling."""
        self._seen = {child.name: (child.state, child.restarts) for child in state.children}
        self._phase, self._step = state.phase, state.step

    def told(self, state: StackState) -> None:
        """Takes the newest state."""
        if state.step and state.step != self._step:
            self._write(state.step)
        self._step = state.step
        for child in state.children:
            before = self._seen.get(child.name, (ChildState.WAITING, 0))
            now = (child.state, child.restarts)
            if now != before:
                self._seen[child.name] = now
                self._write_child(child, before[0])
        if state.phase != self._phase:
            self._phase = state.phase
            self._write_phase(state)
        waiting = [child.name for child in state.children if child.state is not ChildState.READY]
        self._spinner.update(f"{state.phase}: {', '.join(waiting)}" if waiting else state.step or state.phase)

    def _write_child(self, child: ChildStatus, before: ChildState) -> None:
        if child.state is ChildState.READY:
            took = f"after {time.time() - child.started_at:.1f} s" if before is not ChildState.UNHEALTHY else "again"
            self._write(f"[green]ready[/green]      {child.name} at {child.address} {took}")
        elif child.state is ChildState.RESTARTING:
            self._write(f"[yellow]restarting[/yellow] {child.name}: {child.note}")
        elif child.state is ChildState.UNHEALTHY:
            self._write(f"[yellow]unhealthy[/yellow]  {child.name} runs but does not serve")
        elif child.state is ChildState.STOPPED and before is not ChildState.WAITING:
            self._write(f"[dim]stopped    {child.name}[/dim]")

    def _write_phase(self, state: StackState) -> None:
        if state.phase == "ready":
            self._write(f"[bold green]the stack is ready[/bold green] after {time.monotonic() - self._began:.1f} s")
            self._spinner.stop()
        elif state.phase == "stopping":
            self._write("stopping")

    def _write(self, line: str) -> None:
        self._console.print(line, highlight=False)
