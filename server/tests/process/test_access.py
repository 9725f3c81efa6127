"""The lines of the access log: Gunicorn's atoms, JSON, and what no peer can do to them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger, SafeAtoms
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create
from gunicorn.instrument.statsd import Statsd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgiworker.process.access import AccessLog, open_access_log
from asgiworker.process.access_format import ATOMS, AccessEntry, Remembered, compiled, json_lines, source
from asgiworker.process.gunicorn_access import GunicornAccess, gunicorn_access_log, gunicorn_views
from asgiworker.process.logs import LogError
from asgiworker.process.sinks import DescriptorSink, LoggerSink

COMBINED = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
EVERYTHING = " ".join(
    (
        *(f'"%({atom})s"' for atom in ATOMS),
        *(
            '"%({x-any}i)s"',
            '"%({x-any}o)s"',
            '"%({http_x_any}e)s"',
            '"%({raw_uri}e)s"',
            '"%({path_info}e)s"',
        ),
        *('"%(a).7s"', '"%(r)-40s"'),
    )
)
CONTROLS = {chr(point) for point in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E)}


def entry(**parts: Any) -> AccessEntry:
    """A plain GET, but for the parts given."""
    plain = AccessEntry(
        time=1_700_000_000.25,
        duration=0.001234,
        client=("192.0.2.7", 50123),
        method="GET",
        target=b"/",
        http_version="1.1",
        status=200,
        sent=13,
        request=[(b"host", b"example.org")],
        response=[(b"content-type", b"text/plain")],
    )
    return plain._replace(**parts)


def line(format: str, **parts: Any) -> str:
    """The line of one entry."""
    [made] = compiled(format)([entry(**parts)])
    return made


def json_line(**parts: Any) -> dict[str, Any]:
    """The JSON object of one entry."""
    [made] = json_lines()([entry(**parts)])
    assert made.isascii()
    loaded: dict[str, Any] = json.loads(made)
    return loaded


class ListSink:
    """Keeps what it is told to write."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.calls: list[str] = []

    @property
    def lines(self) -> list[str]:
        return [line for batch in self.batches for line in batch]

    def write(self, lines: Sequence[str]) -> None:
        self.batches.append(list(lines))

    def flush(self) -> None:
        self.calls.append("flush")

    def reopen(self) -> None:
        self.calls.append("reopen")

    def close(self) -> None:
        self.calls.append("close")


# --- the same as Gunicorn --------------------------------------------------------------------------------


def gunicorn_logger(cfg: Config, kind: type[Logger] = Logger) -> Any:
    """A logger of Gunicorn's. Its records propagate: pytest gives handlers to loggers whose records don't."""
    logger = kind(cfg)
    logger.error_log.propagate = logger.access_log.propagate = True
    return logger


def gunicorn_line(format: str, exchange: AccessEntry) -> str:
    """The line that Gunicorn's logger makes of the same request, parsed by its own parser."""
    cfg = Config()
    head = [f"{exchange.method} ".encode() + exchange.target + f" HTTP/{exchange.http_version}".encode()]
    head += [name + b": " + value for name, value in exchange.request]
    raw = b"\r\n".join((*head, b"", b""))
    assert exchange.client is not None
    request = next(iter(RequestParser(cfg, iter([raw]), exchange.client)))
    response, environ = create(request, None, exchange.client, ("127.0.0.1", 8000), cfg)
    response.status = f"{exchange.status} OK"
    response.sent = exchange.sent
    response.headers = [(name.decode(), value.decode("latin-1")) for name, value in exchange.response]
    log = gunicorn_logger(cfg)
    log.now = lambda: time.strftime("[%d/%b/%Y:%H:%M:%S %z]", time.localtime(int(exchange.time)))
    return format % SafeAtoms(log.atoms(response, request, environ, timedelta(seconds=exchange.duration)))


@pytest.mark.parametrize("atom", ATOMS)
def test_each_atom_reads_as_gunicorns(atom: str) -> None:
    exchange = entry(
        target=b"/articles/caf%65/?page=2&q=%20",
        status=206,
        duration=71.345678,
        request=[
            (b"host", b"example.org"),
            (b"referer", b"https://example.org/"),
            (b"user-agent", b"curl/8.5"),
            (b"authorization", b"Basic " + base64.b64encode(b"ada:secret")),
        ],
    )

    assert line(f"%({atom})s", **exchange._asdict()) == gunicorn_line(f"%({atom})s", exchange)


