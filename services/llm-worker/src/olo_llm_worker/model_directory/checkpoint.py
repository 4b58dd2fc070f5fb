"""Reads all but the weights of a checkpoint in Hugging Face layout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.architecture import context_limit_of, family_of
from olo_llm_worker.model_directory.manifest import CHAT_TEMPLATE, TOKENIZER
from olo_llm_worker.model_directory.paths import file_within

_LICENSE_LINE: Final = re.compile(r"^license:[ \t]*['\"]?([A-Za-z0-9.+-]{1,64})['\"]?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Trimmings:
    """What a text model has beside its weights and their shape."""

    path: Path
    config: Mapping[str, Any]
    tokenizer: Tokenizer
    bos_token: str | None
    stop_tokens: list[str]
    """The tokens that end an answer; the first is the end-of-sequence token."""
    chat_template: str | None
    generation: Mapping[str, Any]
    """What generation_config.json says, if there is one."""
    license: str | None
    """What the front matter of the model card says."""


@dataclass(frozen=True)
class Checkpoint(Trimmings):
    """A checkpoint of a family that can be converted."""

    family: str
    context_limit: int


def open_checkpoint(path: Path) -> Checkpoint:
    """Reads everything but the weights.

    Raises:
        ModelDirectoryError: A file is missing or wrong, or no converter knows the architecture.
    """
    config = read_json(path, "config.json")
    if config is None:
        raise ModelDirectoryError(f"{path} is not a checkpoint: it has no config.json")
    family = family_of(config)
    limit = context_limit_of(config)
    return Checkpoint(**vars(open_trimmings(path, config)), family=family, context_limit=limit)


def open_trimmings(path: Path, config: Mapping[str, Any], *, end_token: str | None = None) -> Trimmings:
    """Reads tokenizer, stop tokens, chat template, generation defaults and licence.

    Args:
        path: Where they lie.
        config: What its config.json says.
        end_token: A token that ends an answer, where the configuration names it by its text.

    Raises:
        ModelDirectoryError: A file is missing or wrong, or no token ends an answer.
    """
    file = file_within(path, TOKENIZER)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:
        raise ModelDirectoryError(f"{file} is missing or not a tokenizer") from error
    generation = read_json(path, "generation_config.json") or {}
    of_tokenizer = read_json(path, "tokenizer_config.json") or {}
    ends = _tokens(tokenizer, config.get("eos_token_id")) + _tokens(tokenizer, generation.get("eos_token_id"))
    named = [end_token, _content(of_tokenizer.get("eos_token"))]
    ends += [token for token in named if token and tokenizer.token_to_id(token) is not None]
    if not ends:
        raise ModelDirectoryError(f"{path} names no token that ends an answer (eos_token_id)")
    bos = _tokens(tokenizer, config.get("bos_token_id"))
    return Trimmings(
        path=path,
        config=config,
        tokenizer=tokenizer,
        bos_token=bos[0] if bos else None,
        stop_tokens=list(dict.fromkeys(ends)),
        chat_template=_chat_template(path, of_tokenizer),
        generation=generation,
        license=_license(path),
    )


def read_json(path: Path, name: str) -> dict[str, Any] | None:
    """The JSON object in a file of a directory; None where there is no such file.

    Raises:
        ModelDirectoryError: It is something else.
    """
    file = file_within(path, name)
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelDirectoryError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelDirectoryError(f"{file} is not a JSON object")
    return value


def _tokens(tokenizer: Tokenizer, ids: Any) -> list[str]:
    wanted: Iterable[Any] = ids if isinstance(ids, list) else [ids]
    numbers = [number for number in wanted if isinstance(number, int) and number >= 0]
    return [token for token in (tokenizer.id_to_token(number) for number in numbers) if token is not None]


def _content(token: Any) -> str | None:
    """The text of a token, which tokenizer_config.json writes in two ways."""
    said = token.get("content") if isinstance(token, dict) else token
    return said if isinstance(said, str) else None


def _chat_template(path: Path, of_tokenizer: Mapping[str, Any]) -> str | None:
    file = file_within(path, CHAT_TEMPLATE)
    if file.is_file():
        return _text(file)
    template = of_tokenizer.get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _license(path: Path) -> str | None:
    """The licence in the model card, between the lines of dashes at its top."""
    card = file_within(path, "README.md")
    if not card.is_file():
        return None
    front = _text(card).split("---")
    found = _LICENSE_LINE.search(front[1]) if len(front) > 2 and not front[0].strip() else None
    return found[1] if found else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"{file} cannot be read as UTF-8 text") from error
