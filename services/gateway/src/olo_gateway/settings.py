"""The gateway: gRPC and OpenAI-compatible HTTP in front of durable chat runs, and the worker of their workflow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from olo_common.settings import (
    NatsSettings,
    Port,
    Seconds,
    ServiceSettings,
    TemporalSettings,
    settings_config,
)
from olo_gateway.runs.attempts import MAX_ATTEMPTS
from olo_gateway.runs.validation import INLINE_CONTENT_BYTES


class GatewaySettings(ServiceSettings):
    model_config = settings_config("OLO_GATEWAY_")

    port: Port = 50051
    """The gRPC port; 0 takes a free one."""
    http_port: Port = 8080
    """The port of /v1, /docs and /healthz; 0 takes a free one. It binds the same address as gRPC."""
    ollama_port: Port | None = None
    """A second port for the HTTP calls, such as 11434, where programs look for Ollama. Unset: there is none. Ollama's
    calls are on the HTTP port in any case."""
    role: Literal["edge", "worker", "all"] = "all"
    """`edge` answers callers, `worker` runs workflows, `all` does both: then each run starts without a round trip."""
    registry_target: str = "127.0.0.1:50052"
    """Host and port of the registry; while it is away, models cannot be listed."""
    router_target: str = "127.0.0.1:50053"
    """Host and port of the router; while it is away, runs wait some seconds for it and then fail with 503."""
    retrieval_target: str = "127.0.0.1:50054"
    """Host and port of the retrieval service; while it is away, runs with `rag` and document calls fail with 503."""
    default_timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that a run may take whose caller says nothing."""
    max_timeout: Annotated[float, Field(gt=0)] = 600.0
    """The most seconds that a caller may ask for; more is refused."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = MAX_ATTEMPTS
    """Attempts of one run, of all models together; then it fails. More survive worse times and cost the models more."""
    max_content_bytes: Annotated[int, Field(ge=1024, le=2 * 1024 * 1024)] = INLINE_CONTENT_BYTES
    """UTF-8 bytes that the messages of a request may have together. Above 256 KiB needs OLO_PAYLOAD_STORE."""
    max_runs_in_flight: Annotated[int, Field(ge=1)] = 256
    """Calls for answers that this process serves at once at most; further ones are refused with 429. The limit that
    holds is usually lower: it follows how long answers take."""
    min_runs_in_flight: Annotated[int, Field(ge=1)] = 8
    """The limit does not fall below this, however long answers take; also what counts as hardly any load."""
    tolerated_slowdown: Annotated[float, Field(gt=1, le=100)] = 4.0
    """How many times longer than in calm hours an answer may take before fewer are let in at once. Lower keeps answers
    quick; higher makes more of machines that compute many answers together."""
    max_concurrent_workflow_tasks: Annotated[int, Field(ge=4, le=256)] = 256
    """Runs that retrieve or select at once. While a peer hangs, so many calls to it wait, and no further run goes on,
    not even to its end: as many as max_runs_in_flight let every run go on."""
    keep_alive: Annotated[Seconds, Field(gt=0)] = 10.0
    """Seconds of silence after which a stream sends a comment, so that proxies keep it open."""
    client_patience: Annotated[Seconds, Field(gt=0)] = 30.0
    """Seconds that a stream waits for a caller that reads nothing; then it is closed as `client_too_slow`, and its run
    is cancelled as if the caller had hung up."""
    files: str = ""
    """Where files of callers and batches are kept: an absolute path that all gateways share, or `s3://` and a bucket
    (needs the extra `s3`). Empty: nowhere; calls that need files are refused with 501."""
    max_file_bytes: Annotated[int, Field(ge=1024)] = 512 * 1024 * 1024
    """The largest file that is taken. Uploads go through temporary files: TMPDIR needs room for those in progress."""
    max_batch_lines: Annotated[int, Field(ge=1)] = 50_000
    """Lines that the file of a batch may have; with more, the batch fails."""
    batch_window: Annotated[int, Field(ge=1, le=1000)] = 8
    """Lines of one batch that are in flight at once. More use idle machines better, and take more of the places that
    are left to less urgent requests."""
    max_batch_lines_in_flight: Annotated[int, Field(ge=1, le=1000)] = 64
    """Lines of all batches that this process sees through at once."""
    api_keys_file: str = ""
    """The file of API keys, which `olo keys` writes and which may be mounted; a change is taken within seconds. With
    it, every call but those of probes needs a key, and sees the things of the key's tenant alone. Empty: nobody is
    asked for a key, and everybody is an operator."""
    public_docs: bool = False
    """Whether /docs and /openapi.json are shown without a key where keys are asked for. Browsers send none."""
    temporal_ui: str = ""
    """Where people reach Temporal's web interface, such as `http://127.0.0.1:8233`: traces of runs link to it. Empty:
    they do not."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
    temporal: TemporalSettings = Field(default_factory=TemporalSettings)

    @property
    def authenticated(self) -> bool:
        """Whether callers are known before they are served."""
        return bool(self.api_keys_file) or super().authenticated

    @model_validator(mode="after")
    def _fits(self) -> GatewaySettings:
        if self.default_timeout > self.max_timeout:
            raise ValueError("OLO_GATEWAY_DEFAULT_TIMEOUT must not be above OLO_GATEWAY_MAX_TIMEOUT")
        if self.max_content_bytes > INLINE_CONTENT_BYTES and not self.temporal.payloads.store:
            raise ValueError(
                f"OLO_GATEWAY_MAX_CONTENT_BYTES: above {INLINE_CONTENT_BYTES} bytes OLO_PAYLOAD_STORE is needed"
            )
        if self.tls.allowed_callers:
            raise ValueError(
                "OLO_TLS_ALLOWED_CALLERS: holds for gRPC alone, and the gateway serves HTTP too; give its callers API "
                "keys (OLO_GATEWAY_API_KEYS_FILE) or an authority of their own (OLO_TLS_CLIENT_CA_FILE)"
            )
        return self
