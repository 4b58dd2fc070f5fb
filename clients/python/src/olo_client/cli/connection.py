"""Options before the command: how the gateway is connected to."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.settings import TLS, TLS_FILES, TLS_SERVER_NAME, tls_flags


def options(
    context: typer.Context,
    *,
    tls: Annotated[bool | None, typer.Option(help="Speak TLS to the gateway (OLO_TLS).")] = None,
    ca_file: Annotated[
        str | None, typer.Option(help="PEM file of the gateway's authorities (OLO_TLS_CA_FILE); means --tls.")
    ] = None,
    client_cert: Annotated[
        str | None, typer.Option(help="PEM file of the certificate to show (OLO_TLS_CLIENT_CERT_FILE).")
    ] = None,
    client_key: Annotated[
        str | None, typer.Option(help="PEM file of its private key (OLO_TLS_CLIENT_KEY_FILE).")
    ] = None,
    server_name: Annotated[
        str | None, typer.Option(help="The name in the gateway's certificate (OLO_TLS_SERVER_NAME).")
    ] = None,
) -> None:
    """Asks models, feeds them documents, and looks after what runs."""
    said = {
        TLS: None if tls is None and not ca_file else str(tls is not False).lower(),
        TLS_FILES["ca_file"]: ca_file,
        TLS_FILES["client_cert_file"]: client_cert,
        TLS_FILES["client_key_file"]: client_key,
        TLS_SERVER_NAME: server_name,
    }
    context.with_resource(tls_flags(said))
