"""A question about documents, and where the answer stands: `python ask.py`."""

import os

from olo_client import Olo

with Olo(os.environ.get("OLO_TARGET", "127.0.0.1:50051")) as olo:
    answer = olo.chat("When did the harbour tram of Saltmere begin to run?", collection="demo", top_k=4)
    print(answer.message.content)
    for citation in answer.citations:
        print("*" if citation.cited else " ", citation.source, f"{citation.score:.2f}")
