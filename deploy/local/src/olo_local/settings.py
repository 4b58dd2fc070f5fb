"""The local stack: every server and service on this machine, started in order, supervised, stopped without a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from olo_common.described import Described
from olo_common.settings import Port, Seconds, TlsSettings, settings_config


def _checkout() -> Path:
    """The checkout that this package was installed from, or the current directory."""
    candidate = Path(__file__).resolve().parents[4]
    return candidate if (candidate / "models" / "demo").is_dir() else Path.cwd()


class LocalSettings(Described, BaseSettings):
    model_config = settings_config("OLO_LOCAL_")

    root: Path = Field(default_factory=_checkout)
    """The checkout with the demonstration model and the sample documents."""
    directory: Path | None = None
    """Where data, models, logs and the state of the stack are kept; unset: `.olo` in the root."""
    models: Path | None = None
    """Where prepared models are kept; unset: `models` in the directory."""
    checkpoint: Path | None = None
    """Hugging Face checkpoint of the default text model; unset: the demonstration model of the project."""
    mini_checkpoint: Path | None = None
    """Hugging Face checkpoint of the second text model, which steps in; unset: the project's smaller one."""
    ports: Literal["fixed", "free"] = "fixed"
    """`fixed` takes the ports below, `free` any that are free, which lets several stacks run beside each other."""
    temporal_port: Port = 7233
    """Port of the Temporal frontend."""
    temporal_ui_port: Port = 8233
    """Port of Temporal's web interface."""
    nats_port: Port = 4222
    """Port of the NATS server."""
    gateway_port: Port = 50051
    """gRPC port of the gateway."""
    gateway_http_port: Port = 8080
    """HTTP port of the gateway."""
    registry_port: Port = 50052
    """gRPC port of the registry."""
    router_port: Port = 50053
    """gRPC port of the router."""
    retrieval_port: Port = 50054
    """gRPC port of the retrieval service."""
    llm_worker_port: Port = 50055
    """gRPC port of the first llm-worker."""
    llm_worker_mini_port: Port = 50057
    """gRPC port of the second llm-worker."""
    embed_worker_port: Port = 50056
    """gRPC port of the embed-worker."""
    metrics_port: Port = 9102
    """First of the consecutive ports on which the services offer their metrics; 0 turns metrics off."""
    observe: bool = False
    """Whether Prometheus runs beside the stack, where it is installed, and collects the metrics of all services."""
    prometheus_port: Port = 9090
    """Port of Prometheus, where the stack is observed."""
    ready_seconds: Seconds = 120.0
    """How long the stack may take to become ready before it is stopped again."""
    grace_seconds: Seconds = 15.0
    """How long a child may take to end before it is killed."""
    tls: TlsSettings = Field(default_factory=TlsSettings)

    @property
    def http_scheme(self) -> str:
        """How the gateway's HTTP calls are addressed."""
        return "https" if self.tls.cert_file else "http"

    @property
    def home(self) -> Path:
        """Where everything is kept."""
        return (self.directory or self.root / ".olo").resolve()

    @property
    def models_home(self) -> Path:
        """Where prepared models are kept."""
        return (self.models or self.home / "models").resolve()

    @property
    def checkpoint_home(self) -> Path:
        """The checkpoint that the default text model is made from."""
        return (self.checkpoint or self.root / "models" / "demo" / "checkpoint").resolve()

    @property
    def mini_checkpoint_home(self) -> Path:
        """The checkpoint that the second text model is made from."""
        return (self.mini_checkpoint or self.root / "models" / "demo" / "mini").resolve()

    @property
    def rules(self) -> Path:
        """The alerts of Prometheus."""
        return self.root / "deploy" / "observability" / "rules.yaml"

    @property
    def state_file(self) -> Path:
        """What a running supervisor tells of itself."""
        return self.home / "stack.json"

    @property
    def logs(self) -> Path:
        """One file for each child, and one for the supervisor."""
        return self.home / "logs"
