"""A run as `olo runs get` shows it."""

from __future__ import annotations

from olo.gateway.v1.run_pb2 import ChatResponse, Citation, Run, RunDetails, RunPhase, RunState
from olo_client.cli.grounding import remarks
from olo_client.cli.output import enum_word, moment, seconds, write_table
from olo_client.cli.selections import write_attempts, write_rejections


def state_of(run: Run) -> str:
    """The state, and the phase of one that is parked or runs: `running (parked)`."""
    state = enum_word(RunState.Name(run.state), "RUN_STATE_")
    if not run.progress.phase:
        return state
    return f"{state} ({enum_word(RunPhase.Name(run.progress.phase), 'RUN_PHASE_')})"


def account_of(run: Run) -> ChatResponse | RunDetails:
    """What a run has done: with its answer, or before it has one, or without."""
    return run.response if run.HasField("response") else run.details


def write_run(run: Run) -> None:
    """Writes what is known of a run."""
    print(f"{run.run_id}: {state_of(run)}")
    if run.progress.model_id:
        print(f"model {run.progress.model_id}, since {moment(run.progress.since_time)}")
    if run.progress.HasField("parked_until_time"):
        print(f"waits for a model until {moment(run.progress.parked_until_time)}")
    if run.HasField("response"):
        print(run.response.message.content)
    if run.HasField("error"):
        print(f"{run.error.reason}: {run.error.message}")
    told = account_of(run)
    _write_choice(told)
    write_attempts(told.attempts)
    _write_citations(told)
    for line in remarks(told.grounding):
        print(line)
    _write_times(told)
    if run.HasField("response"):
        usage = run.response.usage
        print(f"tokens: {usage.prompt_tokens} prompt ({usage.cached_tokens} cached), {usage.completion_tokens} answer")


def _write_choice(told: ChatResponse | RunDetails) -> None:
    candidates = told.selection.candidates
    if candidates:
        write_table(
            ("candidate", "model", "why"), ((n, c.model_id, c.explanation) for n, c in enumerate(candidates, 1))
        )
    write_rejections(told.selection.rejections, told.selection.rejection_count)


def _write_citations(told: ChatResponse | RunDetails) -> None:
    if told.citations:
        write_table(
            ("passage", "document", "score", "cited"),
            ((c.index, c.title or c.document_id, f"{c.score:.3f}", _use_of(c)) for c in told.citations),
        )


def _use_of(citation: Citation) -> str:
    if citation.left_out:
        return "left out"
    return "yes" if citation.cited else ""


def _write_times(told: ChatResponse | RunDetails) -> None:
    times = told.timings
    named = (
        ("retrieve", times.retrieve),
        ("select", times.select),
        ("parked", times.parked),
        ("queue", times.queue),
        ("generate", times.generate),
        ("total", times.total),
    )
    shown = [f"{name} {seconds(spent)}" for name, spent in named if spent.ByteSize()]
    if shown:
        print("times: " + ", ".join(shown))
