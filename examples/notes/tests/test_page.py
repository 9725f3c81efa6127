"""The page, as people use it: in Chromium, with keyboard, mouse and finger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import Page, Serve, Served, Visit

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)

PASSWORD = "correct horse"
LIVE = "document.querySelector('#live .said').textContent === 'Live'"
TITLES = "[...document.querySelectorAll('#notes .title')].map(each => each.textContent)"


@pytest.fixture
def served(serve: Serve) -> Served:
    """The notes, by two processes."""
    return serve("gunicorn", "-w", "2")


def sign_up(page: Page, name: str = "Ada") -> None:
    """Sign up, with the keyboard alone."""
    page.waits_for("document.activeElement.name === 'email'")
    page.evaluate("document.querySelector('#sign-up').click()")
    for text in (name, f"{name.lower()}@example.com", PASSWORD):
        page.types(text)
        page.presses("Tab")
    page.presses("Enter")
    page.waits_for(f"document.querySelector('#name').textContent === {name!r} && {LIVE}")


def write(page: Page, title: str, tags: str = "") -> None:
    """Write a note."""
    page.waits_for("document.activeElement.name === 'title'")
    page.types(title)
    page.presses("Tab")
    page.types(tags)
    page.presses("Enter")
    page.waits_for(f"{TITLES}[0] === {title!r}")


def shows(page: Page, *titles: str) -> None:
    """Wait until these notes are shown, and no others."""
    page.waits_for(f"JSON.stringify({TITLES}) === JSON.stringify({list(titles)!r})")


@contextmanager
def elsewhere(served: Served, name: str = "ada") -> Iterator[httpx.Client]:
    """A client of the same person at another place."""
    login = {"email": f"{name}@example.com", "password": PASSWORD}
    with httpx.Client(base_url=served.url, trust_env=False, timeout=30) as client:
        client.post("/login/", json=login).raise_for_status()
        yield client


def test_somebody_signs_up_writes_tags_and_finds_with_the_keyboard_alone(
    served: Served, visit: Visit
) -> None:
    page = visit(served.url)
    sign_up(page)
    page.waits_for("document.querySelector('#empty').textContent.startsWith('Nothing here yet')")
    write(page, "Plan Lisbon", "Travel, #spring")
    write(page, "Buy milk", "home")
    write(page, "Travel light")
    page.presses("Escape")
    page.presses("/")
    page.types("trav")
    shows(page, "Travel light")
    page.presses("Escape")
    shows(page, "Travel light", "Buy milk", "Plan Lisbon")
    page.evaluate(
        "[...document.querySelectorAll('#tags button')].find(b => b.textContent === 'travel').click()"
    )
    shows(page, "Plan Lisbon")
    page.evaluate("document.querySelector('#tags [aria-pressed=true]').click()")
    shows(page, "Travel light", "Buy milk", "Plan Lisbon")

    page.evaluate("document.activeElement.blur()")
    page.presses("ArrowDown")
    page.presses("ArrowDown")
    page.waits_for("document.activeElement.innerText.includes('Buy milk')")
    page.presses("x")
    page.waits_for("document.querySelector('.is-done .title')?.textContent === 'Buy milk'")
    page.presses("Enter")
    page.types("two litres")
    page.presses("Escape")
    page.waits_for("document.activeElement.matches('summary')")
    with elsewhere(served) as client:
        note = client.get("/notes/", params={"q": "milk"}).json()["notes"][0]
    assert (note["done"], note["text"]) == (True, "two litres")
    page.evaluate("document.querySelector('[name=done][value=false]').click()")
    shows(page, "Travel light", "Plan Lisbon")

    page.open(f"{served.url}/?again")
    shows(page, "Travel light", "Buy milk", "Plan Lisbon")
    page.evaluate("document.querySelector('#log-out').click()")
    page.waits_for("document.activeElement.name === 'email'")
    assert "Lisbon" not in page.text()


def test_a_change_made_elsewhere_appears(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    sign_up(page)
    with elsewhere(served) as client:
        note = client.post("/notes/", json={"title": "from afar", "tags": ["far"]}).json()
        shows(page, "from afar")
        page.waits_for("document.querySelector('#tags button').textContent === 'far'")
        page.evaluate("document.querySelector('#notes summary').click()")
        page.types("mine")
        client.patch(f"/notes/{note['id']}/", json={"title": "from near", "text": "theirs", "done": True})
        shows(page, "from near")
        assert page.evaluate("document.querySelector('.edit-title').value") == "from near"
        assert (
            page.evaluate("document.activeElement.value") == "mine"
        )  # nobody takes it from under their hands
        client.delete(f"/notes/{note['id']}/")
        shows(page)


def test_a_file_is_attached_had_back_and_removed(served: Served, visit: Visit, tmp_path: Path) -> None:
    page = visit(served.url)
    sign_up(page)
    write(page, "with a file")
    page.evaluate("document.querySelector('#notes summary').click()")
    file = tmp_path / "Bücher <b>.txt"
    file.write_text("Ada's list")
    found = page.do("Runtime.evaluate", expression="document.querySelector('#notes [type=file]')")
    page.do("DOM.enable")
    page.do("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])
    link = "document.querySelector('.attachments a')"
    page.waits_for(f"{link}?.textContent === {file.name!r}")
    assert page.evaluate(f"fetch({link}.href).then(answer => answer.text())") == "Ada's list"
    page.evaluate("document.querySelector('.attachments button').click()")
    page.waits_for(f"{link} === null")


def test_what_is_wrong_is_said(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    sign_up(page)
    page.types("odd tags")
    page.presses("Tab")
    page.types("ünder_score")
    page.presses("Enter")
    page.waits_for("document.querySelector('#message').textContent.startsWith('tags 0:')")
    page.evaluate("document.querySelector('#log-out').click()")
    page.waits_for("document.activeElement.name === 'email'")
    page.types("ada@example.com")
    page.presses("Tab")
    page.types("wrong horse")
    page.presses("Enter")
    page.waits_for(
        "document.querySelector('.problem').textContent === 'The address or the password is wrong.'"
    )


EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_what_people_write_is_never_markup(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    sign_up(page, "Eve")
    with elsewhere(served, "eve") as client:
        note = client.post("/notes/", json={"title": EVIL, "text": EVIL}).json()
        files = {
            "file": (EVIL.replace("/", ""), b"<script>parent.document.title='owned'</script>", "text/html")
        }
        attachment = client.post(f"/notes/{note['id']}/attachments/", files=files).json()
    page.waits_for("document.querySelector('.attachments a')?.textContent.startsWith('<img')")
    shows(page, EVIL)
    assert page.evaluate("document.title") == "Notes"
    assert page.evaluate("document.querySelectorAll('#notes img, #notes script').length") == 0
    # Neither does a browser show what was attached: it would be saved.
    path = f"/attachments/{attachment['id']}/"
    answer: dict[str, Any] = page.evaluate(
        f"fetch({path!r}).then(answer => Object.fromEntries(answer.headers))"
    )
    assert answer["content-disposition"].startswith("attachment")
    assert answer["x-content-type-options"] == "nosniff"


def test_what_was_missed_while_the_server_was_away_appears(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    sign_up(page)
    served.stop()
    page.waits_for("document.querySelector('#live').classList.contains('lost')")
    served.start()
    with elsewhere(served) as client:
        client.post("/notes/", json={"title": "missed"})
    shows(page, "missed")
    page.waits_for(LIVE)


def test_a_finger_is_enough_on_a_phone(served: Served, visit: Visit) -> None:
    page = visit("about:blank")
    page.becomes_a_phone()
    page.open(served.url)
    sign_up(page)
    write(
        page,
        "A rather long title that has no chance to stand in one line of a phone",
        "one two-and-more three",
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.taps("#notes summary")
    page.waits_for("document.activeElement.matches('.edit-text')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.types("a text that is longer than a phone is wide " * 3)
    page.evaluate("document.activeElement.blur()")
    page.waits_for("document.querySelector('.saved').textContent === 'Saved'")
    page.taps("#notes summary")
    page.waits_for("document.querySelector('.begin').textContent.startsWith('a text')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate("""[...document.querySelectorAll('button:not(.link), summary, .button')]
        .filter(each => each.checkVisibility() && each.getBoundingClientRect().height < 30)
        .map(each => each.outerHTML)""")
    assert small == []