@pytest.mark.parametrize("atom", ATOMS)
def test_each_atom_reads_as_gunicorns_when_the_request_says_nothing(atom: str) -> None:
    exchange = entry(sent=0, request=[(b"host", b"")], response=[])

    assert line(f"%({atom})s", **exchange._asdict()) == gunicorn_line(f"%({atom})s", exchange)


@pytest.mark.parametrize(
    "atom",
    [
        "{x-forwarded-for}i",
        "{X-Forwarded-For}i",
        "{accept}i",
        "{missing}i",
        "{content-type}o",
        "{Content-Type}o",
        "{x-cache}o",
        "{missing}o",
        "{request_method}e",
        "{RAW_URI}e",
        "{path_info}e",
        "{query_string}e",
        "{server_protocol}e",
        "{remote_addr}e",
        "{remote_port}e",
        "{http_accept}e",
        "{HTTP_X_FORWARDED_FOR}e",
        "{http_missing}e",
        "{content_type}e",
        "{content_length}e",
        "{http_content_type}e",
        "{missing}e",
        "{}i",
        "{}e",
        "{accept}",
        "{accept}x",
        "accept",
        "",
        "H2",
    ],
)
def test_fields_and_variables_read_as_gunicorns(atom: str) -> None:
    exchange = entry(
        method="POST",
        target=b"/upload?name=x",
        request=[
            (b"host", b"example.org"),
            (b"accept", b"text/html"),
            (b"x-forwarded-for", b"198.51.100.1"),
            (b"accept", b"text/plain"),
            (b"content-type", b"text/css"),
            (b"content-length", b"0"),
        ],
        response=[(b"content-type", b"a/b"), (b"x-cache", b"hit"), (b"X-Cache", b"miss")],
    )

    assert line(f"<%({atom})s>", **exchange._asdict()) == gunicorn_line(f"<%({atom})s>", exchange)


@pytest.mark.parametrize("name", [b"referer", b"user-agent", b"authorization"])
def test_repeated_fields_read_as_gunicorns(name: bytes) -> None:
    exchange = entry(request=[(b"host", b"a"), (name, b"Basic YTpi"), (name, b"Basic Yzpk")])

    assert line(COMBINED, **exchange._asdict()) == gunicorn_line(COMBINED, exchange)


@pytest.mark.parametrize(
    "authorization",
    [
        b"Basic YWRhOnNlY3JldA==",
        b"bASIC YWRhOnNlY3JldA==",
        b"Basic   YWRh  ",
        b"Basic YWRhOg",
        b"Basic OnNlY3JldA==",
        b"Basic w7xtaXQ6eA==",
        b"Basic //86eA==",
        b"Basic",
        b"Basic !",
        b"Basics YWRhOg==",
        b"Bearer YWRhOg==",
        b"YWRhOg==",
    ],
)
def test_the_user_is_who_gunicorn_says(authorization: bytes) -> None:
    exchange = entry(request=[(b"host", b"a"), (b"authorization", authorization)])

    assert line("%(u)s", **exchange._asdict()) == gunicorn_line("%(u)s", exchange)


@pytest.mark.parametrize(
    "conversion",
    [
        *("%(m)s", "%(m)10s", "%(m)-10s|", "%(m).2s", "%(m)-6.2s|", "%(m).s"),
        *(
            "%(D)d",
            "%(D)i",
            "%(D)u",
            "%(D)012d",
            "%(D)-12d|",
            "%(D)+d",
            "%(D) d",
            "%(D).9d",
            "%(D)x",
            "%(D)#X",
            "%(D)o",
        ),
        *("%(B)s", "%(B)8s", "%(B).1s", "%(T)d", "%(M)d", "%(T)f", "%(D).2e", "%(D)g", "%(D)ld"),
        *("100%%", "{%(m)s} {m} 'q' \\ \t", "", "no atom"),
    ],
)
def test_conversions_work_as_in_gunicorn(conversion: str) -> None:
    exchange = entry(duration=2.5)

    assert line(conversion, **exchange._asdict()) == gunicorn_line(conversion, exchange)


VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\')
VALUE = st.text(VISIBLE, min_size=1, max_size=30).map(str.encode)
PATH = st.text("abc/.-_~0123456789", max_size=20).map(lambda path: f"/{path}".encode().replace(b"//", b"/"))
QUERY = st.none() | st.text("abc=&%20?/", max_size=20).map(str.encode)


