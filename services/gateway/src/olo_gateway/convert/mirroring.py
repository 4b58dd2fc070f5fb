"""What a shadow is given: the request of a run, once that was answered, as the model that has answered saw it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, MirroredAnswer, MirroredRequest
from olo.router.v1.router_service_pb2 import Shadow
from olo_common.durations import duration_of
from olo_gateway.convert.prompts import conversation
from olo_gateway.convert.rag import shown_text
from olo_gateway.errors import NotMirrored

MAX_BYTES: Final = 64 * 1024
"""Larger requests are not mirrored: the history of the shadow would hold them a second time."""
MAX_TIME: Final = timedelta(minutes=2)
"""How long a shadow may take; less where the run itself had less."""
GRACE: Final = timedelta(seconds=30)
"""How long after the deadline of the run its answer is still looked for: a gateway may have been away."""


def mirrored(request: ChatRequest, response: ChatResponse, shadow: Shadow) -> MirroredRequest:
    """The request for the shadow.

    Args:
        request: What the run was asked.
        response: What it has answered.
        shadow: Whom the router has drawn.

    Raises:
        NotMirrored: The last decision of the run was another one, the shadow has answered itself, or it is too much.
    """
    drawn = response.selection.shadow
    if drawn != shadow:
        raise NotMirrored(drawn.skipped or "the run was decided anew")
    if request.tools or request.HasField("response_format") or request.n > 1:
        raise NotMirrored("tools, formats and several answers are not compared")
    made = MirroredRequest(
        messages=conversation(
            request, [shown_text(citation) for citation in response.citations if not citation.left_out]
        ),
        sampling=request.sampling,
        timeout=duration_of(min(request.timeout.ToTimedelta(), MAX_TIME)),
        answer=MirroredAnswer(
            model_id=response.model,
            text=response.message.content,
            finish_reason=response.finish_reason,
            usage=response.usage,
            duration=response.attempts[-1].duration,
        ),
    )
    if made.ByteSize() > MAX_BYTES:
        raise NotMirrored(f"request and answer are larger than {MAX_BYTES // 1024} KiB")
    return made
