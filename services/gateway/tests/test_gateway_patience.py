from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from olo_gateway.runs.patience import FIRST_PAUSE, LONGEST_PAUSE, MOST_PAUSES, SOON, Patience


def pauses(wait: float) -> list[float]:
    patience, waited, found = Patience(), 0.0, list[float]()
    while waited < wait:
        found.append(patience.pause(waited, wait - waited))
        waited += found[-1]
    return found


@given(wait=st.floats(min_value=0.1, max_value=60 * 24 * 3600))
@example(wait=60 * 24 * 3600.0)
def test_pauses_use_the_whole_wait_and_are_few(wait: float) -> None:
    found = pauses(wait)
    assert abs(sum(found) - wait) < 1e-6 * wait + 1e-9
    longest = max(LONGEST_PAUSE, wait / MOST_PAUSES)
    assert all(0 < pause <= longest * 1.000001 for pause in found)
    # Ten of a second each, then each a tenth longer until the longest, then one a minute, or fewer in waits of days.
    assert len(found) <= 100 + min(wait / LONGEST_PAUSE, MOST_PAUSES)


@given(waited=st.floats(min_value=0, max_value=10_000), left=st.floats(min_value=0.01, max_value=10_000))
def test_without_a_hint_nobody_waits_much_longer_than_needed(waited: float, left: float) -> None:
    assert Patience().pause(waited, left) <= max(FIRST_PAUSE, waited * 0.1)


def test_a_hint_hurries_the_next_questions_alone() -> None:
    patience = Patience()
    patience.hurry()
    assert [patience.pause(300.0, 60.0) for _ in range(4)] == [*SOON, 30.0]
    patience.hurry()
    assert patience.pause(300.0, 0.1) == 0.1