@settings(deadline=None)
@given(
    PATH,
    QUERY,
    st.integers(0, 86_399_999_999),
    st.integers(0, 2**40),
    st.dictionaries(st.sampled_from((b"referer", b"user-agent", b"accept", b"x-a")), VALUE),
)
def test_combined_lines_are_gunicorns(
    path: bytes, query: bytes | None, micros: int, sent: int, fields: dict[bytes, bytes]
) -> None:
    exchange = entry(
        target=path if query is None else path + b"?" + query,
        duration=micros / 1_000_000,
        sent=sent,
        request=[(b"host", b"example.org"), *fields.items()],
    )
    format = f"{COMBINED} %(T)s %(D)s %(M)s %(L)s %(U)s %(q)s %({{x-a}}i)s"

    assert line(format, **exchange._asdict()) == gunicorn_line(format, exchange)


def test_a_duration_of_days_is_not_cut_to_its_last_day() -> None:
    assert (
        line("%(T)s %(M)s %(D)s %(L)s", duration=172_800.5) == "172800 172800500 172800500000 172800.500000"
    )


def test_the_time_is_local_and_computed_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        made = compiled("%(t)s")([entry(time=each) for each in (0.0, 0.9, 1.0)])
    finally:
        monkeypatch.undo()
        time.tzset()

    assert made == [
        "[01/Jan/1970:05:30:00 +0530]",
        "[01/Jan/1970:05:30:00 +0530]",
        "[01/Jan/1970:05:30:01 +0530]",
    ]


def test_a_peer_on_a_unix_socket_has_no_address() -> None:
    assert line("%(h)s %({remote_addr}e)s %({remote_port}e)s", client=None) == "- - -"
    assert line("%(h)s %({remote_port}e)s", client=("192.0.2.7", None)) == "192.0.2.7 -"


def test_the_path_is_decoded_as_the_application_sees_it() -> None:
    assert line("%(U)s", target=b"/caf%C3%A9/%E2%82%AC?x=%C3%A9") == "/café/€"
    assert line("%(U)s", target=b"/%FF") == "/�"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://example.org/a/b?c=d", "/a/b", "c=d"),
        (b"http://example.org", "/", ""),
        (b"http://example.org?c", "/", "c"),
        (b"*", "*", ""),
        (b"example.org:443", "example.org:443", ""),
        (b"//example.org/a", "//example.org/a", ""),
        (b"/a://b/c", "/a://b/c", ""),
    ],
)
def test_every_form_of_the_target_has_its_path(target: bytes, path: str, query: str) -> None:
    assert line("%(U)s|%(q)s", target=target) == f"{path}|{query}"
    made = json_line(target=target)
    assert (made["path"], made["query"]) == (path, query)


def test_a_request_that_could_not_be_read_has_dashes() -> None:
    unread = {"method": "", "target": b"", "http_version": "", "status": 400, "request": [], "response": []}

    assert line('%(h)s "%(r)s" %(s)s %(m)s %(U)s', **unread) == '192.0.2.7 "- - HTTP/-" 400 - -'


def test_only_what_the_format_names_is_computed() -> None:
    assert "dict(" not in source("%(h)s %(s)s")
    assert "time" not in source("%(h)s %(s)s")


@pytest.mark.parametrize(
    ("format", "where"),
    [
        ("%(h)s %s", "'%s' at position 6"),
        ("%(h)", "'%(h)' at position 0"),
        ("50%", "'%' at position 2"),
        ("%(s)d", "'%(s)d' at position 0"),
        ("%(unknown)d", "'%(unknown)d'"),
        ("%({accept}i)d", "'%({accept}i)d'"),
        ("%(B)c", "'%(B)c'"),
        ("%(a)r", "'%(a)r'"),
        ("%(B)a", "'%(B)a'"),
        ("%(a)y", "'%(a)y'"),
        ("%(a)*s", "'%(a)*'"),
        ("%(a)%", "'%(a)%'"),
    ],
)
def test_a_format_that_says_nothing_sensible_is_refused_with_its_place(format: str, where: str) -> None:
    with pytest.raises(LogError) as caught:
        compiled(format)

    assert where in caught.value.message
    assert "--access-logformat" in caught.value.hint


# --- forging ---------------------------------------------------------------------------------------------

