"""Secrets: which values are, and how they are taken out of texts, however they are spelled there."""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
"""What stands in the place of a secret."""
LEAST = 6
"""Characters of a value that is hidden; shorter ones would hide anything."""
NAME = re.compile(
    r"PASS|_PWD|SECRET|TOKEN|KEY|CREDENTIAL|DSN|COOKIE|PRIVATE|SIGNATURE|SALT|AUTHORIZATION|CONN(ECTION)?_?STR", re.I
)
"""Variables whose value is a secret, whatever it is."""
ADDRESS_NAME = re.compile(r"_(URL|URI)$", re.IGNORECASE)
"""Variables whose value may be one."""
ORDINARY = re.compile(
    r"[a-z_.-]+|[A-Z_]+|v?[\d.:,]+|[a-z][\w.-]*:\d+|[a-z_.]+:[a-z_.]+|[.~]{0,2}(/[\w.-]+)+/?|"
    r"[a-z+]+://[\w.-]+(:\d+)?(/[a-z_.-]*)*"
)
"""Values that are no secret unless their name says so: words, numbers, versions, addresses, paths, `module:object`."""
CREDENTIALS = re.compile(r"\w://(?P<user>[^\s:/@]*):(?P<password>\S+)@")
PASSWORD_IN_URL = re.compile(r"(\b[A-Za-z][\w+.-]*://[^\s:/@'\"]*:)[^\s/@'\"]+@")


class _Register:
    """Everything that this process knows to be secret."""

    known: frozenset[str] = frozenset()


def by_name(name: str, value: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    return len(value) >= LEAST and NAME.search(name) is not None


def secret(name: str, value: str) -> bool:
    """Whether a variable that was given to an application holds a secret, by its name or by what it looks like."""
    return len(value) >= LEAST and (by_name(name, value) or ORDINARY.fullmatch(value) is None)


def unmistakable(name: str, value: str) -> bool:
    """Whether a value is a secret by its name and by its looks: where it stands, it does not stand by chance, as the
    password `postgres` does."""
    return by_name(name, value) and ORDINARY.fullmatch(value) is None


def learn(variables: Mapping[str, str]) -> None:
    """From now on, hide the secrets among these variables of an application."""
    _add(part for name, value in variables.items() if secret(name, value) for part in _parts(name, value))


def learn_surroundings(surroundings: Mapping[str, str] = os.environ) -> None:
    """From now on, hide the values of the process' own variables whose names say that they are secret."""
    suspicious = {name: value for name, value in surroundings.items() if NAME.search(name) or ADDRESS_NAME.search(name)}
    learn(suspicious)


def hide(text: str) -> str:
    """A text without secrets in any of their spellings, and without passwords of URLs."""
    for written, rest in _written(_Register.known):
        if written in text:
            text = re.sub(re.escape(written) + rest, HIDDEN, text)
    return PASSWORD_IN_URL.sub(rf"\g<1>{HIDDEN}@", text)


def _add(values: Iterable[str]) -> None:
    _Register.known |= frozenset(values)


def _parts(name: str, value: str) -> Iterator[str]:
    """What of a value is secret: of a URL with a password that is all, unless the name says more."""
    found = CREDENTIALS.search(value)
    if found:
        yield found["password"]
    if not found or by_name(name, value):
        yield value
        yield from (line for line in value.splitlines() if not line.startswith("-----"))  # begin and end of a key


@functools.lru_cache(maxsize=8)
def _written(secrets: frozenset[str]) -> list[tuple[str, str]]:
    """Every spelling of every secret, with a pattern of what follows that belongs to it; the longest first, since one
    may hold another."""
    texts = {text for value in secrets for text in (value.strip(), unquote(value.strip()))}
    spellings = {each: "" for text in texts for each in _spellings(text)}
    spellings |= {each: r"[\w+/=-]*" for text in texts for each in _in_base64(text)}
    return sorted((each for each in spellings.items() if len(each[0]) >= LEAST), key=lambda each: -len(each[0]))


def _spellings(text: str) -> Iterator[str]:
    """A text as it stands, and as URLs, JSON, HTML, Python, shells and hexadecimal digits write it."""
    yield text
    for encoded in (
        quote(text, safe="", errors="replace"),
        quote(text, errors="replace"),
        quote_plus(text, "", "utf-8", "replace"),
    ):
        yield encoded
        yield re.sub("%..", lambda match: match[0].lower(), encoded)
    in_json = json.dumps(text)[1:-1]
    yield from (in_json, json.dumps(in_json)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (html.escape(text), html.escape(text, quote=False))
    raw = text.encode("utf-8", "surrogateescape")
    yield from (repr(text)[1:-1], repr(raw)[2:-1], text.replace("'", "'\"'\"'"))
    yield from (raw.hex(), raw.hex().upper())


def _in_base64(text: str) -> Iterator[str]:
    """What every base64 that holds a text has in common, at each of the three places where it may begin in it."""
    raw = text.encode("utf-8", "surrogateescape")
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            digits = encode(bytes(before) + raw).decode().rstrip("=")
            whole = len(digits) if (before + len(raw)) % 3 == 0 else len(digits) - 1
            yield digits[(0, 2, 3)[before] : whole]
