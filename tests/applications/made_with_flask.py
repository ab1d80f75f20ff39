"""An application in Flask, made by a factory."""

from flask import Flask


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/items")
    def items() -> dict[str, list[int]]:
        return {"items": [1, 2, 3]}

    return app
