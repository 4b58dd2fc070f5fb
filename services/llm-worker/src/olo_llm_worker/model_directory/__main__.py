"""`python -m olo_llm_worker.model_directory`: makes a model directory out of a checkpoint."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.conversion import QUANTIZATIONS, convert


def main() -> None:
    """Converts, and says what came out; exits with 1 and one sentence where that is not possible."""
    parser = argparse.ArgumentParser(
        prog="python -m olo_llm_worker.model_directory", description="Makes a model directory out of a checkpoint."
    )
    parser.add_argument("source", type=Path, help="checkpoint: config.json, model.safetensors, tokenizer.json")
    parser.add_argument("target", type=Path, help="the model directory to make; it must not exist")
    parser.add_argument("--quantization", choices=QUANTIZATIONS, default="int8", help="format of the stored weights")
    parser.add_argument("--name", help="name of the model; default: the name of the source directory")
    parser.add_argument("--license", default="unspecified", help="licence of the weights, as an SPDX identifier")
    arguments = parser.parse_args()
    try:
        made = convert(
            arguments.source,
            arguments.target,
            quantization=arguments.quantization,
            name=arguments.name or arguments.source.resolve().name,
            license_name=arguments.license,
        )
    except ModelDirectoryError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    size = sum(entry.size for entry in made.manifest.files.values())
    sys.stdout.write(f"{made.path}: {made.manifest.name}, {made.manifest.quantization}, {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
