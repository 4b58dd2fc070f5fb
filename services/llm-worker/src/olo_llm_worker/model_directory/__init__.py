"""Model directories: a CTranslate2 model with its tokenizer, its chat template and a manifest that vouches for them.

Opened by what is imported here. What makes them is in `conversion`: a worker does not load CTranslate2 itself.
"""

from olo_llm_worker.model_directory.loading import ModelDirectory, load
from olo_llm_worker.model_directory.manifest import GenerationDefaults, Manifest

__all__ = ["GenerationDefaults", "Manifest", "ModelDirectory", "load"]
