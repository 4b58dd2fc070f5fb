"""How Temporal is reached, and where large payloads go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from olo_common.base_settings import OloSettings, settings_config
from olo_common.described import Described


class PayloadSettings(Described, BaseSettings):
    model_config = settings_config("OLO_PAYLOAD_")

    store: str = ""
    """Where prompts and answers over 256 KiB go: a directory that the gateway and all workers share, or `s3://` and a
    bucket (needs the extra `s3`). Empty: nowhere; an answer that has more than 2 MiB with its citations then fails."""
    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 16 * 1024 * 1024
    """The largest prompt or answer that is stored, encoded; a larger one fails."""
    retention_hours: Annotated[float, Field(gt=0)] = 168.0
    """Hours after which the gateway deletes files of a directory. Must be longer than Temporal keeps finished runs: a
    run whose files are gone can no longer be shown. Buckets have rules of their own for this."""
    keys_file: Path | None = None
    """File of the keys that encrypt what Temporal stores, and what `OLO_PAYLOAD_STORE` does: `olo payload-keys` makes
    it, and it is read again when it changes. All services need the same. Whoever has it reads every prompt and answer;
    where it is lost, nobody reads them again. Unset: nothing is encrypted."""
    refuse_clear: bool = False
    """Whether what is not encrypted is refused. Runs that began before there were keys then cannot go on or be shown;
    without it, whoever may write to Temporal can put words of their own in the place of encrypted ones."""

    @model_validator(mode="after")
    def _refuses_with_keys(self) -> PayloadSettings:
        if self.refuse_clear and self.keys_file is None:
            raise ValueError("OLO_PAYLOAD_REFUSE_CLEAR: would refuse everything without OLO_PAYLOAD_KEYS_FILE")
        return self


class TemporalSettings(OloSettings):
    """Where they exist, the names are those of Temporal's own tools."""

    model_config = settings_config("TEMPORAL_")

    address: str = "127.0.0.1:7233"
    """Host and port of the Temporal frontend. Temporal Cloud: `<namespace>.<account>.tmprl.cloud:7233`, or with an API
    key the address of the region."""
    namespace: str = "default"
    """The Temporal namespace of all runs. Temporal Cloud: `<namespace>.<account>`."""
    api_key: SecretStr | None = None
    """API key of the Temporal frontend, where it asks for one."""
    tls: bool | None = None
    """Whether to speak TLS to the Temporal frontend. Unset: where there is an API key or one of the files below.
    `false` with an API key sends the key in the clear."""
    tls_server_ca_cert_path: Path | None = None
    """PEM file of the authorities of the Temporal frontend. Unset: those of the system."""
    tls_client_cert_path: Path | None = None
    """PEM file of the certificate that this process shows to the Temporal frontend."""
    tls_client_key_path: Path | None = None
    """PEM file of the private key of that certificate. These files are read at start: restart to use new ones."""
    tls_server_name: str = ""
    """The name that the certificate of the Temporal frontend must hold; empty: the host of the address."""
    compression: bool = False
    """Whether what goes to the Temporal frontend and back is compressed. It costs both sides CPU on every call: for
    frontends that are far away or paid by the byte, as Temporal Cloud is."""
    deployment_name: str = ""
    """The Worker Deployment of the workers that run workflows; Temporal's Worker Controller sets it. The run of a chat
    then stays with the build that began it, and processes of that build must live until it has ended; a build that is
    not current is given no new run. Empty: any worker goes on with any run."""
    worker_build_id: str = ""
    """Which build of the deployment this process is. Empty: its release."""
    payloads: PayloadSettings = Field(default_factory=PayloadSettings)

    @model_validator(mode="after")
    def _whole(self) -> TemporalSettings:
        files = (self.tls_server_ca_cert_path, self.tls_client_cert_path, self.tls_client_key_path)
        if bool(self.tls_client_cert_path) != bool(self.tls_client_key_path):
            raise ValueError("TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH: both are needed, or none")
        if self.tls is False and any(files):
            raise ValueError("TEMPORAL_TLS: is false, but files for TLS are set")
        return self

    @model_validator(mode="after")
    def _build_of_a_deployment(self) -> TemporalSettings:
        if self.worker_build_id and not self.deployment_name:
            raise ValueError("TEMPORAL_WORKER_BUILD_ID: says nothing without TEMPORAL_DEPLOYMENT_NAME")
        return self

    @property
    def uses_tls(self) -> bool:
        """Whether the connection to the Temporal frontend is one of TLS."""
        return (
            bool(self.api_key or self.tls_server_ca_cert_path or self.tls_client_cert_path or self.tls_server_name)
            if self.tls is None
            else self.tls
        )
