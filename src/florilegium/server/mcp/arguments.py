"""Checks what a model gives a tool, and says what is wrong so that its next call is right.

Knows the schemas of tools, and nothing of what they do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from florilegium.server.rest.requests import WhereBody
from florilegium.server.unknown_names import meant_by

_WANTED: Final = {
    "missing": "has to be given",
    "greater_than_equal": "has to be at least {ge}",
    "less_than_equal": "has to be at most {le}",
    "too_long": "may have at most {max_length} entries",
    "string_too_long": "may have at most {max_length} characters",
    "string_too_short": "may not be empty",
    "string_pattern_mismatch": "has to match {pattern}",
    "enum": "has to be {expected}",
}
_KINDS: Final = {
    "string": "a text",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "date": "a day, such as 2024-05-31",
}
_SHOWN: Final = 3  # of the arguments that are wrong
_LONGEST: Final = 100  # characters of a name that is repeated


class CheckedTool(Tool):
    """A tool that takes no other arguments than its schema has, and tells of wrong ones."""

    def model_post_init(self, context: Any, /) -> None:
        """Say in the schema that there are no other arguments."""
        super().model_post_init(context)
        self.parameters["additionalProperties"] = False

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,  # noqa: FBT001, FBT002 - the signature of the SDK
    ) -> Any:
        """Run the tool. Raises ToolError, which the model reads."""
        known = list(self.parameters["properties"])
        unknown = [name for name in arguments if name not in known]
        if unknown:
            told = [_refusal(name, known) for name in unknown[:_SHOWN]]
            raise ToolError(f"{self.name}: {_joined(told, of=len(unknown))}")
        try:
            return await super().run(arguments, context, convert_result)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            found = error.__cause__
            if not isinstance(found, ValidationError):
                raise
            # What is not known comes first: it is why something else may be missing.
            errors = sorted(found.errors(include_url=False), key=_is_known)
            told = [self._problem(one) for one in errors[:_SHOWN]]
            raise ToolError(f"{self.name}: {_joined(told, of=len(errors))}") from found

    def _problem(self, found: ErrorDetails) -> str:
        first, *rest = found["loc"]
        where = ".".join(str(part)[:_LONGEST] for part in found["loc"])
        if not _is_known(found) and rest:
            return _refusal(str(rest[-1]), list(WhereBody.model_fields), within=str(first))
        told = f"{where!r} {_wanted(found['type'], found.get('ctx', {}))}."
        if found["type"] == "string_pattern_mismatch":
            told += f" {self.parameters['properties'][first]['description']}"
        return told


def _is_known(found: ErrorDetails) -> bool:
    return found["type"] != "extra_forbidden"


def _refusal(name: str, known: Sequence[str], *, within: str = "") -> str:
    name = name[:_LONGEST]
    shown = repr(f"{within}.{name}" if within else name)
    if meant := meant_by(name, known):
        return f"There is no argument {shown}; did you mean {meant!r}?"
    takes = f"It takes {', '.join(map(repr, known))}." if known else "It takes none."
    return f"There is no argument {shown}. {takes}"


def _wanted(kind: str, context: Mapping[str, Any]) -> str:
    """Return what an argument has to be, of the kind of error that pydantic tells by."""
    if kind in _WANTED:
        return _WANTED[kind].format_map(context)
    for start, wanted in _KINDS.items():
        if kind.startswith(f"{start}_"):
            return f"has to be {wanted}"
    return "is not of the form that the schema of the tool says"


def _joined(told: Sequence[str], *, of: int) -> str:
    more = of - len(told)
    return " ".join(told) + (f" And {more} more." if more else "")
