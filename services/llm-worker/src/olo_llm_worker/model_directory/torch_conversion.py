"""Converts with the engine's own converter, in the extra `convert`. Code of a checkpoint is never run."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.checkpoint import Checkpoint


def write_model(checkpoint: Checkpoint, directory: Path, quantization: str) -> None:
    """Writes model.bin, config.json and vocabulary.json.

    Raises:
        ModelDirectoryError: The extra is not installed, or the converter does not accept the checkpoint.
    """
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelDirectoryError(
            f"a checkpoint of the family {checkpoint.family} is converted with {' and '.join(missing)}, which is not "
            "installed: install olo-llm-worker[convert]"
        )
    from ctranslate2.converters import TransformersConverter

    class Safetensors(TransformersConverter):  # type: ignore[misc]  # it has no annotations
        def load_model(self, model_class: Any, model_name_or_path: str, **arguments: Any) -> Any:
            return model_class.from_pretrained(
                model_name_or_path, use_safetensors=True, local_files_only=True, **arguments
            )

    converter = Safetensors(str(checkpoint.path), low_cpu_mem_usage=True)
    try:
        converter.convert(str(directory), quantization=quantization, force=True)
    except Exception as error:
        # Three libraries may fail here with anything.
        first_line = str(error).strip().split("\n")[0][:300]
        raise ModelDirectoryError(f"the converter does not accept {checkpoint.path}: {first_line}") from error
    _name_all_tokens(directory / "config.json", checkpoint)


def _name_all_tokens(file: Path, checkpoint: Checkpoint) -> None:
    """The engine does not load a model that leaves one of these open, as tokenizers without such a token do."""
    config = json.loads(file.read_bytes())
    end = checkpoint.stop_tokens[0]
    for name, token in (("bos_token", checkpoint.bos_token), ("eos_token", end), ("unk_token", end)):
        config[name] = config.get(name) or token or end
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
