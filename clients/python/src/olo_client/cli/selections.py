"""How decisions of the router, and the attempts that followed, are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from olo.gateway.v1.run_pb2 import Attempt, AttemptCause
from olo.router.v1.router_service_pb2 import Candidate, Complexity, Rejection, ScoreComponent
from olo_client.cli.output import enum_word, seconds, write_table


def write_candidates(candidates: Iterable[Candidate], *, chosen: int | None = None) -> None:
    """The candidates, best first; the one that answered is marked."""
    write_table(
        ("", "model", "score", "why", "made of"),
        (
            ("*" if place == chosen else "", c.model_id, f"{c.score:.3f}", c.explanation, parts(c.components))
            for place, c in enumerate(candidates)
        ),
    )


def write_rejections(rejections: Sequence[Rejection], count: int) -> None:
    """Who was filtered out, and by what."""
    if not rejections:
        return
    write_table(("rejected", "by", "why"), ((r.model_id, r.filter, r.detail) for r in rejections))
    if count > len(rejections):
        print(f"and {count - len(rejections)} more")


def write_attempts(attempts: Sequence[Attempt]) -> None:
    """How each attempt ended, and how long it took."""
    if not attempts:
        return
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
                seconds(a.queue) if a.HasField("queue") else "-",
                seconds(a.duration),
            )
            for n, a in enumerate(attempts, 1)
        ),
    )


def write_complexity(complexity: Complexity) -> None:
    """What the prompt was judged to be, and by what."""
    features = ", ".join(f"{feature.name} {feature.contribution:+.2f}" for feature in complexity.features)
    word = "complex" if complexity.complex else "simple"
    print(f"the prompt is {word} ({complexity.score:.2f}): {features or 'nothing stands out'}")


def parts(components: Iterable[ScoreComponent]) -> str:
    """Value times weight of each component, and what it was made from."""
    return "; ".join(f"{part.name} {part.value:.2f} x {part.weight:.2f} ({part.detail})" for part in components)
