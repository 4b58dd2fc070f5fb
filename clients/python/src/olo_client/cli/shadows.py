"""How the comparison of a shadow with the model that has answered is shown."""

from __future__ import annotations

from olo.gateway.v1.run_pb2 import RUN_STATE_FAILED, AttemptCause, MirroredAnswer, Run, RunState
from olo.inference.v1.inference_service_pb2 import FinishReason
from olo_client.cli.output import enum_word, write_table


def write_shadow(run: Run) -> None:
    """Where the request was mirrored to and what came of it; nothing where it was not drawn for that."""
    drawn, told = run.response.selection.shadow, run.shadow
    if not drawn.model_id:
        return
    if why := drawn.skipped or told.skipped:
        print(f"not mirrored to {drawn.model_id}: {why}")
        return
    print(f"mirrored to {drawn.model_id}{_outcome(run)}")
    if told.HasField("comparison"):
        write_table(
            ("", "model", "characters", "tokens", "ended by", "took"),
            (
                ("answered", *_side(told.answer, told.comparison.answer_characters)),
                ("shadow", *_side(told.shadow, told.comparison.shadow_characters)),
            ),
        )
        if not told.comparison.equal:
            print(f"the shadow said: {told.shadow.text}")


def _outcome(run: Run) -> str:
    told = run.shadow
    if told.HasField("comparison"):
        return ": the same answer" if told.comparison.equal else f": {told.comparison.similarity:.0%} alike (trigrams)"
    if told.state == RUN_STATE_FAILED and told.failure_reason:
        cause = enum_word(AttemptCause.Name(told.cause), "ATTEMPT_CAUSE_")
        return f": no answer to compare ({cause}: {told.failure_reason})"
    return f": {enum_word(RunState.Name(told.state), 'RUN_STATE_')}" if told.state else ": nothing is known of it"


def _side(said: MirroredAnswer, characters: int) -> tuple[object, ...]:
    return (
        said.model_id,
        characters,
        said.usage.completion_tokens,
        enum_word(FinishReason.Name(said.finish_reason), "FINISH_REASON_"),
        f"{said.duration.ToTimedelta().total_seconds():.2f} s",
    )
