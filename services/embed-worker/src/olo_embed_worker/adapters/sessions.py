"""ONNX Runtime sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnxruntime as ort

_CUDA: Final = "CUDAExecutionProvider"
_CPU: Final = "CPUExecutionProvider"
# On the CPU its kernel takes some ten times as long as the two operators that it replaces.
_SLOW_ON_CPU: Final = ["SkipLayerNormFusion"]


def open_session(file: Path, *, threads: int) -> ort.InferenceSession:
    """A session on the GPU, where ONNX Runtime has one, else on the CPU. May run in several threads at once.

    Args:
        file: The model.
        threads: Threads of one run; 0: all cores.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    on_gpu = on_cuda()
    providers = [_CUDA, _CPU] if on_gpu else [_CPU]
    return ort.InferenceSession(
        str(file), options, providers=providers, disabled_optimizers=[] if on_gpu else _SLOW_ON_CPU
    )


def on_cuda() -> bool:
    """Whether sessions compute on a GPU."""
    return _CUDA in ort.get_available_providers()
