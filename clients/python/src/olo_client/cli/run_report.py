"""A run as `olo runs get` shows it."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from olo.gateway.v1.run_pb2 import AttemptCause, ChatResponse, Run, RunDetails, RunPhase, RunState
from olo_client.cli.output import enum_word, moment, write_table


def state_of(run: Run) -> str:
    """The state, and the phase of one that is parked or runs: `running (parked)`."""
    state = enum_word(RunState.Name(run.state), "RUN_STATE_")
    if not run.progress.phase:
        return state
    return f"{state} ({enum_word(RunPhase.Name(run.progress.phase), 'RUN_PHASE_')})"


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
    told = run.response if run.HasField("response") else run.details
    _write_choice(told)
    _write_attempts(told)
    _write_citations(told)
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
    if told.selection.rejections:
        write_table(("rejected", "by", "why"), ((r.model_id, r.filter, r.detail) for r in told.selection.rejections))


def _write_attempts(told: ChatResponse | RunDetails) -> None:
    if told.attempts:
        write_table(
            ("attempt", "candidate", "model", "outcome", "queue", "time"),
            (
                (
                    n,
                    a.candidate,
                    a.model_id,
                    f"{enum_word(AttemptCause.Name(a.cause), 'ATTEMPT_CAUSE_')}: {a.failure_reason}"
                    if a.failure_reason
                    else "answered",
                    _seconds(a.queue) if a.HasField("queue") else "-",
                    _seconds(a.duration),
                )
                for n, a in enumerate(told.attempts, 1)
            ),
        )


def _write_citations(told: ChatResponse | RunDetails) -> None:
    if told.citations:
        write_table(
            ("passage", "document", "score", "cited"),
            ((c.index, c.title or c.document_id, f"{c.score:.3f}", "yes" if c.cited else "") for c in told.citations),
        )


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
    shown = [f"{name} {_seconds(spent)}" for name, spent in named if spent.ByteSize()]
    if shown:
        print("times: " + ", ".join(shown))


def _seconds(spent: Duration) -> str:
    return f"{spent.ToTimedelta().total_seconds():.2f} s"
