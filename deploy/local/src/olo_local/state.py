"""What a running supervisor tells of itself: one JSON file, replaced as a whole."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from olo_local.processes import created_at, is_alive, signal_group
from olo_local.types import ChildState, ChildStatus


@dataclass
class StackState:
    """The state of a stack.

    Attributes:
        mode: `up` or `demo`.
        phase: `starting`, `ready`, `stopping`, `stopped`, or `failed`.
        problem: Why it has failed.
        step: What is being done, where it takes a while.
        pid: The supervisor.
        pid_created: When it began, so that its number cannot be mistaken.
        ports: The serving ports by part.
        children: The children, in the order of the stack.
    """

    mode: str
    phase: str = "starting"
    problem: str = ""
    step: str = ""
    pid: int = field(default_factory=os.getpid)
    pid_created: float = field(default_factory=lambda: created_at(os.getpid()))
    ports: Mapping[str, int] = field(default_factory=dict)
    children: list[ChildStatus] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        """Whether the supervisor is alive."""
        return is_alive(self.pid, self.pid_created)


def write_state(path: Path, state: StackState) -> None:
    """Replaces the file; a reader sees the old state or the new one."""
    scratch = path.with_suffix(f".{os.getpid()}.tmp")
    scratch.write_text(json.dumps(asdict(state)))
    scratch.replace(path)


def read_state(path: Path) -> StackState | None:
    """The last state that was told, or None."""
    try:
        raw = json.loads(path.read_text())
        children = [ChildStatus(**{**child, "state": ChildState(child["state"])}) for child in raw.pop("children")]
        return StackState(**raw, children=children)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def clear_remains(state: StackState) -> list[str]:
    """Kills what a supervisor that did not end well has left; gives the names of those children."""
    remains = [child for child in state.children if child.pid and is_alive(child.pid, child.pid_created)]
    for child in remains:
        signal_group(child.pid, signal.SIGKILL)
    return [child.name for child in remains]
