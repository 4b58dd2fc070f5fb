"""What a GPU has left, asked of its driver: the engine does not tell."""

from __future__ import annotations

import ctypes
from typing import Final

_DRIVER: Final = "libcuda.so.1"
SHARE: Final = 0.4
"""Part of the free memory that batches may keep: the engine copies that at each step, and needs room to compute."""


def free_memory() -> int:
    """Bytes that are free on the first GPU; 0 where the driver does not tell."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    device, context, free, total = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        or driver.cuCtxSetCurrent(context)
        or driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    )
    return 0 if failed else free.value


def tokens_that_fit(free: int, *, values_per_token: int, compute_type: str, replicas: int) -> int:
    """Tokens of prompts and answers that one batch of each replica may hold; 0 where nothing is known.

    Args:
        free: Bytes that are free once the model is loaded.
        values_per_token: Numbers that the model keeps for each token.
        compute_type: Number format of the computation; what is kept has its floating-point part.
        replicas: Batches that are computed at the same time.
    """
    if not free:
        return 0
    value_bytes = 2 if compute_type.endswith("16") and not compute_type.startswith("int16") else 4
    return max(1, int(free * SHARE) // (replicas * values_per_token * value_bytes))