FORGED = b'/" 200 0\n203.0.113.9 - - [x] "GET /\\\x1b[2J\x9b\x7f\r\t'
AS_WRITTEN = r"/\x22 200 0\x0a203.0.113.9 - - [x] \x22GET /\x5c\x1b[2J\x9b\x7f\x0d\x09"


@pytest.mark.parametrize(
    ("format", "parts"),
    [
        ("%(h)s", {"client": (FORGED.decode("latin-1"), 1)}),
        ("%(m)s", {"method": FORGED.decode("latin-1")}),
        ("%({raw_uri}e)s", {"target": FORGED}),
        ("%(U)s", {"target": b"/%22 200 0%0a203.0.113.9 - - [x] %22GET /%5c%1b[2J%C2%9b%7f%0D%09"}),
        ("%(q)s", {"target": b"/?" + FORGED}),
        ("%(a)s", {"request": [(b"user-agent", FORGED)]}),
        ("%(f)s", {"request": [(b"referer", FORGED)]}),
        ("%({x-a}i)s", {"request": [(b"x-a", FORGED)]}),
        ("%({http_x_a}e)s", {"request": [(b"x-a", FORGED)]}),
        ("%({x-a}o)s", {"response": [(b"x-a", FORGED)]}),
        (
            "%(u)s",
            {
                "request": [
                    (b"authorization", b"Basic " + base64.b64encode(FORGED.replace(b"\x9b", b"\xc2\x9b")))
                ]
            },
        ),
    ],
)
def test_quotes_backslashes_and_control_characters_are_escaped_wherever_they_come_from(
    format: str, parts: dict[str, Any]
) -> None:
    # The user's name ends at its colon.
    expected = AS_WRITTEN.partition(":")[0]

    assert line(format, **parts) == expected


def test_what_turns_the_direction_of_text_or_separates_lines_is_escaped_too() -> None:
    assert line("%(U)s", target="/\u202e\u2028\U000e0001é€".encode()) == r"/\u202e\u2028\U000e0001é€"


@pytest.mark.parametrize(
    ("length", "expected"), [(1, "a"), (2, "a"), (4, "a"), (5, r"a\x22"), (8, r"a\x22"), (9, r"a\x22\x0a")]
)
def test_a_value_that_is_cut_keeps_its_escapes_whole(length: int, expected: str) -> None:
    assert line(f'"%(a).{length}s"', request=[(b"user-agent", b'a"\n')]) == f'"{expected}"'


ANY_FIELD = st.tuples(
    st.sampled_from((b"user-agent", b"referer", b"authorization", b"x-any", b"x-request-id")),
    st.binary(max_size=40),
)
BASIC = st.binary(max_size=30).map(lambda user: (b"authorization", b"Basic " + base64.b64encode(user)))
ENTRIES = st.builds(
    lambda **parts: entry(**parts),
    client=st.none() | st.tuples(st.text(max_size=20), st.integers(0, 65535)),
    method=st.text(max_size=10),
    target=st.binary(max_size=60) | st.binary(max_size=20).map(lambda path: b"/" + path.hex("%").encode()),
    http_version=st.text(max_size=4),
    request=st.lists(ANY_FIELD | BASIC, max_size=5),
    response=st.lists(
        st.tuples(st.sampled_from((b"x-any", b"X-Request-ID")), st.binary(max_size=40)), max_size=3
    ),
)


@settings(deadline=None)
@given(ENTRIES)
@example(entry(target=b"/%0a%E2%80%A8", method="\ud800"))
def test_no_bytes_make_more_than_one_line(exchange: AccessEntry) -> None:
    made = line(EVERYTHING, **exchange._asdict())

    assert made.splitlines() == [made]
    assert not CONTROLS & set(made)
    assert made.count('"') == EVERYTHING.count('"')


@settings(deadline=None)
@given(ENTRIES)
@example(entry(target=b"/\xff?\xc3\xa9", method="\ud800"))
def test_json_always_parses_and_is_one_line_of_ascii(exchange: AccessEntry) -> None:
    [made] = json_lines()([exchange])

    assert made.isascii()
    assert made.isprintable()
    parsed = json.loads(made)
    assert parsed["status"] == 200
    json.dumps(parsed).encode()  # no lone surrogates: not every parser takes them


# --- JSON ------------------------------------------------------------------------------------------------


