"""Where within the server a request goes. Knows scopes of ASGI alone."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

_OPENAI: Final = "/v1"


def path_of(scope: Scope) -> str:
    """Return the path of a request without what the server is mounted at, as routes see it."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    inside = path.removeprefix(root) if root else path
    return inside if inside.startswith("/") else path


def is_openai(scope: Scope) -> bool:
    """Return whether a request is one of OpenAI's API, be there a route for it or not."""
    return f"{path_of(scope)}/".startswith(f"{_OPENAI}/")
