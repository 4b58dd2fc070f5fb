"""The supervisor with tiny real children."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_local.errors import ChildFailed
from olo_local.probes import greeting
from olo_local.supervisor import Backoff, Pace, Supervisor
from olo_local.types import ChildSpec, ChildState, ChildStatus
from olo_testing.ports import free_port

SERVER = """
import os, socket, sys
order, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
def note(word):
    with open(order, "a") as file: file.write(f"{word} {name}\\n")
import signal
def end(*_):
    note("stopped"); os._exit(0)
signal.signal(signal.SIGTERM, end)
listener = socket.create_server(("127.0.0.1", port))
note("started"); print("hello from", name)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"INFO "); connection.close()
"""

FAST = Pace(first_pause=0.01, longest_pause=0.04, steady_after=30.0, check_every=0.05, grace=5.0)


class Story:
    """Children that write down when they start and stop, and the statuses that were told."""

    def __init__(self, folder: Path) -> None:
        self.order = folder / "order"
        self.logs = folder
        self.told: list[tuple[str, ChildState, int]] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def child(self, name: str, *needs: str) -> ChildSpec:
        port = free_port()
        command = (sys.executable, "-S", "-c", SERVER, str(self.order), name, str(port))
        return ChildSpec(name, command, f"127.0.0.1:{port}", greeting("127.0.0.1", port, b"INFO "), {}, needs)

    def changed(self, status: ChildStatus) -> None:
        self.told.append((status.name, status.state, status.restarts))

        async def wake() -> None:
            async with self._news:
                self._news.notify_all()

        task = asyncio.create_task(wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(happened)

    def lines(self) -> list[str]:
        return self.order.read_text().splitlines()


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    yield Story(tmp_path)


async def test_children_start_after_what_they_need_and_stop_before_it(story: Story) -> None:
    specs = [story.child("last", "middle"), story.child("middle", "first"), story.child("first")]
    supervisor = Supervisor(specs, story.logs, story.changed, FAST)
    try:
        await supervisor.start()
        pids = [status.pid for status in supervisor.statuses.values()]
        assert all(status.state is ChildState.READY for status in supervisor.statuses.values())
    finally:
        await supervisor.stop()
    assert story.lines() == [
        "started first",
        "started middle",
        "started last",
        "stopped last",
        "stopped middle",
        "stopped first",
    ]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert all(status.state is ChildState.STOPPED for status in supervisor.statuses.values())
    log = (story.logs / "first.log").read_text()
    assert log.endswith(" hello from first\n") and log[:4].isdigit()


async def test_what_is_only_used_may_start_later_but_ends_later_too(story: Story) -> None:
    user = replace(story.child("user"), uses=("used",))
    supervisor = Supervisor([user, story.child("used")], story.logs, story.changed, FAST)
    await supervisor.start()
    await supervisor.stop()
    assert story.lines()[-2:] == ["stopped user", "stopped used"]


async def test_a_killed_child_comes_back_and_the_others_stay(story: Story) -> None:
    supervisor = Supervisor([story.child("a"), story.child("b", "a")], story.logs, story.changed, FAST)
    try:
        await supervisor.start()
        a, b = (supervisor.statuses[name] for name in "ab")
        for times in (1, 2):
            killed, stays = a.pid, b.pid
            os.kill(killed, signal.SIGKILL)
            await story.until(lambda times=times: a.restarts == times and a.state is ChildState.READY)
            assert a.pid != killed
            assert b.pid == stays
        assert ("a", ChildState.RESTARTING, 2) in story.told
        assert b.restarts == 0
    finally:
        await supervisor.stop()


async def test_a_child_that_cannot_start_is_named_with_its_last_words(story: Story) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('the cellar is flooded')")

    async def never() -> bool:
        return False

    bad = ChildSpec("bad", command, "-", never)
    good = story.child("good")
    supervisor = Supervisor([bad, good, story.child("later", "bad")], story.logs, story.changed, FAST)
    with pytest.raises(ChildFailed, match=r"bad ended with 1 before it was ready: the cellar is flooded"):
        await supervisor.start()
    pid = supervisor.statuses["good"].pid
    await supervisor.stop()
    assert not pid or not psutil.pid_exists(pid)
    assert "later" not in story.order.read_text() if story.order.exists() else True


async def test_a_stubborn_child_and_its_own_child_are_killed(story: Story) -> None:
    port = free_port()
    script = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time;"
        " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)']);" + SERVER.split("listener", 1)[0][:0]
    )
    serve = (
        "import socket\nlistener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: listener.accept()[0].sendall(b'INFO ')"
    )
    command = (sys.executable, "-c", f"{script}\n{serve}", str(port))
    spec = ChildSpec("stubborn", command, f"127.0.0.1:{port}", greeting("127.0.0.1", port, b"INFO "))
    supervisor = Supervisor([spec], story.logs, story.changed, Pace(grace=0.2))
    await supervisor.start()
    leader = psutil.Process(supervisor.statuses["stubborn"].pid)
    family = [leader, *leader.children(recursive=True)]
    assert len(family) == 2
    await supervisor.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_killing_the_supervisor_leaves_nothing(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dataclasses import replace
from pathlib import Path
from test_local_supervisor import FAST, Story
from olo_local.supervisor import Supervisor
async def main():
    story = Story(Path({str(tmp_path)!r}))
    supervisor = Supervisor([story.child("a"), story.child("b", "a")], story.logs, story.changed, FAST)
    await supervisor.start()
    print(*(status.pid for status in supervisor.statuses.values()), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        children = [psutil.Process(int(pid)) for pid in supervisor.stdout.readline().split()]
        assert len(children) == 2
        supervisor.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1, max_size=20))
def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_steady_life(lives: list[float]) -> None:
    pace = Pace()
    backoff = Backoff(pace)
    before = 0.0
    for lived in lives:
        pause = backoff.pause_after(lived)
        fresh = lived >= pace.steady_after or not before
        assert pause == (pace.first_pause if fresh else min(before * 2, pace.longest_pause))
        before = pause
