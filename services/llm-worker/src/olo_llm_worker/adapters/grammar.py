"""JSON Schemas as masks over the tokens of a model.

The masks are those of llguidance, which knows at each place of an answer what may follow. The whitespace is fixed, to
what `json.dumps` writes: a weak model would otherwise go on with blanks until its limit.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer

from olo_common.errors import InvalidField
from olo_llm_worker.generation.engine import END

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_REMEMBERED: Final = 32
"""Schemas that stay compiled."""
_SILENT: Final = 0
_HINTS: Final = "x-guidance"
_LAYOUT: Final[JsonCompileOptions] = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    # The finished answer is checked against the schema as it stands.
    "coerce_one_of": True,
}


class Grammar:
    """Turns schemas into guides. May be used by several threads at once.

    Args:
        tokenizer: The text of a tokenizer.json.
        vocabulary_size: Tokens of the model.
        stop_ids: Tokens that end an answer.

    Raises:
        ValueError: Tokens of such a tokenizer cannot be masked.
    """

    def __init__(self, tokenizer: str, vocabulary_size: int, stop_ids: Sequence[int]) -> None:
        self._tokenizer = LLTokenizer(tokenizer, n_vocab=vocabulary_size, eos_token=list(stop_ids))
        self._stop_ids = frozenset(stop_ids)
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = threading.Lock()

    def guide(self, schema: str, answer: Sequence[int]) -> Guide:
        """A guide behind the first tokens of an answer.

        Raises:
            InvalidField: The schema cannot be turned into masks, or forbids the tokens.
        """
        matcher = self._matcher(schema)
        if answer and not matcher.consume_tokens(list(answer)):
            raise InvalidField("prefix_token_ids", "does not begin an answer that response_format allows")
        return Guide(matcher, self._stop_ids)

    def _matcher(self, schema: str) -> LLMatcher:
        with self._lock:
            known = self._compiled.get(schema)
            if known is not None:
                self._compiled.move_to_end(schema)
                return known.deep_copy()
        rules = {key: value for key, value in json.loads(schema).items() if key != _HINTS}
        matcher = LLMatcher(
            self._tokenizer, LLMatcher.grammar_from_json_schema(rules, overrides=_LAYOUT), log_level=_SILENT
        )
        if matcher.is_error():
            raise _refused(matcher.get_error())
        with self._lock:
            self._compiled[schema] = matcher.deep_copy()
            if len(self._compiled) > _REMEMBERED:
                self._compiled.popitem(last=False)
        return matcher


class Guide:
    """Says what may follow in one answer.

    Args:
        matcher: The state of the grammar.
        stop_ids: Tokens that end an answer.
    """

    def __init__(self, matcher: LLMatcher, stop_ids: Collection[int]) -> None:
        self._matcher = matcher
        self._stop_ids = stop_ids

    @property
    def ended(self) -> bool:
        """Whether nothing can follow."""
        return self._matcher.is_stopped()

    def forced(self) -> list[int]:
        """The tokens that must follow, which is where the guide then stands."""
        tokens = self._matcher.compute_ff_tokens()
        self._matcher.consume_tokens(tokens)
        return tokens

    def stops(self, token_id: int) -> bool:
        """Whether this token ends an answer."""
        return token_id in self._stop_ids

    def follow(self, token_id: int) -> bool:
        """Goes on behind a token of the model, or its end, where the schema allows it."""
        if self.stops(token_id):
            return self._matcher.is_accepting()
        return self._matcher.try_consume_tokens([token_id]) == 1

    def choose(self, scores: npt.NDArray[np.float32]) -> int:
        """Goes on behind the likeliest token that is allowed, and returns it; `END` where none is.

        Args:
            scores: One for each token of the model, higher is likelier.
        """
        allowed = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        size = min(len(allowed), len(scores))
        masked = np.where(allowed[:size], scores[:size], -np.inf)
        chosen = int(masked.argmax())
        if self.ended or masked[chosen] == -np.inf or self.stops(chosen):
            return END
        self._matcher.consume_token(chosen)
        return chosen


def _refused(problem: str) -> InvalidField:
    return InvalidField("response_format.schema_json", f"cannot be masked: {problem[:300]}", reason="schema_invalid")
