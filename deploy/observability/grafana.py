"""A dashboard as a value, and how Grafana imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_WIDTH, _HEIGHT, _ACROSS = 8, 7, 3
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """A picture of one or more series; units are Grafana's."""

    title: str
    series: Mapping[str, str]
    unit: str = "short"
    description: str = ""


@dataclass(frozen=True)
class Dashboard:
    """A page of panels. `model`: one is chosen at the top."""

    uid: str
    title: str
    panels: Sequence[Panel]
    model: bool = False


def rendered(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["olo"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(dashboard)},
        "links": [_MORE],
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


_MORE: Final = {
    "type": "dashboards",
    "tags": ["olo"],
    "title": "more",
    "tooltip": "The other dashboards",
    "icon": "external link",
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
}


def _variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    ]
    if dashboard.model:
        query = {"query": "label_values(olo_model_slots, model)", "refId": "models"}
        found.append({"name": "model", "type": "query", "datasource": _SOURCE, "query": query, "refresh": 2, "sort": 1})
    return found


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {
            "x": number % _ACROSS * _WIDTH,
            "y": number // _ACROSS * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.series.items())
        ],
    }
