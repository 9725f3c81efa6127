"""An OpenAPI document is read: operations by their names, paths, references, authentication."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from asgistar.client import ApiKey, Bearer, Client, Document, DocumentError
from asgistar.client.auth import together
from asgistar.client.document import Operation, found_in
from asgistar.client.table import Settings


def document(**paths: Any) -> Document:
    return Document(
        {"openapi": "3.1.0", "paths": {path.replace("_", "/"): item for path, item in paths.items()}}
    )


def test_operations_are_named_by_their_ids_or_by_method_and_path() -> None:
    found = document(
        _={"get": {"operationId": "a:b.c/d-e"}, "post": {}},
        _notes={"get": {"operationId": "a:b.c/d-e"}, "x-websocket": {"operationId": "1st"}},
    ).operations
    assert list(found) == ["a:b.c/d-e", "post", "a:b.c/d-e_2", "1st"]
    assert found["a:b.c/d-e"].levels == ("a", "b", "c", "d_e")
    assert found["1st"].levels == ("_1st",)
    assert str(found["1st"]) == "WebSocket /notes (1st)"


def operation(path: str, **patterns: str) -> Operation:
    parameters = [
        {"name": name, "in": "path", "schema": {"pattern": each}} for name, each in patterns.items()
    ]
    of = {"operationId": "op", "parameters": parameters}
    return Document({"openapi": "3.1.0", "paths": {path: {"get": of}}}).operations["op"]


@pytest.mark.parametrize(
    ("path", "patterns", "asked", "texts"),
    [
        ("/a.b", {}, "/a.b", {}),
        ("/a.b", {}, "/axb", None),
        ("/{a}/{b}", {"b": "x", "a": "x"}, "/1/%2F%20", {"a": "1", "b": "/ "}),
        ("/{a}/x", {"a": "x"}, "/1/2/x", None),
        ("/{a}/x", {"a": ".+"}, "/1/2/x", {"a": "1/2"}),
        ("/{year}-{month}", {"year": "x", "month": "x"}, "/2026-11", {"year": "2026", "month": "11"}),
        ("/{unknown}", {}, "/1", {}),
    ],
)
def test_paths_are_matched(path: str, patterns: dict[str, str], asked: str, texts: Any) -> None:
    found = operation(path, **patterns)
    assert found.takes(asked) == texts
    assert found.takes(asked) == texts


def test_an_answer_is_found_by_its_status() -> None:
    of = {
        "operationId": "op",
        "responses": {"200": {}, "2XX": {"description": "2"}, "default": {"description": "d"}},
    }
    found = document(_={"get": of}).operations["op"]
    assert [found.answer(status).description for status in (200, 201, 404)] == ["", "2", "d"]  # type: ignore[union-attr]
    assert document(_={"get": {"operationId": "op"}}).operations["op"].answer(200) is None


def test_a_media_type_is_found_by_its_range() -> None:
    assert (
        found_in({"*/*": 1, "text/*": 2, "Text/Plain; charset=utf-8": 3}, "text/plain")
        == "Text/Plain; charset=utf-8"
    )
    assert found_in({"text/*": 2, "*/*": 1}, "text/html") == "text/*"
    assert found_in({"text/*": 2}, "image/png") is None


def test_references_are_followed() -> None:
    found = Document(
        {"openapi": "3.1.0", "a": {"b/c": [{"$ref": "#/d"}]}, "d": 7, "info": {"title": "T", "version": "1"}}
    )
    assert found.resolved({"$ref": "#/a/b~1c/0"}) == 7
    assert (found.title, found.version) == ("T", "1")
    for wrong in ("#/a/b~1c/x", "#/a/b~1c/7", "#/d/e"):
        with pytest.raises(DocumentError, match="There is nothing at"):
            found.resolved({"$ref": wrong})


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (ApiKey("k", "x-key"), {"x-key": "k"}),
        (ApiKey("k", "key", "query"), {"url": "http://example.com/?a=b&key=k"}),
        (ApiKey("k", "key", "cookie"), {"cookie": "a=b; key=k"}),
        (Bearer("t"), {"authorization": "Bearer t"}),
        (
            together([Bearer("t"), ApiKey("k", "x-key"), ApiKey("q", "key", "query")]),
            {"authorization": "Bearer t", "x-key": "k", "url": "http://example.com/?a=b&key=q"},
        ),
    ],
)
def test_ways_to_authenticate(auth: httpx.Auth, sent: dict[str, str]) -> None:
    request = httpx.Request("GET", "http://example.com/?a=b", headers={"cookie": "a=b"})
    request = next(auth.sync_auth_flow(request))
    assert {**request.headers, "url": str(request.url)}.items() >= sent.items()


def test_a_cookie_with_a_key_may_be_the_only_one() -> None:
    request = next(ApiKey("k", "key", "cookie").sync_auth_flow(httpx.Request("GET", "http://example.com/")))
    assert request.headers["cookie"] == "key=k"


@pytest.mark.parametrize(("number", "said"), [(0, "knows no API key"), (2, "knows several API keys")])
def test_a_key_without_a_name_needs_a_document_that_knows_it(number: int, said: str) -> None:
    schemes = {str(index): {"type": "apiKey", "name": "k", "in": "header"} for index in range(number)}
    source = {"openapi": "3.1.0", "components": {"securitySchemes": schemes}}
    with pytest.raises(DocumentError, match=said):
        Client(source, base_url="http://example.com", auth=ApiKey("k"))


def test_several_keys_are_found_in_the_document_and_stay_with_their_server() -> None:
    schemes = {"a": {"type": "apiKey", "name": "x-key", "in": "header"}}
    source = {"openapi": "3.1.0", "components": {"securitySchemes": schemes}}
    settings = Settings(source, None, "https://good.example/", [ApiKey("k"), ApiKey("c", "sid", "cookie")])
    request = next(settings.auth.sync_auth_flow(httpx.Request("GET", "https://evil.example/")))
    assert (request.headers["x-key"], request.headers["cookie"]) == ("k", "sid=c")
    settings.keep_key(request)
    assert not {"x-key", "cookie"} & request.headers.keys()
    asking = Settings("https://good.example/", None, None, (ApiKey("k"), Bearer("t"))).asking_auth
    assert isinstance(asking, Bearer)


def test_one_of_several_ways_may_answer_a_challenge() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-key"] == "k"
        if "authorization" in request.headers:
            return httpx.Response(200, text=request.headers["authorization"])
        return httpx.Response(401, headers={"www-authenticate": 'Digest realm="a", nonce="b", qop="auth"'})

    auth = together([ApiKey("k", "x-key"), httpx.DigestAuth("anna", "secret")])
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        assert client.get("http://example.com/").text.startswith('Digest username="anna"')


def test_what_is_no_way_to_authenticate_is_told_of() -> None:
    with pytest.raises(TypeError, match=r"auth is a list with 'token' in it\. Give Bearer, Basic, ApiKey"):
        Client("http://example.com", auth=["token"])


def test_private_names_are_no_operations() -> None:
    client = Client({"openapi": "3.1.0"}, base_url="http://example.com")
    with pytest.raises(AttributeError):
        client.__wrapped__  # noqa: B018
    with pytest.raises(AttributeError):
        client._private  # noqa: B018
    client.close()
