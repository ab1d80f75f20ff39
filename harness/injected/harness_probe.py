"""Looks at an application in its own environment: how it is called, what it is made with, which paths it has.

    python harness_probe.py MODULE:OBJECT plain|factory RESULT

Writes JSON to RESULT: `interface` (`asgi`, `wsgi` or null), `framework` (module and version, or null), `routes` (GETs
that need no guessing), or `error`. Standard library only: it runs in any environment.
"""

import importlib
import inspect
import json
import os
import sys
import traceback
from importlib import metadata
from typing import Any

PARAMETERS = {3: "asgi", 2: "wsgi"}
MOST_ROUTES = 50


def load(target: str, factory: bool) -> Any:
    """The application."""
    module, _, attribute = target.partition(":")
    application: Any = importlib.import_module(module)
    for name in attribute.split("."):
        application = getattr(application, name)
    return application() if factory else application


def interface(application: Any) -> str | None:
    """How a server is to call it, by what its call takes: `(scope, receive, send)` or `(environ, start_response)`."""
    if not callable(application):
        return None
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(type(application).__call__):
        return "asgi"
    try:
        parameters = inspect.signature(application).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [each for each in parameters if each.kind in positional and each.default is inspect.Parameter.empty]
    return PARAMETERS.get(len(needed))


def framework(application: Any) -> str | None:
    """The distribution that its class comes from, with its version."""
    package = type(application).__module__.partition(".")[0]
    names = metadata.packages_distributions().get(package, [])
    return f"{names[0]} {metadata.version(names[0])}" if names else None


def routes(application: Any) -> list[str]:
    """Paths that a GET can be sent to, from an OpenAPI schema or the framework's own routes."""
    for find in (_from_openapi, _from_url_map, _from_routes, _from_falcon, _from_django):
        try:
            paths = find(application)
        except Exception:
            continue
        if paths:
            return sorted(dict.fromkeys(paths), key=len)[:MOST_ROUTES]
    return []


def _from_openapi(application: Any) -> list[str]:
    if hasattr(application, "openapi_schema") and not hasattr(application, "openapi"):
        document = application.openapi_schema.to_schema()  # Litestar
    else:
        document = application.openapi()  # FastAPI
    paths = []
    for path, operations in document["paths"].items():
        operation = operations.get("get")
        if operation is None:
            continue
        query = []
        for parameter in operation.get("parameters", []):
            value = _value(parameter)
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", value or "{}")
            elif parameter.get("required"):
                query.append(f"{parameter['name']}={value or '{}'}")
        whole = path + ("?" + "&".join(query) if query else "")
        if "{" not in whole:
            paths.append(whole)
    return paths


def _value(parameter: dict[str, Any]) -> str | None:
    schema = parameter.get("schema", {})
    for value in (parameter.get("example"), schema.get("default"), *schema.get("examples", [])):
        if value is not None:
            return str(value)
    return "1" if schema.get("type") in ("integer", "number") else None


def _from_url_map(application: Any) -> list[str]:
    rules = application.url_map.iter_rules()
    return [each.rule for each in rules if "GET" in (each.methods or ()) and not each.arguments]


def _from_routes(application: Any, prefix: str = "") -> list[str]:
    """Of Starlette, with what is mounted in it."""
    paths = []
    for each in application.routes:
        path = prefix + each.path
        if "{" in path.replace("{path:path}", ""):
            continue
        if getattr(each, "routes", None):
            paths += _from_routes(each, path)
        elif "GET" in (getattr(each, "methods", None) or ()):
            paths.append(path)
    return paths


def _from_falcon(application: Any) -> list[str]:
    found = importlib.import_module("falcon.inspect").inspect_routes(application)
    gets = [route.path for route in found if any(each.method == "GET" for each in route.methods)]
    return [path for path in gets if "{" not in path]


def _from_django(application: Any) -> list[str]:
    """Of Django's resolver, which knows no methods: what has no parameters."""
    if "django" not in type(application).__module__:
        return []
    return _of_resolver(importlib.import_module("django.urls").get_resolver().url_patterns, "/")


def _of_resolver(patterns: Any, prefix: str) -> list[str]:
    paths = []
    for each in patterns:
        path = prefix + str(each.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if any(character in path for character in "<([?*+\\"):
            continue
        inner = getattr(each, "url_patterns", None)
        paths += [path] if inner is None else _of_resolver(inner, path)
    return [path for path in paths if not path.startswith("/admin/")]


def own_traceback(error: BaseException) -> str:
    """The traceback from where the application's own code begins; empty where it was not reached."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    return "".join(traceback.format_list(own)) + "".join(traceback.format_exception_only(error)) if own else ""


def hint(target: str, error: BaseException) -> str:
    """Which applications the module has, where it has not the one that was named."""
    module = sys.modules.get(target.partition(":")[0])
    if not isinstance(error, AttributeError) or module is None:
        return ""
    names = [name for name, value in vars(module).items() if not inspect.isclass(value) and is_application(value)]
    return f"; it has {', '.join(names)}" if names else ""


def is_application(value: Any) -> bool:
    """Whether it is an object that a server can call; a mere function is none."""
    return not inspect.isroutine(value) and interface(value) is not None


def look(target: str, factory: bool) -> dict[str, Any]:
    """Everything that is told of the application."""
    try:
        application = load(target, factory)
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}{hint(target, error)}", "traceback": own_traceback(error)}
    return {
        "interface": interface(application),
        "framework": framework(application),
        "routes": routes(application),
        "kind": f"{type(application).__module__}.{type(application).__qualname__}",
    }


if __name__ == "__main__":
    with open(sys.argv[3] + ".new", "w", encoding="utf-8") as file:
        json.dump(look(sys.argv[1], sys.argv[2] == "factory"), file)
    os.rename(sys.argv[3] + ".new", sys.argv[3])
    os._exit(0)  # an application may have started threads that never end
