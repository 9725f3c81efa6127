"""A Django project in one module: the admin with its database, some views, async and not, and Channels.

DATABASE in the environment is the path of its SQLite database, which is made if it isn't there.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from django.conf import settings

settings.configure(
    SECRET_KEY="no secret",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick
    STATIC_URL="/static/",
    USE_TZ=True,
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stderr": {"class": "logging.StreamHandler"}},
        "loggers": {"django": {"handlers": ["stderr"], "level": "ERROR"}},
    },
)

# Django wants to be configured before it is imported.
from django.core.asgi import get_asgi_application  # noqa: E402

django_application = get_asgi_application()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.core.files.uploadedfile import UploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import (  # noqa: E402
    FileResponse,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

if not os.path.exists(os.environ["DATABASE"]):
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("ada", password="lovelace")

proceed = asyncio.Event()
departed = asyncio.Event()


async def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello from Django!\n", content_type="text/plain")


def greet(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(f"Hello, {name}!\n" * int(request.GET.get("times", 1)))


@csrf_exempt
async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.headers["content-type"])


@csrf_exempt
async def upload(request: HttpRequest) -> HttpResponse:
    size, digest = 0, hashlib.sha256()
    while part := request.read(65536):
        size += len(part)
        digest.update(part)
    return JsonResponse({"size": size, "sha256": digest.hexdigest()})


@csrf_exempt
def file(request: HttpRequest) -> HttpResponse:
    upload = request.FILES["file"]
    assert isinstance(upload, UploadedFile)
    digest = hashlib.sha256()
    for part in upload.chunks():
        digest.update(part)
    return JsonResponse({"name": upload.name, "size": upload.size, "sha256": digest.hexdigest()})


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        proceed.clear()
        yield "one\n"
        await proceed.wait()
        yield "two\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def numbers(request: HttpRequest) -> StreamingHttpResponse:
    lines: Iterator[str] = (f"{number}\n" for number in range(1000))
    return StreamingHttpResponse(lines, content_type="text/plain")


@csrf_exempt
async def go_on(request: HttpRequest) -> HttpResponse:
    proceed.set()
    return HttpResponse(status=204)


async def events(request: HttpRequest) -> StreamingHttpResponse:
    async def ticks() -> AsyncIterator[str]:
        try:
            yield "data: hello\n\n"
            await asyncio.Event().wait()  # cancelled when the client leaves
        finally:
            departed.set()

    return StreamingHttpResponse(ticks(), content_type="text/event-stream")


async def think(request: HttpRequest) -> HttpResponse:
    try:
        proceed.set()
        await asyncio.Event().wait()  # cancelled when the client leaves
    finally:
        departed.set()
    return HttpResponse("It was 42\n")


async def thought(request: HttpRequest) -> HttpResponse:
    await proceed.wait()
    return HttpResponse("thinking\n")


async def departure(request: HttpRequest) -> HttpResponse:
    await departed.wait()
    departed.clear()
    return HttpResponse("noticed\n")


async def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def source(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"), content_type="text/x-python")


def guestbook(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        request.session["name"] = request.POST["name"]
    name = request.session.get("name", "nobody")
    return HttpResponse(
        f"Signed by {name}\n<form><input name=csrfmiddlewaretoken value={get_token(request)}></form>"
    )


urlpatterns = [
    path("", hello),
    path("greet/<str:name>", greet),
    path("echo", echo),
    path("upload", upload),
    path("file", file),
    path("stream", stream),
    path("numbers", numbers),
    path("continue", go_on),
    path("events", events),
    path("think", think),
    path("thought", thought),
    path("departure", departure),
    path("broken", broken),
    path("source", source),
    path("guestbook", guestbook),
    path("admin/", admin.site.urls),
]


class Socket(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)
        await self.send(f"Hello, {self.scope['url_route']['kwargs']['name']}!")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "break":
            raise RuntimeError("broken on purpose")
        if text_data == "close":
            await self.close(4000, "as you wish")
        else:
            await self.send(text_data, bytes_data)

    async def disconnect(self, code: int) -> None:
        departed.set()


app = ProtocolTypeRouter(
    {
        "http": ASGIStaticFilesHandler(django_application),
        "websocket": URLRouter([path("socket/<str:name>", Socket.as_asgi())]),
    }
)