def test_a_json_line_says_all_that_is_known() -> None:
    made = json_line(
        time=1_700_000_000.0625,
        target=b"/caf%C3%A9?x=1",
        request=[
            (b"x-request-id", b"abc-1"),
            (b"user-agent", b"curl/8.5"),
            (b"referer", b"https://example.org/"),
        ],
    )

    assert made == {
        "time": "2023-11-14T22:13:20.062Z",
        "client": "192.0.2.7",
        "method": "GET",
        "path": "/caf%C3%A9",
        "query": "x=1",
        "status": 200,
        "bytes": 13,
        "duration": 0.001234,
        "protocol": "HTTP/1.1",
        "request_id": "abc-1",
        "referer": "https://example.org/",
        "user_agent": "curl/8.5",
    }


def test_a_json_line_leaves_out_fields_that_the_request_has_not() -> None:
    made = json_line(client=None, request=[], response=[])

    assert made["client"] is None
    assert made["query"] == ""
    assert not {"request_id", "referer", "user_agent"} & set(made)


@pytest.mark.parametrize("name", [b"x-request-id", b"X-Request-ID"])
def test_the_request_id_may_come_from_the_response(name: bytes) -> None:
    response = [(b"content-type", b"a/b"), (b"abcdefghijkl", b"no"), (name, b"made-here")]

    assert json_line(response=response)["request_id"] == "made-here"
    assert json_line(request=[(b"x-request-id", b"sent")], response=response)["request_id"] == "sent"


def test_json_text_is_utf_8_and_what_is_not_stays_visible() -> None:
    made = json_line(
        target="/é".encode() + b"\xff?\xfe",
        request=[(b"user-agent", "naïve 😀\x1b".encode()), (b"x-request-id", b'"\xe9\n')],
    )

    assert made["path"] == "/é\\xff"
    assert made["query"] == "\\xfe"
    assert made["user_agent"] == "naïve 😀\x1b"
    assert made["request_id"] == '"\\xe9\n'


@settings(deadline=None)
@given(st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=5))
def test_json_times_are_utc_to_the_millisecond(millis: list[int]) -> None:
    # Half a millisecond later, so that no rounding of the float can change the millisecond.
    made = json_lines()([entry(time=each / 1000 + 0.0005) for each in millis])

    for each, text in zip(millis, made, strict=True):
        stamp = datetime.fromisoformat(json.loads(text)["time"])
        assert stamp == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=each)


def test_json_durations_have_microseconds() -> None:
    made = json_lines()([entry(duration=each) for each in (0.0, 0.000001, 12.3456784)])

    assert [text.partition('"duration":')[2].partition(",")[0] for text in made] == [
        "0.000000",
        "0.000001",
        "12.345678",
    ]


# --- remembered texts ------------------------------------------------------------------------------------


def test_texts_are_made_once_and_only_so_many_are_kept() -> None:
    made: list[bytes] = []

    def make(value: bytes) -> str:
        made.append(value)
        return value.decode()

    texts = Remembered(make)
    long = b"x" * (Remembered.LENGTH + 1)

    assert (texts[b"a"], texts[b"a"], texts[long], texts[long]) == ("a", "a", long.decode(), long.decode())
    assert made == [b"a", long, long]
    for number in range(2 * Remembered.VALUES):
        texts[b"%d" % number]
    assert len(texts) <= Remembered.VALUES


# --- the log ---------------------------------------------------------------------------------------------


def test_entries_are_written_together_at_the_flush() -> None:
    sink = ListSink()
    log = AccessLog("%(m)s %(s)s", sink)
    record, entries = log.record, log.entries

    record(entry())
    record(tuple(entry(method="PUT", status=201)))
    assert sink.batches == []

    log.flush()
    assert sink.batches == [["GET 200", "PUT 201"]]
    assert entries == []

    record(entry(method="HEAD"))
    log.flush()
    assert sink.lines[-1] == "HEAD 200"


def test_a_flush_without_entries_moves_what_waits_in_the_sink() -> None:
    sink = ListSink()
    log = AccessLog("json", sink)

    log.flush()

    assert sink.batches == []
    assert sink.calls == ["flush"]


@pytest.mark.parametrize("call", ["reopen", "close"])
def test_entries_are_written_before_the_file_changes(call: str) -> None:
    sink = ListSink()
    log = AccessLog("%(m)s", sink)
    log.record(entry())

    getattr(log, call)()

    assert sink.lines == ["GET"]
    assert sink.calls == [call]


