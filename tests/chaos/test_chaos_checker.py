"""The checker finds each violation in a history that was made to have it, and none in a sound one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos.checker import check
from tests.chaos.engine import PLACES, word
from tests.chaos.evidence import read_journal
from tests.chaos.figures import figures, takeovers
from tests.chaos.history import Asked, Fault, History, Outcome, Stored, Token, Try


def answer(*makers: int) -> str:
    """An answer whose places were made by these processes."""
    return "".join(word(process * PLACES + place) for place, process in enumerate(makers))


GOOD = answer(4, 4, 8, 8)


def sound_try() -> Try:
    return Try(1.0, 2.0, Outcome.OK, run_id="run-r", answer=GOOD, model="chaos-a", streamed=GOOD)


def broken_try(run_id: str = "run-r") -> Try:
    return Try(0.0, 1.0, Outcome.INDETERMINATE, "gateway_not_reachable", run_id=run_id, streamed="4.0 ")


def sound() -> tuple[Asked, Stored]:
    asked = Asked(1, "r", stream=True, rag=False, model="auto", tries=[broken_try(), sound_try()], repaired=GOOD)
    return asked, Stored(["COMPLETED"], GOOD, "chaos-a", completions=1)


def found(asked: Asked, stored: Stored | None) -> set[str]:
    history = History(1, [asked], {"r": stored} if stored else {})
    return {violation.invariant for violation in check(history)}


def test_a_sound_history_has_no_violation() -> None:
    assert found(*sound()) == set()


def test_a_failure_that_everybody_was_told_of_is_sound() -> None:
    refused = Try(0.0, 1.0, Outcome.FAIL, "no_model_available")
    assert (
        found(Asked(1, "r", False, False, "auto", [refused]), Stored(["FAILED"], reason="no_model_available")) == set()
    )


def test_a_request_that_nobody_accepted_may_be_unknown() -> None:
    assert found(Asked(1, "r", False, False, "auto", [broken_try(run_id="")]), Stored([])) == set()


BAD_STORED = [
    ("I2", {"states": []}),
    ("I1", {"states": ["RUNNING"]}),
    ("I1", {"states": ["FAILED"], "completions": 0}),
    ("I3", {"states": ["COMPLETED", "COMPLETED"]}),
    ("I4", {"completions": 2}),
    ("I4", {"completions": 0}),
    ("I3", {"answer": answer(4, 4, 8)}),
    ("I11", {"answer": answer(4, 8, 4, 8)}),
    ("I11", {"answer": answer(4, 4, 9, 9)}),
    ("I11", {"answer": answer(4, 4, 4).replace("4.1 ", "")}),
    ("I11", {"answer": "no tokens"}),
]


@pytest.mark.parametrize(("invariant", "change"), BAD_STORED, ids=[f"{i}-{n}" for n, (i, _) in enumerate(BAD_STORED)])
def test_what_is_stored_wrongly_is_found(invariant: str, change: dict[str, object]) -> None:
    asked, stored = sound()
    assert invariant in found(asked, replace(stored, **change))  # type: ignore[arg-type]


BAD_TRY = [
    ("I3", {"answer": answer(4, 4, 4, 4)}),
    ("I10", {"streamed": GOOD[:-2]}),
    ("I10", {"misplaced": 1}),
    ("I1", {"outcome": Outcome.FAIL, "reason": "no_model_available"}),
    ("I1", {"outcome": Outcome.INDETERMINATE, "reason": "deadline_exceeded"}),
]


@pytest.mark.parametrize(("invariant", "change"), BAD_TRY, ids=[f"{i}-{n}" for n, (i, _) in enumerate(BAD_TRY)])
def test_what_a_client_saw_wrongly_is_found(invariant: str, change: dict[str, object]) -> None:
    asked, stored = sound()
    asked.tries[-1] = replace(asked.tries[-1], **change)  # type: ignore[arg-type]
    assert invariant in found(asked, stored)


def test_a_resumed_stream_that_shows_something_else_is_found() -> None:
    asked, stored = sound()
    asked.repaired = GOOD + "4.4 "
    assert found(asked, stored) == {"I10"}


def test_a_request_that_is_missing_from_the_evidence_is_lost() -> None:
    assert found(sound()[0], None) == {"I2"}


def test_takeovers_and_tokens_made_again_are_measured() -> None:
    asked, stored = sound()
    tokens = [
        Token(9.8, 4, 1, 0),
        Token(9.9, 4, 1, 1),
        Token(9.95, 4, 1, 2),
        Token(14.0, 8, 1, 2),
        Token(14.1, 8, 1, 3),
    ]
    fault = Fault("F1", "llm-a-1", began=10.0, ended=12.0, pid=77)
    history = History(1, [asked], {"r": stored}, [fault], tokens, {77: 4})
    assert takeovers(fault, history) == [pytest.approx(4.0)]
    measured = figures(history, check(history))
    assert (measured.tokens, measured.tokens_again, measured.lost, measured.takeover_p50) == (5, 1, 0, 4.0)


def test_a_journal_line_that_a_kill_has_cut_off_is_left_out(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_text("P 77 4\nT 1.000 4 1 0\nT 1.1")
    history = History(1)
    read_journal(journal, history)
    assert (history.processes, history.tokens) == ({77: 4}, [Token(1.0, 4, 1, 0)])


def poisonous(kills: int, reason: str = "request_poisoned", others: int = 0) -> set[str]:
    """What is found where a request has killed so many workers, and others were quarantined with it."""
    refused = Try(0.0, 1.0, Outcome.FAIL, reason)
    asked = [Asked(900, "p", False, False, "auto", poison=True, tries=[refused])]
    asked += [Asked(n, f"o{n}", False, False, "auto", tries=[replace(refused)]) for n in range(others)]
    asked += [Asked(n, f"g{n}", False, False, "auto") for n in range(40)]
    stored = {a.request_id: Stored(["FAILED"], reason=reason) for a in asked if a.tries}
    return {v.invariant for v in check(History(1, asked, stored, kills=[900] * kills))}


def test_a_poisonous_request_kills_two_at_most_and_takes_next_to_nobody_with_it() -> None:
    assert poisonous(2) == poisonous(2, others=1) == set()
    assert poisonous(0) == poisonous(3) == poisonous(2, "no_model_available") == poisonous(2, others=2) == {"I13"}
