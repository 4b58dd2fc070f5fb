"""`olo documents`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo.retrieval.v1.retrieval_service_pb2 import DocumentState
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Collection, Target
from olo_client.cli.output import as_dict, enum_word, moment, write_done, write_json, write_table
from olo_client.client import Olo

app = typer.Typer(help="The documents of a collection.", no_args_is_help=True)


def state_word(state: DocumentState) -> str:
    """`ready`, `indexing` or `failed`."""
    return enum_word(DocumentState.Name(state), "DOCUMENT_STATE_")


@app.command("list")
def list_documents(collection: Collection, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Lists the documents of a collection."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.documents.list(collection))
    if as_json:
        write_json([as_dict(document) for document in found])
    else:
        write_table(
            ("id", "title", "source", "state", "passages", "updated"),
            (
                (d.document_id, d.title, d.source, state_word(d.state), d.chunk_count, moment(d.update_time))
                for d in found
            ),
        )


@app.command("delete")
def delete(
    document_id: Annotated[str, typer.Argument(help="Id of the document.")],
    collection: Collection,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Removes a document and its passages."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        olo.documents.delete(collection, document_id)
    deleted = {"collection": collection, "document_id": document_id, "deleted": True}
    write_done(deleted, f"{document_id} is deleted", as_json=as_json)
