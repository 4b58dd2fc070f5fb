"""The interactive description of the API, from files of this package: it works without any other network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

ASSETS: Final = "/docs/assets"
_NEVER: Final = "422"
"""FastAPI describes this status wherever there is something to validate; what is wrong is answered with 400 here."""


def install(app: FastAPI) -> None:
    """Serves /docs, and describes no status that is never answered."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        return app.openapi_schema or _without_what_never_comes(describe())

    app.openapi = described  # type: ignore[method-assign]
    app.mount(ASSETS, StaticFiles(directory=str(files("olo_gateway.http") / "static")), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "/openapi.json",
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        )

    @app.get("/swagger-ui.html", include_in_schema=False)
    async def swagger() -> RedirectResponse:
        return RedirectResponse("/docs")


def _without_what_never_comes(description: dict[str, Any]) -> dict[str, Any]:
    for operations in description["paths"].values():
        for operation in operations.values():
            operation["responses"].pop(_NEVER, None)
    for shape in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(shape, None)
    return description
