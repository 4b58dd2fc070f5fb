"""The routes beside OpenAI's: Ollama's and Anthropic's dialects, and those about the cluster."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from olo_gateway.calls.chats import Chats
from olo_gateway.calls.own_models import OwnFleet
from olo_gateway.http.anthropic.routes import anthropic_routes
from olo_gateway.http.cluster.cluster import Cluster
from olo_gateway.http.cluster.process import Process
from olo_gateway.http.cluster.routes import cluster_routes
from olo_gateway.http.ollama.chat_routes import chat_routes
from olo_gateway.http.ollama.embed_routes import embed_routes
from olo_gateway.http.ollama.model_routes import model_routes
from olo_gateway.http.streaming import StreamPace
from olo_gateway.ports import Embedding, Inspecting, Selecting


@dataclass(frozen=True, slots=True)
class Peers:
    """Whom these routes ask beside the runs."""

    cluster: Cluster
    embedding: Embedding
    selecting: Selecting
    inspecting: Inspecting


def compatible_routes(chats: Chats, peers: Peers, pace: StreamPace) -> list[APIRouter]:
    """The routes."""
    return [
        chat_routes(chats, peers.selecting, pace),
        model_routes(OwnFleet(peers.cluster.fleet), peers.inspecting),
        embed_routes(peers.embedding, peers.selecting),
        anthropic_routes(chats, peers.inspecting, pace),
        cluster_routes(peers.cluster, Process()),
    ]
