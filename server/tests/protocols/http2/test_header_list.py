"""The head of an HTTP/2 request: what becomes of its fields, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from asgiworker.process.settings import Settings
from asgiworker.protocols.http2.header_list import HeaderList, HeaderListReader, MalformedRequest
from asgiworker.protocols.request import PLAIN, Refusal

pytestmark = pytest.mark.every_python

GET = {b":method": b"GET", b":scheme": b"http", b":authority": b"example.org", b":path": b"/"}


def head(*fields: tuple[bytes, bytes], **pseudo: bytes | None) -> HeaderList:
    """A request's header list; keywords replace a pseudo-header, or with None leave it out."""
    replaced = {**GET, **{b":" + name.encode(): value for name, value in pseudo.items()}}
    return (*((name, value) for name, value in replaced.items() if value is not None), *fields)


def read(fields: HeaderList, **limits: Any) -> Any:
    """What the reader makes of it, the first time and when it knows the fields."""
    reader = HeaderListReader(Settings(**limits))
    first, second = reader.read(fields), reader.read(fields)
    assert first == second
    assert first[2] is not second[2], "each request has a list of its own"
    return first


def refused(fields: HeaderList, **limits: Any) -> int:
    """The status of the refusal."""
    with pytest.raises(Refusal) as refusal:
        HeaderListReader(Settings(**limits)).read(fields)
    return refusal.value.status


def test_pseudo_headers_are_no_headers_and_the_authority_is_the_host():
    method, target, headers, _, routing = read(head((b"accept", b"*/*"), path=b"/a?b=c"))
    assert (method, target) == ("GET", b"/a?b=c")
    assert headers == [(b"host", b"example.org"), (b"accept", b"*/*")]
    assert routing is PLAIN


@pytest.mark.parametrize("place", range(4))
def test_the_path_is_found_wherever_it_stands(place: int):
    pseudo = [field for field in GET.items() if field[0] != b":path"]
    pseudo.insert(place, (b":path", b"/here"))
    assert read(tuple(pseudo))[1] == b"/here"


def test_a_path_is_looked_at_even_if_the_fields_are_known():
    reader = HeaderListReader(Settings(limit_request_line=100))
    assert reader.read(head())[1] == b"/"
    assert reader.read(head(path=b"/b"))[1] == b"/b"
    for path, status in ((b"/a#b", 400), (b"b", 400), (b"/\xe9", 400), (b"*", 400), (b"/" + b"a" * 100, 414)):
        with pytest.raises(Refusal) as refusal:
            reader.read(head(path=path))
        assert refusal.value.status == status, path


def test_a_list_that_an_application_changes_is_only_its_own():
    reader = HeaderListReader(Settings())
    reader.read(head())[2].clear()
    assert reader.read(head())[2] == [(b"host", b"example.org")]


def test_host_stands_in_for_an_authority_that_is_missing():
    assert read(head((b"host", b"other.org"), authority=None))[2] == [(b"host", b"other.org")]


def test_host_and_authority_may_agree_but_not_differ():
    assert read(head((b"a", b"b"), (b"host", b"Example.org")))[2] == [(b"host", b"example.org"), (b"a", b"b")]
    with pytest.raises(MalformedRequest):
        read(head((b"host", b"other.org")))


def test_cookies_are_joined_where_the_first_one_stood():
    cookies = [(b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2"), (b"cookie", b"c=3")]
    assert read(head(*cookies))[2][1:] == [(b"cookie", b"a=1; b=2; c=3"), (b"accept", b"*/*")]


def test_other_fields_that_come_twice_stay_two():
    twice = [(b"accept", b"a"), (b"accept", b"b")]
    assert read(head(*twice))[2][1:] == twice


def test_names_with_an_underscore_are_dropped():
    assert read(head((b"x_user", b"root"), (b"x-user", b"me")))[2][1:] == [(b"x-user", b"me")]


def test_the_fields_that_speak_to_the_server_are_read():
    routing = read(head((b"content-length", b"12"), (b"te", b"trailers"), (b"expect", b"100-Continue")))[4]
    assert (routing.length, routing.takes_trailers, routing.expects_continue) == (12, True, True)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (head(authority=b"user@example.org"), 400),
        (head(authority=b"example.org:80:80"), 400),
        (head(authority=b"[::1"), 400),
        (head(scheme=b"ftp"), 400),
        (head(path=b"*"), 400),
        (head(method=b"BREW"), 501),
        (head(method=b"get"), 501),
        (((b":method", b"CONNECT"), (b":authority", b"example.org:443")), 501),
        (head((b"expect", b"a-miracle")), 417),
    ],
    ids=repr,
)
def test_what_http1_refuses_is_refused_alike(fields: HeaderList, status: int):
    assert refused(fields) == status


def test_the_target_asterisk_is_for_options():
    assert read(head(method=b"OPTIONS", path=b"*"))[:2] == ("OPTIONS", b"*")


def test_limits_hold_to_the_byte():
    long = head((b"a", b"b" * 95))  # 100 bytes as a line: name, colon, blank, value and the line's end
    assert read(long, limit_request_field_size=100)
    assert refused(long, limit_request_field_size=99) == 431
    assert read(head(path=b"/" + b"a" * 99), limit_request_line=100)
    assert refused(head(path=b"/" + b"a" * 100), limit_request_line=100) == 414
    many = head(*((b"x-%d" % number, b"") for number in range(10)))
    assert read(many, limit_request_fields=11)  # the host is one of them
    assert refused(many, limit_request_fields=10) == 431


def test_a_head_is_as_large_as_http2_counts_it():
    fields = head((b"a", b"b" * 1000))
    size = sum(len(name) + len(value) + 32 for name, value in fields)
    assert read(fields, limit_request_head=size)
    assert refused(fields, limit_request_head=size - 1) == 431


def test_no_limit_is_no_limit():
    fields = head(*((b"x-%d" % number, b"y" * 500) for number in range(500)), path=b"/" + b"a" * 100_000)
    unlimited = dict.fromkeys(
        ("limit_request_line", "limit_request_head", "limit_request_fields", "limit_request_field_size"), 0
    )
    assert len(read(fields, **unlimited)[2]) == 501


def test_what_is_remembered_is_bounded_and_holds_no_secrets():
    reader = HeaderListReader(Settings())
    for number in range(3000):
        reader.read(head((b"x", b"%d" % number), authority=b"host-%d" % number))
    assert len(reader._blocks) <= 512
    assert len(reader._valid_hosts) <= 1024
    reader._blocks.clear()
    for name in (b"cookie", b"authorization", b"proxy-authorization"):
        reader.read(head((name, b"secret")))
    reader.read(head((b"x", b"y" * 3000)))
    assert not reader._blocks
