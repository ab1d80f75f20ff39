"""An application in Starlette."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def items(_: Request) -> JSONResponse:
    return JSONResponse({"items": [1, 2, 3]})


app = Starlette(routes=[Route("/items", items)])