def test_an_entry_that_cannot_be_formatted_costs_only_its_own_line(caplog: pytest.LogCaptureFixture) -> None:
    sink = ListSink()
    log = AccessLog("%(m)s %(U)s", sink)
    broken = entry(target=None)

    for exchange in (entry(), broken, entry(method="PUT"), broken):
        log.record(exchange)
    log.flush()
    log.record(broken)
    log.flush()

    assert sink.batches == [["GET /", "PUT /"]]
    assert [record.name for record in caplog.records] == ["asgiworker.server"]
    assert caplog.records[0].exc_info


@dataclasses.dataclass(frozen=True)
class Settings:
    accesslog: str | None = "-"
    access_log_format: str = "%(m)s %(s)s"


def test_no_access_log_is_none() -> None:
    assert open_access_log(Settings(accesslog=None)) is None


def test_the_access_log_goes_to_the_file_that_the_settings_name(tmp_path: Any) -> None:
    path = tmp_path / "access.log"
    log = open_access_log(Settings(str(path)))
    assert log is not None

    log.record(entry())
    log.close()

    assert path.read_text() == "GET 200\n"


def test_the_access_log_goes_to_its_logger_if_that_one_was_configured() -> None:
    logger = logging.getLogger("asgiworker.access")
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        log = open_access_log(Settings())
        assert log is not None
        log.record(entry(target=b"/%s"))
        log.record(entry(status=404))
        log.flush()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert seen == ["GET 200", "GET 404"]


def test_a_format_that_cannot_be_honoured_is_a_mistake_at_the_start(tmp_path: Any) -> None:
    with pytest.raises(LogError, match="position 0"):
        open_access_log(Settings(str(tmp_path / "access.log"), "%s"))


# --- under Gunicorn --------------------------------------------------------------------------------------


class KeepingLogger(Logger):
    """A logger_class of one's own."""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.seen: list[tuple[Any, Any, dict[str, str], timedelta]] = []

    def access(self, resp: Any, req: Any, environ: dict[str, str], request_time: timedelta) -> None:
        self.seen.append((resp, req, environ, request_time))


