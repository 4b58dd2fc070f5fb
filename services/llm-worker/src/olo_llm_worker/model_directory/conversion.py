"""Makes a model directory out of a checkpoint, with numpy alone."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.chat_template import DEMO_TEMPLATE, ChatTemplate
from olo_llm_worker.model_directory.checkpoint import Checkpoint, open_checkpoint
from olo_llm_worker.model_directory.llama import build_spec
from olo_llm_worker.model_directory.loading import ModelDirectory, load
from olo_llm_worker.model_directory.manifest import (
    CHAT_TEMPLATE,
    MANIFEST,
    MODEL_FILES,
    TOKENIZER,
    FileEntry,
    GenerationDefaults,
    Manifest,
)

QUANTIZATIONS: Final = ("int8", "int16", "float32", "float16", "int8_float16")
"""Formats of the stored weights. The last two are for GPUs; a CPU computes them as float32 or int8."""


def convert(
    source: Path, target: Path, *, quantization: str, name: str, license_name: str = "unspecified"
) -> ModelDirectory:
    """Converts a checkpoint. The target comes into being at once and complete, or not at all.

    Args:
        source: Directory with config.json, model.safetensors and tokenizer.json of a Llama-family model.
        target: The model directory to make; it must not exist.
        quantization: One of `QUANTIZATIONS`.
        name: Name of the model, for its manifest.
        license_name: Licence of the weights, for its manifest.

    Raises:
        ModelDirectoryError: The checkpoint cannot be converted, or the target cannot be written.
    """
    if quantization not in QUANTIZATIONS:
        raise ModelDirectoryError(f"the quantization {quantization} is none of {', '.join(QUANTIZATIONS)}")
    if target.exists():
        raise ModelDirectoryError(f"{target} exists already")
    checkpoint = open_checkpoint(source)
    template = _template(checkpoint)
    spec = build_spec(checkpoint)
    spec.optimize(quantization=quantization)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial"))
        try:
            spec.save(str(partial))
            _add_files(partial, checkpoint, template)
            _write_manifest(partial, checkpoint, quantization=quantization, name=name, license_name=license_name)
            partial.chmod(0o755)
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise ModelDirectoryError(f"{target} cannot be written: {error.strerror or error}") from error
    return load(target)


def _template(checkpoint: Checkpoint) -> str:
    template = checkpoint.chat_template
    if template is None:
        roles = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
        if any(checkpoint.tokenizer.token_to_id(token) is None for token in roles):
            raise ModelDirectoryError(f"{checkpoint.path} has no chat template")
        template = DEMO_TEMPLATE
    ChatTemplate(template, checkpoint.tokenizer)
    return template


def _add_files(directory: Path, checkpoint: Checkpoint, template: str) -> None:
    """Adds what a model directory has beyond a CTranslate2 model."""
    # copyfile, not copy: the mode of the source, which may be read-only, is no part of the model.
    shutil.copyfile(checkpoint.path / "tokenizer.json", directory / TOKENIZER)
    (directory / CHAT_TEMPLATE).write_text(template, encoding="utf-8")


def _write_manifest(
    directory: Path, checkpoint: Checkpoint, *, quantization: str, name: str, license_name: str
) -> None:
    try:
        manifest = Manifest(
            name=name,
            family="llama",
            quantization=quantization,
            context_limit=checkpoint.shape.context_limit,
            bos_token=checkpoint.bos_token,
            stop_tokens=checkpoint.stop_tokens,
            license=license_name,
            generation=_defaults(checkpoint.sampling),
            files={file: FileEntry.of(directory / file) for file in MODEL_FILES},
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelDirectoryError(f"no manifest can be written: {where}: {first['msg']}") from None
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _defaults(sampling: Mapping[str, Any]) -> GenerationDefaults:
    """The checkpoint's own wishes; one that does not sample decodes greedily."""
    if not sampling.get("do_sample"):
        return GenerationDefaults(repetition_penalty=float(sampling.get("repetition_penalty") or 1.0))
    return GenerationDefaults(
        temperature=float(sampling.get("temperature") or 1.0),
        top_p=float(sampling.get("top_p") or 1.0),
        top_k=int(sampling["top_k"]) if sampling.get("top_k") else None,
        repetition_penalty=float(sampling.get("repetition_penalty") or 1.0),
    )
