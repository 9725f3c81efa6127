"""PING's two uses (RFC 9113 §6.7, §6.8), on the engines of both sides and a clock of the test's own."""

from __future__ import annotations

import ngh2
import pytest
from ngh2 import Connection as Engine

from asgiworker.process.settings import Settings
from asgiworker.protocols.http2.nghttp2 import Sessions
from asgiworker.protocols.http2.pings import FAREWELL, Leaving, Pings
from asgiworker.protocols.service import IDLE_PATIENCE, NEVER

pytestmark = pytest.mark.every_python

NOW = 1000.0
LAST_OF_ALL = 2**31 - 1
GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]


class Sides:
    """A server's engine and a client's, that hear each other."""

    def __init__(self) -> None:
        self.server = Sessions(Settings(), connect_protocol=False).open()
        self.client: Engine = ngh2.Connection(ngh2.Role.CLIENT)
        self.client.initiate_connection()
        self.speak()

    def speak(self) -> list[object]:
        """Until both have nothing more to say; what the client has heard, but for settings."""
        heard: list[object] = []
        while True:
            said, answered = self.client.data_to_send(), self.server.data_to_send()
            self.server.receive_data(said)
            self.client.receive_data(answered)
            self.server.events()
            heard += self.client.events()
            if not (said or answered):
                return [each for each in heard if "Settings" not in type(each).__name__]

    def pings(self, interval: float = 0.0, timeout: float = 0.0) -> Pings:
        return Pings(self.server, interval, timeout, NOW)


@pytest.fixture
def sides() -> Sides:
    return Sides()


def kinds(heard: list[object]) -> list[type]:
    return [type(each) for each in heard]


# --- whether a client is still there ------------------------------------------------------------------------


def test_without_an_interval_it_is_never_time(sides: Sides):
    assert sides.pings().due is NEVER


def test_a_busy_client_is_asked_after_its_silence(sides: Sides):
    pings = sides.pings(interval=10, timeout=3)
    assert pings.due == NOW + 10
    assert pings.ask(NOW + 10, busy=True)
    assert kinds(sides.speak()) == [ngh2.PingReceived]
    assert pings.due == NOW + 13
    assert pings.unanswered()


def test_whatever_it_sends_is_an_answer(sides: Sides):
    pings = sides.pings(interval=10, timeout=3)
    pings.ask(NOW + 10, busy=True)
    pings.heard_at = NOW + 10
    assert not pings.unanswered()
    assert not pings.ask(NOW + 13, busy=True)
    assert pings.due == NOW + 20, "the interval begins with what was heard"


@pytest.mark.parametrize("busy", [True, False], ids=["heard a moment ago", "without a request"])
def test_who_was_heard_or_has_no_request_open_is_not_asked(sides: Sides, busy: bool):
    pings = sides.pings(interval=10, timeout=3)
    if busy:
        pings.heard_at = NOW + 4
    assert not pings.ask(NOW + 10, busy=busy)
    assert sides.speak() == []
    assert pings.due == (NOW + 14 if busy else NOW + 12.5)


def test_without_a_timeout_the_answer_may_take_any_time(sides: Sides):
    pings = sides.pings(interval=10)
    pings.ask(NOW + 10, busy=True)
    assert pings.due == NEVER


# --- the graceful end ---------------------------------------------------------------------------------------


def test_the_first_goaway_asks_for_nothing_new_and_takes_all_that_comes(sides: Sides):
    pings = sides.pings(interval=10)
    sides.client.send_request(GET, end_stream=True)
    sides.speak()
    assert pings.leaving is Leaving.NO
    pings.give_notice(NOW)
    assert pings.leaving is Leaving.NOTICE
    assert pings.due == NOW + IDLE_PATIENCE, "the PING may stay unanswered"
    (goaway,) = sides.speak()
    assert isinstance(goaway, ngh2.GoAwayReceived)
    assert (goaway.last_stream_id, goaway.error_code) == (LAST_OF_ALL, 0)
    pings.follow_notice()
    (ping,) = sides.speak()
    assert isinstance(ping, ngh2.PingReceived)
    assert ping.opaque_data == FAREWELL


def test_the_second_names_the_last_stream_that_was_taken(sides: Sides):
    pings = sides.pings()
    pings.give_notice(NOW)
    stream = sides.client.send_request(GET, end_stream=True)
    sides.speak()
    pings.leave()
    assert pings.leaving is Leaving.FINAL
    assert pings.due is NEVER
    (goaway,) = sides.speak()
    assert isinstance(goaway, ngh2.GoAwayReceived)
    assert (goaway.last_stream_id, goaway.error_code) == (stream, 0)