@contextlib.contextmanager
def root_put_back() -> Iterator[None]:
    """Whatever becomes of the root logger."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def cfg(tmp_path: Any) -> Iterator[Config]:
    """A Gunicorn configuration whose loggers are put back afterwards."""
    made = Config()
    made.set("accesslog", str(tmp_path / "access.log"))
    made.set("errorlog", str(tmp_path / "error.log"))
    yield made
    for name in ("gunicorn.access", "gunicorn.error"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()


def test_a_custom_logger_class_gets_each_request(cfg: Config) -> None:
    logger = gunicorn_logger(cfg, KeepingLogger)
    log = gunicorn_access_log(cfg, logger)
    assert isinstance(log, GunicornAccess)

    log.record(
        entry(
            target=b"/caf%C3%A9?x=1",
            status=404,
            request=[
                (b"host", b"a"),
                (b"content-type", b"a/b"),
                (b"x-a", b"1"),
                (b"x-a", b"2"),
                (b"x_a", b"3"),
            ],
            response=[(b"x-cache", b"hit")],
        )
    )
    log.flush()
    log.flush()

    [(response, request, environ, duration)] = logger.seen
    assert (response.status, response.status_code, response.sent) == ("404 Not Found", 404, 13)
    assert response.headers == [("x-cache", "hit")]
    assert (request.method, request.uri, request.path, request.query) == (
        "GET",
        "/caf%C3%A9?x=1",
        "/café",
        "x=1",
    )
    assert request.version == (1, 1)
    assert ("X-A", "2") in request.headers
    assert environ == {
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/caf%C3%A9?x=1",
        "PATH_INFO": "/café",
        "QUERY_STRING": "x=1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "50123",
        "HTTP_HOST": "a",
        "CONTENT_TYPE": "a/b",
        "HTTP_X_A": "1,2",
    }
    assert duration == timedelta(microseconds=1234)


def test_a_peer_without_address_has_gunicorns_dash() -> None:
    _, _, environ, _ = gunicorn_views(entry(client=None))

    assert environ["REMOTE_ADDR"] == "-"
    assert "REMOTE_PORT" not in environ


def test_a_status_without_a_phrase_is_its_number() -> None:
    response, _, _, _ = gunicorn_views(entry(status=299))

    assert response.status == "299"


@pytest.mark.parametrize("call", ["flush", "reopen", "close"])
def test_a_custom_logger_that_raises_is_reported_once(
    cfg: Config, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    logger = gunicorn_logger(cfg, KeepingLogger)
    logger.access = lambda *parts: 1 // 0
    log = GunicornAccess(logger)

    for _ in range(3):
        log.record(entry())
        getattr(log, call)()

    assert log.entries == []
    assert [record.getMessage() for record in caplog.records] == ["KeepingLogger can't log a request."]


@settings(deadline=None)
@given(ENTRIES)
@example(entry(request=[(b"authorization", b"Basic " + base64.b64encode(b"ada\n127.0.0.1 - -:x"))]))
def test_gunicorns_own_atoms_cannot_be_forged_through_a_custom_logger(exchange: AccessEntry) -> None:
    cfg = Config()
    format = " ".join((COMBINED, "%(m)s %(U)s %(q)s %(H)s %({x-any}i)s %({x-any}o)s %({http_x_any}e)s"))

    made = format % SafeAtoms(gunicorn_logger(cfg).atoms(*gunicorn_views(exchange)))

    assert made.splitlines() == [made]
    assert not CONTROLS & set(made)


def test_statsd_counts_each_request_even_without_an_access_log(cfg: Config) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        cfg.set("accesslog", None)
        cfg.set("statsd_host", f"127.0.0.1:{receiver.getsockname()[1]}")
        logger = gunicorn_logger(cfg, cfg.logger_class)
        assert type(logger) is Statsd
        log = gunicorn_access_log(cfg, logger)
        assert log is not None
        log.record(entry(status=201))
        log.flush()
        metrics = {receiver.recv(200) for _ in range(3)}
        logger.sock.close()

    assert metrics == {
        b"gunicorn.request.duration:1.234|ms",
        b"gunicorn.requests:1|c|@1.0",
        b"gunicorn.request.status.201:1|c|@1.0",
    }


def test_gunicorns_own_logger_is_bypassed_for_a_file(cfg: Config) -> None:
    log = gunicorn_access_log(cfg, gunicorn_logger(cfg))
    assert isinstance(log, AccessLog)
    assert isinstance(log._sink, DescriptorSink)

    log.record(entry())
    log.close()

    with open(cfg.accesslog) as file:
        assert file.read() == line(cfg.access_log_format) + "\n"


def test_gunicorns_own_logger_speaks_json_too(cfg: Config) -> None:
    cfg.set("access_log_format", "json")
    log = gunicorn_access_log(cfg, gunicorn_logger(cfg))
    assert isinstance(log, AccessLog)

    log.record(entry())
    log.close()

    with open(cfg.accesslog) as file:
        assert json.load(file)["status"] == 200


def test_without_an_access_log_there_is_none_under_gunicorn(cfg: Config) -> None:
    cfg.set("accesslog", None)

    assert gunicorn_access_log(cfg, gunicorn_logger(cfg)) is None


def test_handlers_that_gunicorns_access_logger_was_given_get_the_lines(cfg: Config, tmp_path: Any) -> None:
    path = tmp_path / "configured.log"
    cfg.set(
        "logconfig_dict",
        {
            "handlers": {
                "console": {"class": "logging.NullHandler"},
                "error_console": {"class": "logging.NullHandler"},
                "file": {"class": "logging.FileHandler", "filename": str(path)},
            },
            "loggers": {"gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False}},
        },
    )
    with root_put_back():
        log = gunicorn_access_log(cfg, gunicorn_logger(cfg))
    assert isinstance(log, AccessLog)
    assert isinstance(log._sink, LoggerSink)

    log.record(entry())
    log.close()

    assert path.read_text() == line(cfg.access_log_format) + "\n"


def test_the_process_that_writes_is_the_one_that_is_named() -> None:
    program = (
        "import os, sys\n"
        "from asgiworker.process.access_format import AccessEntry, compiled\n"
        "lines = compiled('%(p)s')\n"
        "entry = AccessEntry(0.0, 0.0, None, 'GET', b'/', '1.1', 200, 0, [], [])\n"
        "before = lines([entry])\n"
        "if child := os.fork(): sys.exit(os.waitpid(child, 0)[1] or before != [f'<{os.getpid()}>'])\n"
        "sys.exit(lines([entry]) != [f'<{os.getpid()}>'])\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
