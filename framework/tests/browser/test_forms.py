"""Pages with forms, as people see them: in Chromium."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asgistar import (
    HTML,
    Form,
    Invalid,
    Meta,
    Redirect,
    Route,
    Status,
    Struct,
    WebSocket,
    WebSocketRoute,
)
from asgistar.middleware import same_origin
from asgistar.templates import Templates
from asgistar.types import ASGIApplication, Receive, Scope, Send

if TYPE_CHECKING:
    from conftest import Page, Visit
    from framework.tests.conftest import Served

TEMPLATE = """<!doctype html><title>Sign up</title>
<form method="post">
  <input name="name" value="{{ form.values.name }}" {% if form.errors.name %}aria-invalid="true"{% endif %}>
  {% for error in form.errors.name %}<p>name: {{ error.message }}</p>{% endfor %}
  <input name="password" type="password" value="{{ form.values.password }}">
  {% for error in form.errors.password %}<p>password: {{ error.message }}</p>{% endfor %}
  <input name="born" type="date" value="{{ form.values.born }}">
  <input name="news" type="checkbox" {% if form.values.news %}checked{% endif %}>
  <select name="colours" multiple>
    {% for colour in ("red", "green", "blue") %}
    <option {% if colour in form.values.colours %}selected{% endif %}>{{ colour }}</option>
    {% endfor %}
  </select>
  <button>Go</button>
</form>
"""


class SignUp(Struct):
    name: Annotated[str, Meta(min_length=3)]
    password: Annotated[str, Meta(min_length=8)]
    born: str = ""
    news: bool = False
    colours: list[str] = []  # noqa: RUF012


made: list[SignUp] = []
shouted: list[str] = []


async def ask(templates: Templates) -> HTML:
    return templates("form.html", form=Invalid.of(SignUp, colours=["green"]))


async def sign_up(
    form: Form[SignUp | Invalid], templates: Templates
) -> Annotated[HTML, Status(422)] | Redirect:
    if isinstance(form, Invalid):
        return templates("form.html", 422, form=form)
    made.append(form)
    return Redirect("/done")


async def done() -> HTML:
    return HTML("<!doctype html><p>Done.")


async def shout() -> None:
    shouted.append("a")


async def talk(socket: WebSocket[str, str]) -> None:
    await socket.send("hello")


ROUTES = [
    Route("/", {"GET": ask, "POST": sign_up}),
    Route("/done", "GET", done),
    Route("/shout", "POST", shout),
    WebSocketRoute("/talk", talk),
]
FRAME = "document.querySelector('iframe')"
VALUES = (
    f"[...{FRAME}.contentDocument.querySelectorAll('input')]"
    ".map(e => e.type === 'checkbox' ? e.checked : e.value)"
)
CHOSEN = f"[...{FRAME}.contentDocument.querySelectorAll('option:checked')].map(e => e.value)"


def _fill(page: Page, script: str) -> str:
    """Fill the form in, and send it: what is shown then."""
    shown: str = page.evaluate(f"""new Promise((resolve) => {{
        const frame = {FRAME}, form = frame.contentDocument.forms[0];
        frame.onload = () => resolve(frame.contentDocument.body.innerText);
        {script};
        form.requestSubmit();
    }})""")
    return shown


async def framed() -> HTML:
    return HTML("<!doctype html><iframe src='/'></iframe>")


async def test_a_form_is_shown_again_until_it_is_right(visit: Visit, served: Served, tmp_path: Path) -> None:
    (tmp_path / "form.html").write_text(TEMPLATE)

    def drive(url: str) -> None:
        page = visit(url)
        assert page.evaluate(VALUES) == ["", "", "", False]
        assert page.evaluate(CHOSEN) == ["green"]
        shown = _fill(
            page,
            """form.name.value = '"<A'; form.password.value = 'short'; form.born.value = '2026-11-22';
            form.news.checked = true; form.colours.options[0].selected = true""",
        )
        assert "name:" not in shown  # it has three characters
        assert "password: Must have at least 8 characters." in shown
        assert page.evaluate(VALUES) == ['"<A', "", "2026-11-22", True]
        assert page.evaluate(CHOSEN) == ["red", "green"]
        shown = _fill(page, "form.name.value = 'A'; form.news.checked = false")
        assert "name: Must have at least 3 characters." in shown
        assert page.evaluate(f"{FRAME}.contentDocument.querySelector('[aria-invalid]').name") == "name"
        assert page.evaluate(VALUES) == ["A", "", "2026-11-22", False]
        shown = _fill(page, "form.name.value = 'Ada'; form.password.value = '12345678'")
        assert shown == "Done."
        assert page.evaluate(f"{FRAME}.contentWindow.location.pathname") == "/done"

    made.clear()
    routes = [*ROUTES, Route("/framed", "GET", framed)]
    async with served(*routes, components=[Templates(tmp_path)], middleware=[same_origin()]) as wire:
        await asyncio.to_thread(drive, f"{wire.server.url.rstrip('/')}/framed")
    assert made == [SignUp("Ada", "12345678", "2026-11-22", False, ["red", "green"])]


async def elsewhere() -> HTML:
    return HTML("<!doctype html><form method=post target=inside></form><iframe name=inside></iframe>")


def noting(app: ASGIApplication) -> ASGIApplication:
    """A middleware that notes what comes."""

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            came.append(scope["path"])
        await app(scope, receive, send)

    return noted


came: list[str] = []


async def test_a_page_of_another_origin_can_not_send_a_form_or_open_a_websocket(
    visit: Visit, served: Served
) -> None:
    def drive(ours: str, theirs: str) -> None:
        ask = f"""fetch('{ours}/shout', {{method: 'POST', mode: 'no-cors', body: 'a'}})
            .then(() => 'sent')"""
        talk = f"""new Promise((resolve) => {{
            const socket = new WebSocket('{ours.replace("http", "ws")}/talk');
            socket.onmessage = (event) => resolve(event.data);
            socket.onerror = () => resolve('refused');
        }})"""
        # Another port is another origin of the same site; another name is another site.
        for address in (theirs, theirs.replace("127.0.0.1", "localhost")):
            page = visit(address)
            assert page.evaluate(ask) == "sent"
            assert page.evaluate(talk) == "refused"
            page.evaluate(f"""new Promise((resolve) => {{
                document.querySelector('iframe').onload = resolve;
                document.forms[0].action = '{ours}/shout';
                document.forms[0].submit();
            }})""")
        assert came == ["/shout", "/talk", "/shout"] * 2
        assert shouted == []
        page = visit(f"{ours}/done")
        assert page.evaluate(ask) == "sent"
        assert page.evaluate(talk) == "hello"

    shouted.clear()
    came.clear()
    routes = [route for route in ROUTES if route.path != "/"]
    async with (
        served(*routes, middleware=[noting, same_origin()]) as wire,
        served(Route("/", "GET", elsewhere)) as other,
    ):
        await asyncio.to_thread(drive, wire.server.url.rstrip("/"), other.server.url.rstrip("/"))
    assert shouted == ["a"]
