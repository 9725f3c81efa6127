"""The chat as people see it: two of them, in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

if TYPE_CHECKING:
    from conftest import Browse, Page
    from examples.chat.tests.conftest import Chat, Serve

OPEN = "document.querySelector('#status').dataset.state === 'open'"


def join(page: Page, name: str) -> None:
    """Give a name, and wait until the room is open. The field has the focus from the start."""
    page.types(name)
    page.presses("Enter")
    page.waits_for(OPEN)


def say(page: Page, text: str) -> None:
    """Say something, with the keyboard alone."""
    page.types(text)
    page.presses("Enter")


def shows(page: Page, text: str, times: int = 1) -> None:
    """Wait until the log shows a message."""
    page.waits_for(
        f"[...document.querySelectorAll('#log p')].filter(p => p.textContent === {text!r}).length === {times}"
    )


def messages(page: Page) -> list[str]:
    """What the log shows."""
    shown: list[str] = page.evaluate("[...document.querySelectorAll('#log p')].map(p => p.textContent)")
    return shown


def test_two_people_talk_with_the_keyboard_alone(chat: Chat, browse: Browse) -> None:
    ada, bob = browse().page(chat.url), browse().page(chat.url)
    join(ada, "Ada")
    join(bob, "Bob")
    ada.waits_for("document.querySelector('#here').textContent === 'Ada, Bob'")
    say(ada, "Hello, Bob!")
    shows(bob, "Hello, Bob!")
    say(bob, "Hello, Ada!")
    shows(ada, "Hello, Ada!")
    shows(bob, "Hello, Ada!")
    assert messages(ada) == messages(bob) == ["Hello, Bob!", "Hello, Ada!"]
    assert ada.evaluate("document.querySelectorAll('#log .mine').length") == 1
    assert ada.evaluate("document.activeElement.name") == "text"
    assert ada.evaluate("document.querySelector('textarea').value") == ""


def test_shift_and_enter_is_a_new_line(chat: Chat, browse: Browse) -> None:
    page = browse().page(chat.url)
    join(page, "Ada")
    page.types("one")
    page.presses("Enter", shift=True)
    say(page, "two")
    page.waits_for("document.querySelectorAll('#log p').length === 1")
    assert messages(page) == ["one\ntwo"]


def test_what_others_say_is_never_markup(chat: Chat, browse: Browse) -> None:
    page = browse().page(chat.url)
    join(page, "<b>Eve</b>")
    evil = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    say(page, evil)
    page.waits_for("document.querySelectorAll('#log p').length === 1")
    assert messages(page) == [evil]
    assert page.evaluate("document.querySelectorAll('#log img, #log b, #log script').length") == 0
    assert page.evaluate("document.title") == "Chat"


def test_the_page_comes_back_by_itself_and_misses_nothing(chat: Chat, browse: Browse) -> None:
    page = browse().page(chat.url)
    join(page, "Ada")
    say(page, "before")
    shows(page, "before")
    chat.stop()
    page.waits_for("document.querySelector('#status').dataset.state !== 'open'")
    say(page, "meanwhile")
    page.waits_for("document.querySelectorAll('#log .waiting').length === 1")
    chat.start()
    page.waits_for(OPEN)
    page.waits_for("document.querySelectorAll('#log .waiting').length === 0")
    shows(page, "meanwhile")
    assert messages(page) == ["before", "meanwhile"]
    other = browse().page(chat.url)
    join(other, "Bob")
    shows(other, "meanwhile")


def test_a_reload_keeps_the_name(chat: Chat, browse: Browse) -> None:
    page = browse().page(chat.url)
    join(page, "Ada")
    say(page, "hello")
    shows(page, "hello")
    page.do("Page.reload")
    page.waits_for(f"document.readyState === 'complete' && {OPEN}")
    shows(page, "hello")


def test_it_works_on_a_phone(chat: Chat, browse: Browse) -> None:
    page = browse().page(chat.url)
    page.becomes_a_phone()
    page.open(f"{chat.url}?phone")
    page.taps("#join input")
    page.types("Ada")
    page.taps("#join button")
    page.waits_for(OPEN)
    page.taps("#say textarea")
    page.types("a" * 300)
    page.taps("#say button")
    page.waits_for("document.querySelectorAll('#log p').length === 1")
    # Nothing stands out at the side, fields don't make the page zoom, and a finger hits the button.
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('textarea')).fontSize)") >= 16
    assert page.evaluate("document.querySelector('#say button').getBoundingClientRect().height") >= 44
    bottom = page.evaluate("document.querySelector('#say').getBoundingClientRect().bottom")
    assert bottom <= page.evaluate("innerHeight")


def test_a_screen_reader_finds_its_way(chat: Chat, browse: Browse) -> None:
    page = browse().page(chat.url)
    join(page, "Ada")
    say(page, "hello")
    shows(page, "hello")
    nodes = page.do("Accessibility.getFullAXTree")["nodes"]
    found = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and "role" in node
    }
    assert {("textbox", "Message"), ("button", "Send"), ("log", "messages"), ("heading", "Chat")} <= found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(chat: Chat, browse: Browse, scheme: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5 to 1."""
    page = browse().page(chat.url)
    page.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    join(page, "Ada")
    say(page, "hello")
    shows(page, "hello")
    contrast = """((selector) => {
        const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255)
                .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        let element = document.querySelector(selector), ink = light(getComputedStyle(element).color);
        const behind = () => getComputedStyle(element).backgroundColor;
        while (behind() === "rgba(0, 0, 0, 0)") element = element.parentElement;
        const paper = light(behind());
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    })"""
    for selector in ("#log p", "#log .who", "#log time", "#status", "#here", "#say button", "textarea"):
        assert page.evaluate(f"{contrast}({selector!r})") >= 4.5, selector


@pytest.mark.parametrize("http2", [True, False], ids=["HTTP/2", "HTTP/1.1"])
def test_it_works_over_tls(serve: Serve, browse: Browse, tmp_path: Path, http2: bool) -> None:
    """Over HTTP/2 the WebSocket is a stream of the connection that brought the page (RFC 8441)."""
    certificate = tmp_path / "localhost.pem"
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    options = ["--certfile", str(certificate), "--keyfile", str(certificate)]
    chat = serve(*options, *([] if http2 else ["--no-http2"]), scheme="https")
    browser = browse("--ignore-certificate-errors")
    ada, bob = browser.page(chat.url), browser.page(chat.url)
    for page, name in ((ada, "Ada"), (bob, "Bob")):
        page.evaluate("document.querySelector('#join input').focus()")
        join(page, name)
        protocol = page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")
        assert protocol == ("h2" if http2 else "http/1.1")
        assert [socket["status"] for socket in page.sockets] == [200 if http2 else 101]
    say(ada, "Hello, Bob!")
    shows(bob, "Hello, Bob!")
    say(bob, "x" * 2000)
    shows(ada, "x" * 2000)
    chat.stop()
    ada.waits_for("document.querySelector('#status').dataset.state !== 'open'")
    chat.start()
    for page in (ada, bob):
        page.waits_for(OPEN)
    say(ada, "Here again")
    shows(bob, "Here again")
