"""POST /v1/tokenize and /v1/detokenize: texts as a model reads them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.errors import InvalidField
from olo_gateway.convert.forms import tool_messages
from olo_gateway.convert.runs import messages_of
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.chat_schemas import ChatMessage
from olo_gateway.http.embedding_routes import DIRECT_ERRORS, model_named
from olo_gateway.http.forms import tool_of
from olo_gateway.http.orders import turns_of
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.http.shapes import AnswerShape, RequestShape
from olo_gateway.http.tool_schemas import ToolDefinition
from olo_gateway.ports import Tokenizing
from olo_gateway.runs.texts import utf8_length

MAX_TOKENIZED: Final = 256 * 1024
_ERRORS: Final = {
    **DIRECT_ERRORS,
    501: {"description": "The model is served elsewhere, and its tokenizer is not here.", **AN_ERROR},
}


class TokenizeRequest(RequestShape):
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "auto", "prompt": "The Nile rises."}]})

    model: str | None = None
    """A model id; `auto`, or none: the router chooses."""
    prompt: Annotated[str, Field(min_length=1, max_length=MAX_TOKENIZED)] | None = None
    """A text by itself, without the chat template; or `messages`."""
    messages: list[ChatMessage] | None = None
    """A conversation, rendered by the chat template."""
    tools: list[ToolDefinition] | None = None


class TokenizeAnswer(AnswerShape):
    model: str
    count: int
    max_model_len: int
    """Tokens that the model's context holds."""
    tokens: list[int]


class DetokenizeRequest(RequestShape):
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "auto", "tokens": [1, 2, 3]}]})

    model: str | None = None
    tokens: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(max_length=MAX_TOKENIZED)]


class DetokenizeAnswer(AnswerShape):
    model: str
    prompt: str
    """Without control tokens."""


def token_routes(tokenizing: Tokenizing) -> APIRouter:
    """The routes of tokens."""
    router = APIRouter(route_class=StrictRoute, tags=["tokens"])

    @router.post("/v1/tokenize", summary="Show the tokens of a text or of a conversation", responses=_ERRORS)
    async def tokenize(body: TokenizeRequest) -> TokenizeAnswer:
        if (body.prompt is None) == (not body.messages):
            raise InvalidField("prompt", "either a prompt or messages are needed")
        utf8_length("prompt", body.prompt or "")
        turns = turns_of(body.messages or [])
        for position, turn in enumerate(turns):
            utf8_length(f"messages[{position}].content", turn.content)
        asked = inference.TokenizeRequest(
            text=body.prompt or "",
            messages=messages_of(turns),
            tools=tool_messages(tool_of(tool.function) for tool in body.tools or ()),
        )
        told = await tokenizing.tokenize(gateway.TokenizeRequest(model=model_named(body.model), input=asked))
        return TokenizeAnswer(
            model=told.model,
            count=len(told.token_ids),
            max_model_len=told.context_limit,
            tokens=list(told.token_ids),
        )

    @router.post("/v1/detokenize", summary="Show the text of tokens", responses=_ERRORS)
    async def detokenize(body: DetokenizeRequest) -> DetokenizeAnswer:
        asked = gateway.DetokenizeRequest(model=model_named(body.model), token_ids=body.tokens)
        told = await tokenizing.detokenize(asked)
        return DetokenizeAnswer(model=told.model, prompt=told.text)

    return router
