"""The docs page as people use it, in Chromium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Page, Visit

READY = "document.documentElement?.dataset.ready === '' && document.querySelector('h1')"
DOCUMENT = json.loads((Path(__file__).parent / "openapi.json").read_text())
OPERATIONS = [
    operation["operationId"]
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
    if isinstance(operation, dict)
]


def go(page: Page, operation: str) -> None:
    """Show an operation."""
    page.evaluate(f"location.hash = {json.dumps(operation)}")
    current = "document.querySelector('[aria-current=page]')"
    page.waits_for(f"{READY} && decodeURIComponent({current}?.hash ?? '') === {json.dumps('#' + operation)}")


def opened(visit: Visit, url: str, operation: str) -> Page:
    """The page, with an operation."""
    page = visit(url)
    page.waits_for(READY)
    go(page, operation)
    return page


def labelled(label: str, nth: int = 0) -> str:
    """JavaScript: the control that a label is for."""
    return (
        "[...document.querySelectorAll('label')]"
        f".filter((each) => each.querySelector('.name')?.textContent === {json.dumps(label)})[{nth}].control"
    )


def fill(page: Page, label: str, text: str, nth: int = 0) -> None:
    """Write into a field, instead of what stands in it."""
    page.evaluate(f"{labelled(label, nth)}.focus(); {labelled(label, nth)}.select()")
    if text:
        page.types(text)
    else:
        page.evaluate("document.execCommand('delete')")


def press(page: Page, name: str) -> None:
    """Press the button of this name."""
    page.evaluate(f"""(() => {{
        const named = (b) => (b.getAttribute("aria-label") ?? b.textContent).trim() === {json.dumps(name)};
        [...document.querySelectorAll("button")].filter((b) => b.checkVisibility()).find(named).click();
    }})()""")


def answer(page: Page) -> str:
    """What the answer shows, once it is there."""
    page.waits_for("!document.querySelector('.answer').hidden && document.querySelector('.answer .pill')")
    shown: str = page.evaluate("document.querySelector('.answer').innerText")
    return shown.removeprefix("Answer").strip()


def body_of_the_answer(page: Page) -> Any:
    """The JSON that came back."""
    answer(page)
    page.waits_for("document.querySelector('.answer .code')")
    return json.loads(page.evaluate("document.querySelector('.answer .code').textContent"))


def sign_in(page: Page, **secrets: str) -> None:
    """Give credentials in the dialog: by label, or scheme_label."""
    press(page, "Credentials")
    for name, secret in secrets.items():
        scheme, _, label = name.partition("_")
        page.evaluate(f"""(() => {{
            const of = (one) => one.querySelector(".name").textContent === {json.dumps(scheme)};
            const scheme = [...document.querySelectorAll(".scheme")].find(of);
            const label = (one) => one.textContent === {json.dumps(label.capitalize())};
            [...scheme.querySelectorAll("label")].find(label).control.focus();
        }})()""")
        page.types(secret)
    press(page, "Save")


# --- finding, filling in, sending, reading ----------------------------------------------------------------


def test_a_person_finds_an_operation_fills_in_the_form_sends_it_and_reads_the_answer(
    visit: Visit, url: str
) -> None:
    page = visit(url)
    page.waits_for(READY)
    page.evaluate("document.querySelector('#search').focus()")
    page.types("write new")
    page.waits_for("document.querySelector('.none').checkVisibility()")
    page.evaluate("document.querySelector('#search').select()")
    page.types("create")
    page.presses("Enter")
    page.waits_for("document.querySelector('h1').textContent === 'Create a note'")
    sign_in(page, bearer_token="secret")
    fill(page, "title", "Tea")
    press(page, "Send")
    assert answer(page).startswith("201 Created")
    assert {"title": "Tea", "tags": ["shopping"]}.items() <= body_of_the_answer(page).items()
    press(page, "Headers 5")
    assert "/notes/1/" in answer(page)


def test_the_form_is_made_from_the_schema(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    sign_in(page, bearer_token="secret")
    fill(page, "priority", "5")
    press(page, "Add to tags")
    page.types("x")
    press(page, "null")
    press(page, "Add place")
    fill(page, "latitude", "1.5")
    press(page, "Add about")
    page.evaluate("""(() => {
        const select = document.querySelector('[aria-label="Kind of about"]');
        select.value = "1";
        select.dispatchEvent(new Event("change"));
    })()""")
    fill(page, "staff", "7")
    press(page, "Add extra")
    press(page, "Add a member")
    page.types("colour")
    fill(page, "value", "red")
    press(page, "Send")
    sent = body_of_the_answer(page)
    assert {name: sent[name] for name in ("priority", "tags", "due", "place", "about", "extra")} == {
        "priority": 5,
        "tags": ["shopping", "textx"],
        "due": None,
        "place": {"latitude": 1.5, "longitude": 13.4},
        "about": {"kind": "company", "name": "text", "staff": 7},
        "extra": {"colour": "red"},
    }
    assert "text" not in sent


def test_form_and_json_are_two_views_of_the_same(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    press(page, "JSON")
    text = "document.querySelector('.body-editor textarea')"
    assert json.loads(page.evaluate(f"{text}.value")) == {"title": "Milk & bread", "tags": ["shopping"]}
    page.evaluate(f"{text}.focus(); {text}.select()")
    page.types('{"title": "x", "place": {"latitude": 1, "longitude": 2}, ')
    press(page, "Form")
    assert "This isn't JSON yet" in page.text()
    page.types('"about": {"kind": "company", "name": "y"}}')
    press(page, "Form")
    assert page.evaluate(f"{labelled('latitude')}.value") == "1"
    assert page.evaluate("document.querySelector('[aria-label=\"Kind of about\"]').value") == "1"


def test_what_is_not_json_is_sent_as_it_is(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    sign_in(page, bearer_token="secret")
    press(page, "JSON")
    page.evaluate("document.querySelector('.body-editor textarea').focus()")
    page.types("}")
    press(page, "Send")
    assert answer(page).startswith("422")
    assert "Must be JSON." in page.evaluate("document.querySelector('.body-editor').innerText")


def test_what_the_server_finds_wrong_stands_at_the_field(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    sign_in(page, bearer_token="secret")
    fill(page, "title", "")
    press(page, "Add to tags")
    fill(page, "tags 2", "")
    press(page, "Add place")
    fill(page, "latitude", "100")
    press(page, "Send")
    page.waits_for(
        "document.querySelector('.answer .pill.bad') && document.querySelector('[aria-invalid=true]')"
    )
    for label, message in {
        "title": "Must not be empty.",
        "tags 2": "A tag must not be empty.",
        "latitude": "Must be ≤ 90.",
    }.items():
        control = labelled(label)
        assert page.evaluate(f"{control}.getAttribute('aria-invalid')") == "true"
        described = f"document.getElementById({control}.getAttribute('aria-describedby')).innerText"
        assert page.evaluate(described) == message
    assert page.evaluate(f"document.activeElement === {labelled('title')}")
    fill(page, "title", "x")
    assert page.evaluate(f"{labelled('title')}.getAttribute('aria-invalid')") is None


def test_parameters_go_where_they_belong(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:list")
    fill(page, "q", "a&b=c ü")
    fill(page, "X-Request-Id", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
    fill(page, "tenant", "acme")
    press(page, "Add tag")
    press(page, "Add to tag")
    page.evaluate("document.activeElement.select()")
    page.types("one")
    press(page, "Add to tag")
    page.evaluate("document.activeElement.select()")
    page.types("two")
    page.evaluate(f"{labelled('done')}.value = '1'; {labelled('order')}.value = '2'")
    press(page, "Send")
    seen = body_of_the_answer(page)
    assert seen["query"] == [
        ["q", "a&b=c ü"],
        ["tag", "one"],
        ["tag", "two"],
        ["order", "title"],
        ["done", "false"],
    ]
    assert seen["headers"]["x-request-id"] == "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    assert seen["headers"]["cookie"] == "tenant=acme"
    assert page.evaluate("document.cookie") == ""


def test_an_address_needs_its_parameters(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:detail")
    fill(page, "id", "")
    press(page, "Send")
    assert "The address needs this." in page.text()
    fill(page, "id", "7")
    press(page, "Send")
    assert answer(page).startswith("404 Not Found")
    assert "There is no such note." in answer(page)


def test_a_form_is_sent_as_a_form(visit: Visit, url: str) -> None:
    page = opened(visit, url, "login")
    fill(page, "password", "a&b ü")
    press(page, "Send")
    seen = body_of_the_answer(page)
    assert seen["body"] == "name=ada&password=a%26b+%C3%BC"
    assert seen["headers"]["content-type"] == "application/x-www-form-urlencoded"


def choose(page: Page, label: str, *files: Path) -> None:
    """Choose files."""
    found = page.do("Runtime.evaluate", expression=labelled(label))
    page.do(
        "DOM.setFileInputFiles", files=[str(file) for file in files], objectId=found["result"]["objectId"]
    )


def test_files_are_uploaded(visit: Visit, url: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("cover.png", "one.txt", "two.txt")]
    for file in files:
        file.write_text(f"<{file.name}>")
    page = opened(visit, url, "files:upload")
    fill(page, "title", "Book")
    choose(page, "cover", files[0])
    choose(page, "pages", *files[1:])
    press(page, "Send")
    seen = body_of_the_answer(page)
    assert seen["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    for part in ('name="title"\r\n\r\nBook', 'name="cover"; filename="cover.png"', "<one.txt>", "<two.txt>"):
        assert part in seen["body"]
    go(page, "files:replace")
    choose(page, "body", files[1])
    press(page, "Send")
    seen = body_of_the_answer(page)
    assert (seen["method"], seen["body"]) == ("PUT", "<one.txt>")
    assert seen["raw"] == "/files/reports/2026%20(final).bin"


def test_a_download_can_be_saved_under_its_name(visit: Visit, url: str) -> None:
    page = opened(visit, url, "files:download")
    press(page, "Send")
    assert "256 B of application/octet-stream" in answer(page)
    assert page.evaluate("document.querySelector('.save').download") == "grün.bin"


# --- credentials ------------------------------------------------------------------------------------------


def test_credentials_are_kept_in_the_tab_until_they_are_forgotten(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:remove")
    press(page, "Send")
    assert answer(page).startswith("401 Unauthorized")
    sign_in(page, basic_name="ada", basic_password="hi:thére")
    press(page, "Send")
    page.waits_for("document.querySelector('.answer').innerText.includes('204')")
    assert "No body." in answer(page)
    page.do("Page.reload")
    page.waits_for(f"{READY} && document.querySelector('.auth-line')?.innerText.includes('Sent with basic')")
    press(page, "Credentials · 1")
    press(page, "Forget all")
    page.waits_for("document.querySelector('.auth-line').innerText.includes('Needs a name and a password')")
    assert visit(url).evaluate("sessionStorage.length") == 0


def test_a_key_can_be_a_cookie_or_a_header(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:update")
    sign_in(page, key_key="k", session_key="s")
    press(page, "Send")
    assert body_of_the_answer(page)["headers"]["x-key"] == "k"
    go(page, "files:download")
    assert "-H 'cookie: session=s'" in page.evaluate("document.querySelector('.code-card pre').textContent")


# --- consoles ---------------------------------------------------------------------------------------------


def test_events_are_followed_until_they_end(visit: Visit, url: str) -> None:
    page = opened(visit, url, "live:events")
    press(page, "Send")
    page.waits_for("document.querySelector('.answer').innerText.includes('ended · 3')")
    entries = page.evaluate("[...document.querySelectorAll('.entry pre')].map((each) => each.textContent)")
    assert [json.loads(entry) for entry in entries] == [{"id": n, "what": "created"} for n in (1, 2, 3)]
    assert "change · id 3" in answer(page)
    assert page.evaluate("document.querySelector('.send').textContent") == "Send"


def test_a_stream_that_never_ends_can_be_stopped(visit: Visit, url: str) -> None:
    page = opened(visit, url, "live:events")
    fill(page, "count", "0")
    press(page, "Send")
    page.waits_for("document.querySelectorAll('.entry').length > 4")
    press(page, "Stop")
    page.waits_for("document.querySelector('.answer').innerText.includes('stopped')")
    assert page.evaluate("document.querySelector('.send').textContent") == "Send"


def test_lines_come_one_by_one(visit: Visit, url: str) -> None:
    page = opened(visit, url, "live:export")
    press(page, "Send")
    page.waits_for("document.querySelector('.answer').innerText.includes('ended · 2')")
    assert "line 2" in answer(page)


def test_a_websocket_is_talked_to(visit: Visit, url: str) -> None:
    page = opened(visit, url, "live:chat")
    press(page, "Connect")
    page.waits_for("document.querySelector('.console .pill').textContent === 'Open'")
    assert "chat.v1" in answer(page)
    fill(page, "text", "Hello, <b>you</b>!")
    press(page, "Send message")
    page.waits_for("document.querySelectorAll('.entry[data-kind=in]').length === 1")
    said = json.loads(page.evaluate("document.querySelector('.entry[data-kind=in] pre').textContent"))
    assert said == {"who": "server", "text": "Hello, <b>you</b>!"}
    fill(page, "text", "leave")
    page.presses("Enter", control=True)
    page.waits_for("document.querySelector('.console .pill').textContent === 'Closed'")
    assert "closed · 4000 · as you wish" in answer(page)
    assert page.evaluate("document.querySelector('.send').textContent") == "Connect"


def test_a_websocket_may_be_refused_and_is_closed_when_one_leaves(visit: Visit, url: str) -> None:
    page = opened(visit, url, "live:chat")
    fill(page, "room", "closed")
    press(page, "Connect")
    page.waits_for("document.querySelector('.console .pill')?.textContent === 'Refused'")
    fill(page, "room", "lobby")
    press(page, "Connect")
    page.waits_for("document.querySelector('.console .pill').textContent === 'Open'")
    press(page, "Disconnect")
    page.waits_for("document.querySelector('.console .pill').textContent === 'Closed'")
    assert "closed · 1000" in answer(page)


# --- reading ----------------------------------------------------------------------------------------------


def test_each_operation_has_an_address(visit: Visit, url: str) -> None:
    page = visit(f"{url}#notes:detail")
    page.waits_for(f"{READY} && document.title === 'Read a note · Notes <b>& more</b>'")
    page.evaluate("document.querySelector('.brand[href=\"#\"]').click()")
    page.waits_for("document.querySelector('h1').textContent === 'Notes <b>& more</b>'")
    page.evaluate("history.back()")
    page.waits_for("document.querySelector('h1').textContent === 'Read a note'")
    page.evaluate("location.hash = 'nothing'")
    page.waits_for("document.querySelector('h1').textContent === 'No such operation'")


def test_a_schema_that_holds_itself_opens_step_by_step(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:search")
    assert "Deprecated" in page.text()
    last = "[...document.querySelectorAll('.read .members details')].at(-1)"
    for deep in range(5):
        page.evaluate(f"{last}.open = true")
        page.waits_for(f"{last}.parentElement.closest('details') !== null || {deep} === 0")
    for deep in range(1, 4):
        press(page, "Add not")
        page.waits_for(f"document.querySelectorAll('.optional.there').length === {deep}")


def test_every_operation_can_be_shown_and_all_its_code_written(visit: Visit, url: str) -> None:
    page = visit(url)
    page.waits_for(READY)
    for operation in OPERATIONS:
        go(page, operation)
        for _ in range(2):
            page.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
            page.evaluate(
                "document.querySelectorAll('.optional:not(.there) > .add').forEach((b) => b.click())"
            )
        for tab in page.evaluate(
            "[...document.querySelectorAll('.code-card .tab')].map((tab) => tab.dataset.id)"
        ):
            page.evaluate(f"document.querySelector('.code-card [data-id={tab}]').click()")
            assert page.evaluate("document.querySelector('.code-card pre')?.textContent.length") > 20, (
                operation,
                tab,
            )
        assert page.evaluate("document.querySelectorAll('.code-card .field-error').length") == 0


def test_nothing_in_a_document_becomes_markup(visit: Visit, url: str) -> None:
    page = visit(url)
    page.waits_for(READY)
    elements = "main :is(script, iframe, object, u, i, svg[onload], img), .side :is(u, b)"
    for operation in ["", *OPERATIONS]:
        page.evaluate(f"location.hash = {json.dumps(operation)}")
        page.waits_for(f"{READY} && decodeURIComponent(location.hash.slice(1)) === {json.dumps(operation)}")
        page.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
        assert page.evaluate(f"document.querySelectorAll({json.dumps(elements)}).length") == 0
        assert page.evaluate("document.querySelectorAll('[onerror], [onload]').length") == 0
        addresses = page.evaluate("[...document.querySelectorAll('a')].map((each) => each.protocol)")
        assert set(addresses) <= {"http:", "https:", "mailto:", "blob:"}
        assert "owned" not in page.evaluate("document.title").replace("document.title='owned'", "")
    go(page, "evil")
    assert "<img src=x onerror=document.title='owned'>" in page.evaluate(
        "document.querySelector('h1').innerText"
    )


# --- theme, phone, keyboard, screen reader ----------------------------------------------------------------


def test_the_theme_is_the_systems_until_one_is_chosen(visit: Visit, url: str) -> None:
    page = visit(url)
    page.waits_for(READY)
    paper = "getComputedStyle(document.body).backgroundColor"
    page.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    light = page.evaluate(paper)
    page.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = page.evaluate(paper)
    assert light != dark
    press(page, "Theme: system")
    assert page.evaluate(paper) == light
    press(page, "Theme: light")
    page.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    assert page.evaluate(paper) == dark
    page.do("Page.reload")
    page.waits_for(f"{READY} && document.querySelector('.theme')?.title === 'Theme: dark'")
    assert page.evaluate(paper) == dark


def test_it_works_on_a_phone(visit: Visit, url: str) -> None:
    page = visit(url)
    page.becomes_a_phone()
    page.open(f"{url}?phone")
    page.waits_for(READY)
    page.taps("#menu")
    page.taps(".operation[href='#notes:detail']")
    page.waits_for("document.querySelector('h1').textContent === 'Read a note'")
    assert not page.evaluate("document.querySelector('.side').checkVisibility()")
    page.taps(".jump")
    page.evaluate("document.querySelector('.send').scrollIntoView({block: 'center'})")
    page.taps(".send")
    assert answer(page).startswith("200 OK")
    for operation in ["", *OPERATIONS]:
        page.evaluate(f"location.hash = {json.dumps(operation)}")
        page.waits_for(f"{READY} && decodeURIComponent(location.hash.slice(1)) === {json.dumps(operation)}")
        page.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
        page.evaluate("document.querySelectorAll('.optional:not(.there) > .add').forEach((b) => b.click())")
        assert page.evaluate("document.documentElement.scrollWidth") == 360, operation
    go(page, "notes:create")
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.form input')).fontSize)") >= 16
    for selector in ("#menu", ".send", ".code-card .tab", ".code-card .copy"):
        assert page.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().height") >= 44


def test_the_keyboard_is_enough(visit: Visit, url: str) -> None:
    page = visit(url)
    page.waits_for(READY)
    page.presses("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.types("note")
    page.presses("ArrowDown")
    page.presses("ArrowDown")
    page.presses("ArrowUp")
    page.presses("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "search"
    page.presses("Escape")
    assert page.evaluate("document.querySelector('#search').value") == ""
    page.types("read note")
    page.presses("ArrowDown")
    page.presses("Enter")
    page.waits_for(
        "document.activeElement.id === 'title' && document.activeElement.textContent === 'Read a note'"
    )
    for _ in range(60):
        if page.evaluate("document.activeElement.closest('.form') !== null"):
            break
        page.presses("Tab")
    page.presses("Enter", control=True)
    assert answer(page).startswith("200 OK")
    page.evaluate("document.querySelector('.code-card [aria-selected=true]').focus()")
    page.presses("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "Python"
    assert page.evaluate("document.querySelector('.code-card pre').textContent").startswith("import httpx")


def test_a_screen_reader_finds_its_way(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    nodes = page.do("Accessibility.getFullAXTree")["nodes"]
    found = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and "role" in node
    }
    assert {
        ("navigation", "Operations"),
        ("searchbox", "Search operations"),
        ("main", ""),
        ("heading", "Create a note Link to this operation"),
        ("form", "Try it"),
        ("textbox", "title string required"),
        ("tab", "curl"),
        ("button", "Send"),
        ("button", "Copy the code"),
    } <= found
    nameless = {role for role, name in found if not name} & {"button", "link", "textbox", "combobox", "tab"}
    assert nameless == set()


CONTRAST = """((element) => {
    const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ink = light(getComputedStyle(element).color);
    const behind = () => getComputedStyle(element).backgroundColor;
    while (behind() === "rgba(0, 0, 0, 0)") element = element.parentElement;
    const paper = light(behind());
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(visit: Visit, url: str, scheme: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5 to 1, of every text."""
    page = visit(url)
    page.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.waits_for(READY)
    for operation in ["", *OPERATIONS]:
        page.evaluate(f"location.hash = {json.dumps(operation)}")
        page.waits_for(f"{READY} && decodeURIComponent(location.hash.slice(1)) === {json.dumps(operation)}")
        page.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
        if operation == "notes:detail":
            press(page, "Send")
            answer(page)
        dim = page.evaluate(f"""[...document.querySelectorAll("body *")]
            .filter((each) => each.checkVisibility() && !each.disabled && !each.closest("svg"))
            .filter((each) => [...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
            .filter((each) => {CONTRAST}(each) < 4.5)
            .map((each) => each.outerHTML.slice(0, 100))""")
        assert dim == []


# --- what is easily forgotten -------------------------------------------------------------------------------

DEMANDING = {
    "openapi": "3.1.0",
    "info": {"title": "Demanding", "version": "1"},
    "paths": {
        "/things/{from}": {
            "parameters": [
                {
                    "name": "from", "in": "path", "required": True,
                    "schema": {"type": "string", "format": "uuid", "pattern": "^[^/]+$"},
                },
                {
                    "name": "x-n", "in": "header", "required": True,
                    "schema": {"type": "integer", "minimum": 3, "maximum": 2_000_000},
                },
            ],
            "get": {"operationId": "things:get", "responses": {"200": {"description": "A thing."}}},
            "put": {
                "operationId": "things:put",
                "requestBody": {"required": True, "content": {"application/octet-stream": {}}},
                "responses": {"204": {"description": "Kept."}},
            },
        },
        "/socket": {
            "x-websocket": {
                "operationId": "socket", "responses": {}, "security": [{"bearer": []}],
                "sends": {"content": {"application/json": {"schema": {
                    "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"],
                }}}},
            }
        },
    },
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
}  # fmt: skip


@pytest.fixture
def demanding(served: Any, documented: Any) -> Any:
    """The address of a page for a document in which everything needs something."""
    with served(documented(DEMANDING)) as url:
        yield f"{url}/docs/"


def code_of(page: Page) -> str:
    shown: str = page.evaluate("document.querySelector('.code-card code').textContent")
    return shown


def test_the_first_page_calls_an_operation_with_all_that_it_needs(visit: Visit, demanding: str) -> None:
    page = visit(demanding)
    page.waits_for(READY)
    example = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    assert f'client.things.get({{ from: "{example}", "x-n": 3 }})' in code_of(page)
    assert f'client.things.get(from_="{example}", x_n=3)' in page.text()


def test_a_file_that_is_not_chosen_yet_stands_in_the_code_by_its_name(
    visit: Visit, url: str, demanding: str
) -> None:
    page = opened(visit, url, "files:upload")
    assert "-F 'cover=@\"cover\"'" in code_of(page)
    assert "pages" not in code_of(page)
    assert "--data-binary @file" in code_of(opened(visit, demanding, "things:put"))


def test_what_goes_without_saying_is_not_said_and_numbers_can_be_read(visit: Visit, demanding: str) -> None:
    page = opened(visit, demanding, "things:get")
    assert "string · uuid" in page.text()
    assert "matches" not in page.text()
    assert "3 to 2,000,000" in page.text()


def test_what_was_said_of_an_operation_is_not_said_of_the_next_one(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    press(page, "Send")
    said = "[...document.querySelectorAll('body > [role=status]')].map((each) => each.textContent).join()"
    page.waits_for(f"{said} === 'Answer 401'")
    go(page, "notes:list")
    assert page.evaluate(said) == ""


def test_a_search_that_did_not_find_what_is_shown_is_over(visit: Visit, url: str) -> None:
    page = opened(visit, url, "notes:create")
    search = "document.querySelector('#search')"
    page.evaluate(f"{search}.value = 'create'; {search}.dispatchEvent(new Event('input'))")
    go(page, "notes:create")
    assert page.evaluate(f"{search}.value") == "create"
    go(page, "live:chat")
    assert page.evaluate(f"{search}.value") == ""


def test_a_token_that_no_browser_sends_with_a_websocket_is_said_to_be_one(
    visit: Visit, demanding: str
) -> None:
    page = opened(visit, demanding, "socket")
    assert "Needs a bearer token, which a browser can't send here" in page.text()
    page.evaluate("document.querySelector('.auth-line button').click()")
    page.types("secret")
    page.presses("Enter")
    page.waits_for("!document.querySelector('dialog[open]')")
    assert "Sent with" not in page.text()
