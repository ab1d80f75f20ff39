"""An application in Starlette."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route


async def items(_: Request) -> JSONResponse:
    return JSONResponse({"items": [1, 2, 3]})


inner = Starlette(routes=[Route("/items", items), Route("/items/{item}", items)])
app = Starlette(routes=[Route("/items", items), Mount("/inner", app=inner), Route("/orders", items, methods=["POST"])])
