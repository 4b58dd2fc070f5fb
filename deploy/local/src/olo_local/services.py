"""The services of the project, each with its settings: whoever needs all of them finds them here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from olo_common.settings import ServiceSettings
from olo_embed_worker.settings import EmbedWorkerSettings
from olo_gateway.settings import GatewaySettings
from olo_llm_worker.settings import LlmWorkerSettings
from olo_registry.settings import RegistrySettings
from olo_retrieval.settings import RetrievalSettings
from olo_router.settings import RouterSettings

SERVICES: Final[Mapping[str, type[ServiceSettings]]] = {
    "gateway": GatewaySettings,
    "registry": RegistrySettings,
    "router": RouterSettings,
    "retrieval": RetrievalSettings,
    "llm-worker": LlmWorkerSettings,
    "embed-worker": EmbedWorkerSettings,
}
