from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext
from temporalio.exceptions import ApplicationError

from olo_common import payload_store
from olo_common.errors import StartupError
from olo_common.failures import from_failure
from olo_common.payload_files import PayloadFiles
from olo_common.payload_store import INLINE_BYTES, data_converter
from olo_common.settings import PayloadSettings

STORING, READING = StorageDriverStoreContext(), StorageDriverRetrieveContext()


@pytest.fixture
def files(tmp_path: Path) -> PayloadFiles:
    return PayloadFiles(tmp_path / "store", 1000)


def written(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "store").glob("*/*") if path.is_file())


async def refusal(files: PayloadFiles, claim: StorageDriverClaim) -> str:
    with pytest.raises(ApplicationError) as caught:
        await files.retrieve(READING, [claim])
    assert caught.value.non_retryable
    return from_failure(caught.value).reason


@given(contents=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
async def test_what_is_stored_is_read_back(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    files = PayloadFiles(tmp_path_factory.mktemp("payloads"), 1000)
    payloads = [Payload(metadata={"encoding": b"binary"}, data=content) for content in contents]
    claims = await files.store(STORING, payloads)
    assert await files.retrieve(READING, claims) == payloads


async def test_the_same_payload_is_one_file(files: PayloadFiles, tmp_path: Path) -> None:
    await files.store(STORING, [Payload(data=b"a"), Payload(data=b"a"), Payload(data=b"b")])
    assert len(written(tmp_path)) == 2


async def test_what_is_gone_damaged_or_no_name_is_told_apart(files: PayloadFiles, tmp_path: Path) -> None:
    [claim] = await files.store(STORING, [Payload(data=b"a")])
    [path] = written(tmp_path)
    path.write_bytes(b"b")
    assert await refusal(files, claim) == "payload_corrupt"
    await files.store(STORING, [Payload(data=b"a")])
    assert await files.retrieve(READING, [claim]) == [Payload(data=b"a")]
    path.unlink()
    assert await refusal(files, claim) == "payload_missing"
    assert await refusal(files, StorageDriverClaim({"sha256": "../../etc/passwd"})) == "payload_corrupt"


async def test_what_is_too_large_is_refused_for_good(files: PayloadFiles, tmp_path: Path) -> None:
    with pytest.raises(ApplicationError) as caught:
        await files.store(STORING, [Payload(data=b"a" * 1001)])
    assert caught.value.non_retryable
    assert from_failure(caught.value).reason == "payload_not_stored"
    assert str(tmp_path) not in caught.value.message


async def test_files_are_deleted_by_age_and_storing_again_makes_them_young(files: PayloadFiles, tmp_path: Path) -> None:
    claims = await files.store(STORING, [Payload(data=b"a"), Payload(data=b"b")])
    for path in written(tmp_path):
        os.utime(path, (0, 0))
    await files.store(STORING, [Payload(data=b"b")])
    assert files.remove_old(3600) == 1
    assert await refusal(files, claims[0]) == "payload_missing"
    assert await files.retrieve(READING, claims[1:]) == [Payload(data=b"b")]


def test_what_else_is_below_the_directory_is_left_alone(files: PayloadFiles, tmp_path: Path) -> None:
    database, folder = tmp_path / "store" / "data" / "registry.db", tmp_path / "store" / "files" / "content"
    for path in (database.parent, folder):
        path.mkdir(parents=True)
    database.write_bytes(b"x")
    for path in (database, folder):
        os.utime(path, (0, 0))
    assert files.remove_old(3600) == 0
    assert database.is_file()
    assert folder.is_dir()


async def test_a_directory_that_cannot_be_cleaned_does_not_end_the_cleaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, again = [0], asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(_: PayloadFiles, __: float) -> int:
        tries[0] += 1
        if tries[0] == 2:
            loop.call_soon_threadsafe(again.set)
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(PayloadFiles, "remove_old", fail)
    monkeypatch.setattr(payload_store, "_CLEAN_SECONDS", 0.0)
    cleaning = asyncio.create_task(payload_store.clean_payloads(PayloadSettings(store=str(tmp_path))))
    waiting = asyncio.create_task(again.wait())
    await asyncio.wait({cleaning, waiting}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert again.is_set()
    cleaning.cancel()


async def test_only_large_payloads_leave_the_history(tmp_path: Path) -> None:
    converter = data_converter(PayloadSettings(store=str(tmp_path / "store")))
    [small] = await converter.encode(["x" * 1000])
    [large] = await converter.encode(["x" * INLINE_BYTES])
    assert small.data == b'"' + b"x" * 1000 + b'"'
    assert len(large.data) < 1000
    assert await converter.decode([large]) == ["x" * INLINE_BYTES]


def test_a_store_that_is_no_absolute_path_is_refused() -> None:
    with pytest.raises(StartupError, match="OLO_PAYLOAD_STORE"):
        data_converter(PayloadSettings(store="payloads"))
