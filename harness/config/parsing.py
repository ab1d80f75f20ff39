"""Parses texts of the command line and of files into lists, names and timings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.errors import UsageError
from harness.model.load import Timing
from harness.model.quantities import parse_duration

MINIMUM_WINDOW_SECONDS = 1.0


def require_choice(kind: str, name: str, names: Iterable[str]) -> str:
    """`name`, if it is one of `names`; else UsageError."""
    names = tuple(names)
    if name not in names:
        raise UsageError(f"unknown {kind} {name!r}", cure=f"known: {', '.join(names)}")
    return name


def refuse_several(**named: str | None) -> None:
    """UsageError where an option has several values, for commands that measure one cell. Options by their names."""
    for option, value in named.items():
        if value is not None and "," in value.partition(":")[0]:
            raise UsageError(
                f"--{option} {value}: one at a time", cure=f"measure several with: harness matrix --{option} {value}"
            )


def parse_timing(warmup: str, duration: str) -> Timing:
    """Warm-up and window from texts such as `3s`, `500ms`, `2m`."""
    warmup_seconds, window_seconds = parse_duration("--warmup", warmup), parse_duration("--duration", duration)
    if window_seconds < MINIMUM_WINDOW_SECONDS:
        raise UsageError(
            f"--duration {duration}: too short to measure anything",
            cure=f"give {MINIMUM_WINDOW_SECONDS:g}s at least; 10s or more tell something",
        )
    return Timing(warmup_seconds=warmup_seconds, window_seconds=window_seconds)


def split_list(texts: Sequence[str]) -> list[str]:
    """Options that may be repeated or separated by commas, as a list."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def split_servers(texts: Sequence[str]) -> list[str]:
    """Servers that may be repeated or separated by commas, as their options are:
    `uvicorn:loop=asyncio,http=h11,granian`."""
    servers: list[str] = []
    for part in split_list(texts):
        if servers and ":" in servers[-1] and "=" in part and ":" not in part:
            servers[-1] += f",{part}"
        else:
            servers.append(part)
    return servers


def split_numbers(option: str, texts: Sequence[str]) -> list[int]:
    """Whole numbers that may be repeated or separated by commas. UsageError names the option."""
    try:
        return [int(part) for part in split_list(texts)]
    except ValueError:
        raise UsageError(f"{option} {','.join(texts)}: not whole numbers", cure="write it as 1,2,4") from None


def split_rates(option: str, texts: Sequence[str]) -> list[float]:
    """Arrival rates that may be repeated or separated by commas. UsageError names the option."""
    try:
        return [float(part) for part in split_list(texts)]
    except ValueError:
        raise UsageError(f"{option} {','.join(texts)}: not numbers", cure="write it as 50,200") from None


def split_workload(text: str) -> tuple[str, tuple[str, ...]]:
    """`NAME?param=value&param=value` as name and `param=value` texts."""
    name, _, query = text.partition("?")
    return name, tuple(filter(None, query.split("&")))


def parse_workload(text: str, params: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A workload in its written form, and parameters that stand over those in it, as name and `param=value` texts."""
    name, own = split_workload(text)
    over = {param.partition("=")[0] for param in params}
    return name, (*(param for param in own if param.partition("=")[0] not in over), *params)


def split_server(text: str) -> tuple[str, dict[str, str]]:
    """`NAME:key=value,key=value` as name and options."""
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise UsageError(f"--server {text}: {part} is not key=value", cure="write it as NAME:key=value,key=value")
        options[key.strip()] = value.strip()
    return name, options
