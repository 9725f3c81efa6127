"""Who is told of room, and whom the client hardly reads, by real windows (RFC 9113 §5.2)."""

from __future__ import annotations

import struct
from typing import Any

import ngh2
import pytest

from asgiworker.asgi.exchange import COMPLETE
from asgiworker.process.settings import Settings
from asgiworker.protocols.http2.nghttp2 import ErrorCode, Sessions
from asgiworker.protocols.http2.windows import LOW_WATER, Windows

pytestmark = pytest.mark.every_python

WINDOW = 65535  # of each stream, and of their connection
GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]


def window_update(stream: int, size: int) -> bytes:
    """A frame of the client, whatever its engine thinks."""
    return struct.pack("!xHBxLL", 4, 0x8, stream, size)


class Answered:
    """A stream whose response is complete, as far as the windows look at one."""

    request_complete = True
    was_reset = False
    exchange: Any = None

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.id = number
        self.written = self.queue_seen = self.taken_seen = 0
        self.resumed = False
        self.code: ErrorCode | None = None

    def send(self, size: int, last: bool = False) -> None:
        """Queue so many bytes."""
        self.written += size
        self.connection.server.send_data(self.id, bytes(size), end_stream=last)
        self.connection.flush()

    def resume(self) -> None:
        self.resumed = True
        self.connection.windows.waiting.discard(self)  # type: ignore[arg-type]

    def is_sent(self) -> bool:
        return not self.connection.server.queued_body_size(self.id)

    def reset(self, code: ErrorCode) -> None:
        self.was_reset, self.code = True, code


class Connection:
    """Both ends of a connection; the client opens its windows when it is told to."""

    def __init__(self, streams: int) -> None:
        self.server = Sessions(Settings(), connect_protocol=False).open()
        self.windows: Any = Windows(self.server)
        self.client = ngh2.Connection(ngh2.Role.CLIENT, ngh2.Configuration(auto_window_update=False))
        self.client.initiate_connection()
        self.streams: dict[int, Any] = {}
        self.flush()
        for _ in range(streams):
            number = self.client.send_request(GET, end_stream=True)
            self.flush()
            self.server.send_response(number, [(b":status", b"200")])
            self.streams[number] = Answered(self, number)
        self.flush()

    def flush(self) -> None:
        """What the windows allow leaves."""
        while True:
            said, answered = self.client.data_to_send(), self.server.data_to_send()
            self.server.receive_data(said)
            self.client.receive_data(answered)
            self.windows.sent += len(answered)
            if not (said or answered):
                return

    def read(self, stream: Answered, size: int) -> None:
        """The client has read so much, and opens its windows by that."""
        self.client.acknowledge_received_data(size, stream.id)
        self.flush()

    def stalled(self, enough: int = 1000) -> list[Any]:
        """The streams that are hardly read."""
        found: list[Any] = self.windows.stalled(self.streams.values(), enough)
        return found


def test_an_application_goes_on_when_there_is_room_again():
    connection = Connection(2)
    full, roomy = connection.streams.values()
    full.send(WINDOW + LOW_WATER + 1)
    roomy.send(LOW_WATER)
    connection.windows.waiting |= {full, roomy}
    connection.windows.resume()
    assert (full.resumed, roomy.resumed) == (False, True)
    connection.read(full, WINDOW)
    connection.windows.resume()
    assert full.resumed


def test_the_rest_of_a_request_is_declined_when_its_answer_is_sent_and_not_before():
    connection = Connection(2)
    whole, part = connection.streams.values()
    for stream in (whole, part):
        stream.request_complete = False
        connection.windows.unread.append(stream)
    whole.send(10)
    part.send(2 * WINDOW)
    connection.windows.reset_unread(connection.streams)
    assert (whole.code, part.code) == (ErrorCode.NO_ERROR, None)
    assert connection.windows.unread == [part]
    part.request_complete = True  # it has come after all
    connection.windows.reset_unread(connection.streams)
    assert part.code is None
    assert connection.windows.unread == []


def test_a_stream_that_is_not_read_is_stalled():
    connection = Connection(2)
    stalled, idle = connection.streams.values()
    stalled.send(2 * WINDOW)
    connection.windows.look(connection.streams.values())
    assert connection.stalled() == [stalled]
    assert idle not in connection.stalled()


def test_one_that_is_read_is_not():
    connection = Connection(1)
    (stream,) = connection.streams.values()
    stream.send(3 * WINDOW)
    connection.windows.look(connection.streams.values())
    connection.read(stream, WINDOW)
    assert connection.stalled() == []


@pytest.mark.parametrize(("read", "stalled"), [(999, True), (1000, False)])
def test_one_that_is_read_by_some_bytes_now_and_then_is_if_they_are_too_few(read: int, stalled: bool):
    connection = Connection(1)
    (stream,) = connection.streams.values()
    stream.send(2 * WINDOW)
    connection.windows.look(connection.streams.values())
    connection.server.receive_data(window_update(0, read) + window_update(stream.id, read))
    connection.windows.sent += len(connection.server.data_to_send())
    assert bool(connection.stalled(enough=1000)) is stalled


def test_one_that_waits_for_the_others_of_its_connection_is_not_as_long_as_they_are_read():
    connection = Connection(2)
    read, waiting = connection.streams.values()
    read.send(WINDOW)  # the connection's window is shut, and the other's open
    waiting.send(5000)
    connection.windows.look(connection.streams.values())
    assert connection.stalled() == [waiting], "nobody reads"
    connection.windows.sent += 1000
    assert connection.stalled() == []


@pytest.mark.parametrize("waits", [True, False], ids=["a byte waits", "all is sent"])
def test_what_waits_for_a_client_that_sends_no_more_is_given_up(waits: bool):
    connection = Connection(1)
    (stream,) = connection.streams.values()
    stream.exchange = type("Exchange", (), {"state": COMPLETE})
    stream.send(WINDOW + waits)
    connection.windows.give_up(connection.streams.values())
    assert stream.code is (ErrorCode.CANCEL if waits else None)
