"""An answer piece by piece, left after the first one and followed to its end later: `python stream.py`."""

import os

from olo_client import Olo

with Olo(os.environ.get("OLO_TARGET", "127.0.0.1:50051")) as olo:
    run_id, shown = "", 0
    for event in olo.chat_stream("When is the library closed?", collection="demo", top_k=4, store=True):
        if event.HasField("started"):
            run_id = event.started.run_id
        if event.HasField("delta"):
            print(event.delta.text, end="")
            shown = event.delta.offset + len(event.delta.text.encode())
            break
    for event in olo.follow(run_id, resume_offset=shown):
        if event.HasField("delta"):
            print(event.delta.text, end="")
    print()
    print(run_id, "has ended:", olo.runs.get(run_id).HasField("response"))
