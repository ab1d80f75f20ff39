"""An application in Django, both ways, in one file."""

from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="for tests")
django.setup()


def items(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"items": [1, 2, 3]})


urlpatterns: list[Any] = [
    path("items", items),
    path("shop/", include([path("items/", items), path("items/<int:item>/", items)])),
    path("admin/", include([path("login/", items)])),
]
asgi = get_asgi_application()
wsgi = get_wsgi_application()
