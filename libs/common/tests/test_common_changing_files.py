"""What is read of files that may be anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from olo_common.changing_files import content_of


def test_a_file_is_read_up_to_its_most_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert content_of(path, 5, ValueError) == b"12345"
    with pytest.raises(ValueError, match="it is too large"):
        content_of(path, 4, ValueError)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"it cannot be read \(No such file or directory\)"):
        content_of(tmp_path / "none", 5, LookupError)
