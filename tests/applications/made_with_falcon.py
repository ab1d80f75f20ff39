"""An application in Falcon, under WSGI."""

import falcon


class Items:
    """All of them, and one."""

    def on_get(self, _: falcon.Request, response: falcon.Response, item: str | None = None) -> None:
        response.media = {"items": [1, 2, 3] if item is None else [int(item)]}


app = falcon.App()
app.add_route("/items", Items())
app.add_route("/items/{item}", Items())
