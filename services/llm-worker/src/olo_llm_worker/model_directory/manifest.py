"""The manifest of a model directory: what the model is, and the size and SHA-256 of each of its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MANIFEST: Final = "manifest.json"
MODEL: Final = "model.bin"
VOCABULARY: Final = "vocabulary.json"
TOKENIZER: Final = "tokenizer.json"
CHAT_TEMPLATE: Final = "chat_template.jinja"
MODEL_FILES: Final = (MODEL, "config.json", VOCABULARY, TOKENIZER, CHAT_TEMPLATE)
"""The files that every model directory has beside the manifest."""

_CHUNK: Final = 1024 * 1024


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FileEntry(_Strict):
    """How a file must be."""

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, path: Path) -> FileEntry:
        """The entry of a file as it is now."""
        return cls(size=path.stat().st_size, sha256=sha256_of(path))


class GenerationDefaults(_Strict):
    """Options that hold where a request sets none."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0


class Manifest(_Strict):
    """What a model directory says of itself."""

    format_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=128)]
    family: Annotated[str, Field(min_length=1)]
    quantization: Annotated[str, Field(min_length=1)]
    context_limit: Annotated[int, Field(ge=2)]
    """Tokens of prompt and answer together."""
    bos_token: str | None = None
    stop_tokens: Annotated[list[str], Field(min_length=1)]
    """Tokens that end an answer; the first is the model's end-of-sequence token."""
    stop_token_ids: list[Annotated[int, Field(ge=0)]] = []
    """Their ids; none in directories made before there was this field."""
    license: str = "unspecified"
    origin: str | None = None
    """Where the weights come from: a repository and revision of a hub."""
    generation: GenerationDefaults = GenerationDefaults()
    files: dict[str, FileEntry]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
