"""What is wrong with a document, in words."""

from __future__ import annotations

import re

from pydantic import ValidationError

from harness.model.plan import APP, PATH
from harness.model.requests import HEADER_NAME, HEADER_VALUE, REQUEST_PATH

ALTERNATIVE = re.compile(r"\[|^constrained-str$|^str$|^(CsvColumn|Addresses|UniqueValue|UploadedFile)$")
"""Parts of an error's place that name one of several types and no part of the document."""


WRITTEN = {
    APP: "write it as MODULE:OBJECT, such as shop.main:app; a factory without arguments as shop:create_app with "
    "--factory, one with arguments by a module of yours that calls it, such as wsgi:app",
    PATH: "begin it with /",
    REQUEST_PATH: "begin it with /, or write {name} for a whole address",
    HEADER_NAME: "no header is called so",
    HEADER_VALUE: "a header is one line",
}
"""Patterns, and what to write."""
UNTOLD = frozenset({"headers", "json", "body", "form", "values"})
"""Parts of a document whose values are shown to nobody."""


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong, where, and with which value."""
    # Of alternatives the one that fits best: what is wrong lies deepest there, and is no name of another alternative.
    details = max(
        error.errors(), key=lambda each: (len(each["loc"]), each["type"] not in ("missing", "extra_forbidden"))
    )
    where = ".".join(str(part) for part in details["loc"] if not ALTERNATIVE.search(str(part)))
    message = WRITTEN.get(details.get("ctx", {}).get("pattern", ""), details["msg"].removeprefix("Value error, "))
    message = message[:1].lower() + message[1:]
    if not where:
        return message
    told = isinstance(details["input"], str | int | float) and not UNTOLD & {*details["loc"]}
    shown = f" (it is {details['input']!r})" if told else ""
    return f"{where}: {message}{shown}"
