"""What answers the lines of batches: the routes of this dialect, without the wire."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_gateway.access.caller import caller, tenant
from olo_gateway.batches.results import Answered, Endpoint
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.stored_responses import Conversation, Responses
from olo_gateway.errors import RunNotFound
from olo_gateway.http.answers import completion_of as chat_completion_of
from olo_gateway.http.chat_schemas import ChatCompletionRequest
from olo_gateway.http.completion_prompts import prompt_texts, prompts_of
from olo_gateway.http.completion_routes import completion_of, order_of
from olo_gateway.http.completion_schemas import CompletionRequest
from olo_gateway.http.embedding_routes import embedded, model_named, texts_of
from olo_gateway.http.embedding_schemas import EmbeddingRequest
from olo_gateway.http.errors import invalid_field
from olo_gateway.http.forms import unsupported
from olo_gateway.http.orders import order_of as chat_order_of
from olo_gateway.http.responses.answers import answered as response_of
from olo_gateway.http.responses.orders import order_of as response_order_of
from olo_gateway.http.responses.orders import whole_order_of
from olo_gateway.http.responses.schemas import CreateResponse
from olo_gateway.ports import Embedding, Runs, Tokenizing
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.identity import run_id_of
from olo_gateway.runs.order import ChatOrder
from olo_gateway.runs.validation import RunLimits, accepted

CHAT_COMPLETIONS: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
RESPONSES: Final = "/v1/responses"
EMBEDDINGS: Final = "/v1/embeddings"
_UNREAD: Final = "tokens"

M = TypeVar("M", bound=BaseModel)


def endpoints(
    chats: Chats, runs: Runs, limits: RunLimits, embedding: Embedding, tokenizing: Tokenizing
) -> dict[str, Endpoint]:
    """Every endpoint that takes batches, by its path."""
    return {
        CHAT_COMPLETIONS: ChatLines(chats, runs, limits),
        COMPLETIONS: CompletionLines(chats, runs, limits, tokenizing),
        RESPONSES: ResponseLines(chats, runs, limits),
        EMBEDDINGS: EmbeddingLines(embedding),
    }


class RunLines(ABC):
    """An endpoint whose lines are runs."""

    def __init__(self, chats: Chats, runs: Runs, limits: RunLimits) -> None:
        self._chats = chats
        self._runs = runs
        self._limits = limits

    @abstractmethod
    def order(self, body: Mapping[str, Any]) -> ChatOrder:
        """What a line asks for.

        Raises:
            InvalidField: Naming the field that is wrong.
        """

    @abstractmethod
    def told(self, body: Mapping[str, Any], order: ChatOrder, response: ChatResponse) -> BaseModel:
        """The answer as the endpoint tells it."""

    async def whole_order(self, body: Mapping[str, Any]) -> ChatOrder:
        """What a line asks for, with what it only refers to.

        Raises:
            OloError: What is wrong with it, or why that cannot be had now.
        """
        return self.order(body)

    def check(self, body: Mapping[str, Any]) -> None:
        """See `batches.results.Endpoint`."""
        caller().admitted(accepted(self._patient(self.order(body), ""), self._limits))

    async def answer(self, body: Mapping[str, Any], request_id: str) -> Answered:
        """See `batches.results.Endpoint`."""
        order = self._patient(await self.whole_order(body), request_id)
        response = await self._chats.answer(order)
        usage = response.usage
        told = self.told(body, order, response).model_dump()
        return Answered(response.run_id, told, usage.prompt_tokens, usage.completion_tokens)

    async def cancel(self, request_id: str) -> None:
        """See `batches.results.Endpoint`."""
        try:
            await self._runs.cancel(run_id_of(request_id, tenant()))
        except RunNotFound:
            return

    def _patient(self, order: ChatOrder, request_id: str) -> ChatOrder:
        """The order of a line: the least urgent, and with all the time and patience that a run may have."""
        return replace(
            order,
            request_id=request_id,
            priority=Priority.BATCH,
            timeout=self._limits.maximum if order.timeout is None else order.timeout,
            wait_for_model=self._limits.maximum if order.wait_for_model is None else order.wait_for_model,
        )


class ChatLines(RunLines):
    """Chat completions."""

    def order(self, body: Mapping[str, Any]) -> ChatOrder:
        """See `RunLines`."""
        return chat_order_of(parsed(ChatCompletionRequest, body))

    def told(self, body: Mapping[str, Any], order: ChatOrder, response: ChatResponse) -> BaseModel:
        """See `RunLines`."""
        return chat_completion_of(response, int(time.time()))


class CompletionLines(RunLines):
    """Legacy completions, one prompt on a line."""

    def __init__(self, chats: Chats, runs: Runs, limits: RunLimits, tokenizing: Tokenizing) -> None:
        super().__init__(chats, runs, limits)
        self._tokenizing = tokenizing

    def order(self, body: Mapping[str, Any]) -> ChatOrder:
        """See `RunLines`. Tokens have no text yet."""
        request = parsed(CompletionRequest, body)
        prompts = prompts_of(request)
        if len(prompts) > 1:
            raise unsupported("prompt", "a line of a batch has one prompt")
        return order_of(request, prompts[0] if isinstance(prompts[0], str) else _UNREAD)

    async def whole_order(self, body: Mapping[str, Any]) -> ChatOrder:
        """See `RunLines`."""
        request = parsed(CompletionRequest, body)
        (prompt,) = await prompt_texts(request, self._tokenizing)
        return order_of(request, prompt)

    def told(self, body: Mapping[str, Any], order: ChatOrder, response: ChatResponse) -> BaseModel:
        """See `RunLines`."""
        return completion_of(parsed(CompletionRequest, body), [order.turns[0].content], [response])


class ResponseLines(RunLines):
    """Responses, which are stored like any other, and may continue one."""

    def __init__(self, chats: Chats, runs: Runs, limits: RunLimits) -> None:
        super().__init__(chats, runs, limits)
        self._responses = Responses(runs)

    def order(self, body: Mapping[str, Any]) -> ChatOrder:
        """See `RunLines`. Without what it continues."""
        return response_order_of(self._request(body), Conversation())

    async def whole_order(self, body: Mapping[str, Any]) -> ChatOrder:
        """See `RunLines`."""
        return await whole_order_of(self._request(body), self._responses)

    def told(self, body: Mapping[str, Any], order: ChatOrder, response: ChatResponse) -> BaseModel:
        """See `RunLines`."""
        return response_of(order, int(time.time()), response)

    def check(self, body: Mapping[str, Any]) -> None:
        """See `batches.results.Endpoint`."""
        if self._request(body).previous_response_id is None:
            super().check(body)
        else:
            # Whether it fits a conversation is seen when that is read, for this line alone: it may be gone until then.
            caller().admitted(self.order(body))

    def _request(self, body: Mapping[str, Any]) -> CreateResponse:
        request = parsed(CreateResponse, body)
        if request.background:
            raise unsupported("background", "a line of a batch is answered in the background anyway")
        return request


class EmbeddingLines:
    """Embeddings: no run, since the same texts give the same vectors however often they are asked for."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    def check(self, body: Mapping[str, Any]) -> None:
        """See `batches.results.Endpoint`."""
        request = parsed(EmbeddingRequest, body)
        caller().check_model(model_named(request.model))
        texts_of(request)

    async def answer(self, body: Mapping[str, Any], request_id: str) -> Answered:
        """See `batches.results.Endpoint`."""
        told = await embedded(self._embedding, parsed(EmbeddingRequest, body))
        return Answered(request_id, told.model_dump(), told.usage.prompt_tokens)

    async def cancel(self, request_id: str) -> None:
        """See `batches.results.Endpoint`. There is nothing that goes on."""


def parsed(model: type[M], body: Mapping[str, Any]) -> M:
    """The body as the route would read it.

    Raises:
        InvalidField: As the route would say it.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid_field(list(first["loc"]), str(first["type"]), str(first["msg"])) from None
