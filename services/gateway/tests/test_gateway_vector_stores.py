"""What clients may call a batch of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.calls.vector_stores import VectorStores
from olo_gateway.errors import VectorStoreNotFound
from olo_gateway.files.shelf import Shelf


@pytest.mark.parametrize(
    "batch_id", ["vsfb_é", "vsfb_²", "ñ", "", "vsfb_", "vsfb_../x", f"vsfb_{'0' * 32}", "x" * 9000]
)
async def test_what_is_no_batch_of_files_is_not_found(tmp_path: Path, batch_id: str) -> None:
    objects = ObjectDirectory(tmp_path)
    stores = VectorStores(None, Shelf(objects, 1), objects)  # type: ignore[arg-type]
    with pytest.raises(VectorStoreNotFound):
        await stores.batch("t", "vs_a", batch_id)
