"""What the gateway needs of the world, in its own words. Failures are `OloError`s."""

from olo_gateway.ports.cluster import Backlog, Backlogs, Fleet, LogQuestion, RecentLogs
from olo_gateway.ports.documents import Documents, Transfers
from olo_gateway.ports.models import Catalogue, Embedding, Inspecting, Routing, Selecting, Tokenizing
from olo_gateway.ports.runs import RUN_STATE, BatchRuns, Hear, ParkedRuns, Runs, Shadows, TokenStreams

__all__ = [
    "RUN_STATE",
    "Backlog",
    "Backlogs",
    "BatchRuns",
    "Catalogue",
    "Documents",
    "Embedding",
    "Fleet",
    "Hear",
    "Inspecting",
    "LogQuestion",
    "ParkedRuns",
    "RecentLogs",
    "Routing",
    "Runs",
    "Selecting",
    "Shadows",
    "TokenStreams",
    "Tokenizing",
    "Transfers",
]
