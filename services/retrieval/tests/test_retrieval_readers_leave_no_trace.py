"""Reading a document changes nothing for others in the same process."""

from __future__ import annotations

import csv

import pytest

from olo_retrieval.errors import TextTooLong
from olo_retrieval.parsing.extracted import TextWriter
from olo_retrieval.parsing.readers.records import read_csv


def test_tables_of_others_are_read_as_before() -> None:
    before = csv.field_size_limit()
    read_csv(b"a,b\n1,2\n", TextWriter(1000))
    assert csv.field_size_limit() == before
    with pytest.raises(TextTooLong):
        read_csv(b"a,b\n1,2\n", TextWriter(0))
    assert csv.field_size_limit() == before
