"""A file into a collection of its own, with progress, and a search that finds it: `python upload.py FILE`."""

import os
import sys
from pathlib import Path

from olo.retrieval.v1.retrieval_service_pb2 import DOCUMENT_STATE_READY
from olo_client import ConflictError, Olo

path = Path(sys.argv[1])
with Olo(os.environ.get("OLO_TARGET", "127.0.0.1:50051")) as olo:
    try:
        olo.collections.create("example")
    except ConflictError:
        print("the collection is there already")
    document = olo.documents.upload("example", path, progress=lambda percent: print(f"{percent:.0f} %"))
    if document.state != DOCUMENT_STATE_READY:
        sys.exit(f"{path.name}: {document.error}")
    print(document.document_id, document.chunk_count, "passages")
    for passage in olo.search("example", "When did the harbour tram begin to run?", top_k=1):
        print(f"{passage.score:.2f}", passage.text)
