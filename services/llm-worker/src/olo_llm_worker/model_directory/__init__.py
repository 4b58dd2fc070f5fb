"""Model directories: a CTranslate2 model with its tokenizer, its chat template and a manifest that vouches for them."""

from olo_llm_worker.model_directory.conversion import convert
from olo_llm_worker.model_directory.loading import ModelDirectory, load
from olo_llm_worker.model_directory.manifest import GenerationDefaults, Manifest

__all__ = ["GenerationDefaults", "Manifest", "ModelDirectory", "convert", "load"]
