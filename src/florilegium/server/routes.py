"""The name under which a request is counted: the template of its route, never its address.

Knows Starlette's scopes. There are as many names as there are routes, whatever clients ask for.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.routing import Mount, Route

UNKNOWN: Final = "(unknown)"
"""The name of all addresses that there is no route for."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_of(scope: Any, *, routes: Any, root_path: str) -> str:
    """Return the template of the route that a request took, such as `/items/{id}`.

    Args:
        scope: The scope after the application has answered.
        routes: The routes of the outermost application.
        root_path: The root path of the scope before.
    """
    route = scope.get("route")
    path = None if isinstance(route, Mount) else getattr(route, "path", None)
    inside = scope.get("root_path", "").removeprefix(root_path)
    if not inside:
        # Starlette's own routes do not say that they were taken.
        asked = scope["path"].removeprefix(root_path)
        return path or next((p for p in _paths(routes) if p == asked), UNKNOWN)
    mounted = [one.path for one in routes if isinstance(one, Mount) and one.path]
    # A mount may have parameters of its own, and others within it.
    for mount in mounted:
        if inside == mount:
            return mount + (path or "/*")
        if inside.startswith(f"{mount}/"):
            return f"{mount}/*"
    return UNKNOWN


def method_of(scope: Any) -> str:
    """Return the method of a request, of which there are few, whatever clients send."""
    if scope["type"] == "websocket":
        return "WEBSOCKET"
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def _paths(routes: Any) -> list[str]:
    return [str(route.path) for route in routes if isinstance(route, Route)]
