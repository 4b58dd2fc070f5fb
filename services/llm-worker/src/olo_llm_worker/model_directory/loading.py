"""Opens a model directory, and refuses whatever is not exactly what its manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from tokenizers import Tokenizer

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.manifest import (
    MANIFEST,
    MODEL,
    MODEL_FILES,
    TOKENIZER,
    FileEntry,
    Manifest,
    sha256_of,
)
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.paths import file_within


@dataclass(frozen=True)
class ModelDirectory:
    """A verified model directory."""

    path: Path
    manifest: Manifest

    def file(self, name: str) -> Path:
        """The path of one of its files."""
        return self.path / name


def load(path: Path) -> ModelDirectory:
    """Verifies a model directory: manifest, presence, size and SHA-256 of each file. Reads every byte once.

    Raises:
        ModelDirectoryError: Naming what is wrong first.
    """
    if not path.is_dir():
        raise ModelDirectoryError(f"{path} is not a directory")
    manifest = _manifest(path)
    for name in MODEL_FILES:
        if name not in manifest.files:
            raise ModelDirectoryError(f"the manifest in {path} does not list {name}")
    for name, entry in manifest.files.items():
        _verify(path, name, entry)
    read_model_bin(path / MODEL)
    _verify_stop_tokens(path, manifest)
    return ModelDirectory(path, manifest)


def _verify_stop_tokens(path: Path, manifest: Manifest) -> None:
    tokenizer = _tokenizer(path)
    ids = [tokenizer.token_to_id(token) for token in manifest.stop_tokens]
    for token, number in zip(manifest.stop_tokens, ids, strict=True):
        if number is None:
            raise ModelDirectoryError(f"the stop token {token} of {path} is not in its vocabulary")
    if manifest.stop_token_ids and manifest.stop_token_ids != ids:
        raise ModelDirectoryError(
            f"the stop tokens of {path} have other ids in its vocabulary: is it of another model?"
        )


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ModelDirectoryError(f"{path} is not a model directory: it has no {MANIFEST}") from None
    except OSError as error:
        raise ModelDirectoryError(f"{MANIFEST} in {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its JSON"
        raise ModelDirectoryError(f"{MANIFEST} in {path} is wrong at {where}: {first['msg']}") from None


def _verify(path: Path, name: str, entry: FileEntry) -> None:
    if name == MANIFEST:
        raise ModelDirectoryError(f"the manifest in {path} lists itself")
    file = file_within(path, name)
    if not file.is_file():
        raise ModelDirectoryError(f"{name} is missing in {path}; was it copied to the end?")
    size = file.stat().st_size
    if size != entry.size:
        raise ModelDirectoryError(f"{name} in {path} has {size} bytes instead of {entry.size}; copy it again")
    try:
        actual = sha256_of(file)
    except OSError as error:
        raise ModelDirectoryError(f"{name} in {path} cannot be read: {error.strerror}") from error
    if actual != entry.sha256:
        raise ModelDirectoryError(f"{name} in {path} is damaged: its SHA-256 is not the one of the manifest")


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path / TOKENIZER))
    except Exception as error:
        raise ModelDirectoryError(f"{TOKENIZER} in {path} is not a tokenizer") from error
