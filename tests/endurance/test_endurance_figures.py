"""What the load says of itself has to be right: slopes, shares and minutes."""

from __future__ import annotations

import math
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.endurance.report import minute_lines, process_rows, request_rows
from tests.endurance.tally import End, Result, Tally, summary
from tests.endurance.watch import Sample, Watch, second_half, slope_per_hour


def result(at: float, end: End = End.WELL, seconds: float = 1.0, reason: str = "") -> Result:
    return Result("chat", end, reason, seconds, at)


@given(
    per_hour=st.integers(-1000, 1000),
    start=st.integers(0, 1000),
    wild=st.lists(st.integers(0, 59), max_size=4, unique=True),
)
def test_a_slope_is_found_whatever_a_few_samples_say(per_hour: int, start: int, wild: list[int]) -> None:
    points = [(at * 10.0, start + per_hour * at * 10.0 / 3600) for at in range(60)]
    for place in wild:
        points[place] = (points[place][0], 1e6)
    # At most a sixth of all pairs has a wild point in it.
    assert math.isclose(slope_per_hour(points), per_hour, abs_tol=1e-6)


def test_no_slope_without_two_points() -> None:
    assert math.isnan(slope_per_hour([(1.0, 2.0)]))
    assert math.isnan(slope_per_hour([(1.0, 2.0), (1.0, 3.0)]))


def test_what_was_refused_uses_up_no_budget() -> None:
    tally = Tally([result(1), result(2, End.REFUSED), result(3, End.BADLY, reason="cut off"), result(70)])
    assert tally.lost_share == 1 / 3
    assert tally.bad == {"chat: cut off": 1}
    told = summary(tally.between(0, 60))
    assert (told.requests, told.refused, told.badly, told.p50) == (3, 1, 1, 1.0)
    assert Tally().lost_share == 0.0
    header, rows = request_rows(tally, 70.0)
    assert [row[:5] for row in rows] == [[1, "chat", 3, 1, 1], [2, "chat", 1, 0, 0]]
    assert len(header) == len(rows[0])


def test_processes_are_watched_and_one_that_is_another_is_told(tmp_path: Path) -> None:
    pids = {"service": os.getpid(), "server": os.getpid()}
    (tmp_path / "service").write_text("7")
    watch = Watch(lambda: pids, tmp_path)
    for seconds in (0.0, 10.0, 65.0):
        watch.look(seconds)
    sample = watch.latest("service")
    assert (sample.tasks, watch.latest("server").tasks) == (7, -1)
    assert sample.rss_mib > 1
    assert sample.fds > 0
    assert sample.threads > 0
    assert not watch.restarted
    header, rows = process_rows(watch)
    assert [row[:2] for row in rows if row[1] == "service"] == [[0, "service"], [65, "service"]]
    assert all(len(row) == len(header) for row in rows)
    lines = list(minute_lines(1, Tally([result(1)]), watch))
    assert lines[0].startswith("minute 1: 1 requests, 0 refused, 0 not well")
    pids["server"] = os.getppid()
    watch.look(70.0)
    assert watch.restarted == {"server"}


def test_the_first_half_is_left_out() -> None:
    samples = [Sample(at, 1.0, 1, 1, 1, 0.0) for at in (0.0, 29.0, 30.0, 60.0)]
    assert [sample.seconds for sample in second_half(samples, 60.0)] == [30.0, 60.0]
