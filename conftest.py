"""A browser for the tests that look at pages, wherever they stand: `browse`. And the signals for all tests.

It is Chromium without a screen, driven over its DevTools protocol: JSON over a WebSocket. Tests that need
none don't need what it is driven with either, so that is imported where it is used.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30  # seconds for what normally takes milliseconds
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


# What a shell starts in the background ignores Ctrl-C, what nohup starts HUP; and what these start in turn.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


class Page:
    """A tab of the browser.

    Args:
        endpoint: where its DevTools listen.
    """

    def __init__(self, endpoint: str) -> None:
        import websockets.sync.client

        # The browser is silent for as long as a page keeps it waiting.
        self._opened = ExitStack()
        self._devtools = self._opened.enter_context(
            websockets.sync.client.connect(endpoint, proxy=None, max_size=None, ping_interval=None)
        )
        self._numbers = itertools.count(1)
        self.sockets: list[dict[str, Any]] = []  # the WebSockets it has opened: what was asked and answered
        self.failures: list[str] = []  # exceptions, errors in the console, breaches of its policy
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.do(f"{domain}.enable")
        # As if somebody looked at each tab at the same time.
        self.do("Emulation.setFocusEmulationEnabled", enabled=True)

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        number = next(self._numbers)
        self._devtools.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._devtools.recv(PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message["method"] == "Network.webSocketHandshakeResponseReceived":
            self.sockets.append(message["params"]["response"])
        elif message["method"] == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.failures.append(details.get("exception", {}).get("description", details["text"]))
        elif message["method"] == "Log.entryAdded":
            entry = message["params"]["entry"]
            self.failures += [entry["text"]] * (entry["source"] == "security")
        elif message["method"] == "Runtime.consoleAPICalled":
            said = message["params"]
            self.failures += [str(said["args"])] * (said["type"] in ("error", "assert"))

    def open(self, url: str) -> None:
        """Go to `url`, and wait until the page is there."""
        self.do("Page.navigate", url=url)
        self.waits_for(f"location.href.startsWith({url!r}) && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        result = self.do(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def waits_for(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        found = self.evaluate(f"""new Promise((resolve) => {{
            const end = Date.now() + {PATIENCE / 2 * 1000};
            const look = () => ({condition}) ? resolve(true)
                : Date.now() > end ? resolve(false) : setTimeout(look, 10);
            look();
        }})""")
        assert found, f"{condition} did not come true; the page shows:\n{self.text()}"

    def text(self) -> str:
        """All that the page shows."""
        shown: str = self.evaluate("document.body.innerText")
        return shown

    def types(self, text: str) -> None:
        """Type into what has the focus, as soon as something has: `autofocus` waits for the first frame."""
        self.waits_for("document.activeElement.matches('input, textarea')")
        self.do("Input.insertText", text=text)

    def presses(self, key: str, shift: bool = False, control: bool = False) -> None:
        """Press a key and let it go."""
        codes = {
            "Enter": 13,
            "Tab": 9,
            "Escape": 27,
            "ArrowUp": 38,
            "ArrowDown": 40,
            "ArrowRight": 39,
            "/": 191,
            "x": 88,
        }
        modifiers = 8 * shift + 2 * control
        common = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key], "modifiers": modifiers}
        text = {"text": "\r" if key == "Enter" else key} if key in ("Enter", "/", "x") and not control else {}
        self.do("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.do("Input.dispatchKeyEvent", type="keyUp", **common)

    def taps(self, selector: str) -> None:
        """Touch the middle of an element, as a finger would."""
        box = self.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        self.do("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        self.do("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def becomes_a_phone(self) -> None:
        """A small screen that is touched."""
        self.do("Emulation.setTouchEmulationEnabled", enabled=True)
        self.do("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2, mobile=True)

    def close(self) -> None:
        """Let go of the tab."""
        self._opened.close()


class Browser:
    """Chromium, with a profile of its own."""

    def __init__(self, program: str, profile: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                *(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--no-default-browser-check", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync", "--disable-extensions"),
                *("--remote-debugging-port=0", f"--user-data-dir={profile}", *options, "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = ""
        for line in self.process.stderr:
            said += line
            if line.startswith("DevTools listening on ws://"):
                break
        else:
            pytest.fail(f"Chromium does not start:\n{said}")
        self.devtools = line.split("ws://")[1].partition("/")[0]
        self._drain = threading.Thread(target=self.process.stderr.read)
        self._drain.start()
        self.pages: list[Page] = []

    def page(self, url: str) -> Page:
        """A new tab that shows `url`."""
        import httpx

        made = httpx.put(f"http://{self.devtools}/json/new?about:blank", timeout=PATIENCE).json()
        page = Page(made["webSocketDebuggerUrl"])
        self.pages.append(page)
        page.open(url)
        return page

    def close(self) -> None:
        """End it, with all that it has started."""
        for page in self.pages:
            page.close()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drain.join(PATIENCE)
        if self.process.stderr is not None:
            self.process.stderr.close()


def _program() -> str:
    """Where Chromium is; without it, tests that need it are skipped."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine; on Debian and Ubuntu: apt-get install chromium")
    return program


Browse = Callable[..., Browser]


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Browse]:
    """Start a browser; in the end, none of its pages may have met an exception."""
    started: list[Browser] = []

    def start(*options: str) -> Browser:
        started.append(Browser(_program(), tmp_path / f"profile-{len(started)}", *options))
        return started[-1]

    yield start
    failures = [failure for browser in started for page in browser.pages for failure in page.failures]
    for browser in started:
        browser.close()
    assert failures == []


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(_program(), tmp_path_factory.mktemp("profile"), "--window-size=1440,1000")
    yield browser
    browser.close()


Visit = Callable[[str], Page]


@pytest.fixture
def visit(_browser: Browser) -> Iterator[Visit]:
    """Open a page in a browser that all such tests share; none may have met an exception in the end.

    What an origin has stored is gone after the test.
    """
    before = len(_browser.pages)
    yield _browser.page
    visited = _browser.pages[before:]
    del _browser.pages[before:]
    for page in visited:
        page.do("Storage.clearDataForOrigin", origin=page.evaluate("location.origin"), storageTypes="all")
        page.do("Page.close")
        page.close()
    assert [failure for page in visited for failure in page.failures] == []
