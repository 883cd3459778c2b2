# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a server, who gets the credentials, and which servers are trusted."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.http_source import HttpSource
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    RequestError,
    SourceError,
    StateError,
)
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils.range_server import RangeServer

CONTENT = b"content"
CREDENTIALS: dict[str, Any] = {"username": "op", "password": "wörd", "headers": {"X-Token": "T"}}


class Certificate(NamedTuple):
    path: Path
    key: Path


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(CONTENT).running() as server:
        yield server


@pytest.fixture
def other() -> Iterator[RangeServer]:
    with RangeServer(CONTENT).running() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    directory = tmp_path_factory.mktemp("tls")
    found = Certificate(directory / "certificate.pem", directory / "key.pem")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", found.key, "-out", found.path], check=True, capture_output=True)
    return found


def read_all(source: HttpSource, offset: int = 0, validator: str | None = None) -> bytes:
    content = b""
    with source.open_at(offset, validator) as response:
        assert response.answer.status in (200, 206)
        while piece := response.read(100):
            content += piece
    return content


def test_a_part_is_asked_for_on_condition_that_it_is_of_the_same_content(server: RangeServer) -> None:
    source = HttpSource(f"{server.url}/a")
    assert read_all(source, 3, '"one"') == b"tent"
    assert read_all(source, 3, '"two"') == CONTENT
    assert read_all(source, 3) == b"tent"


def test_a_weak_etag_tells_nothing_about_parts(server: RangeServer) -> None:
    server.etag = 'W/"one"'
    with HttpSource(server.url).open_at(0, None) as response:
        assert response.answer.validator is None


def test_user_headers_and_query_reach_the_server(server: RangeServer) -> None:
    server.user = ("op", CREDENTIALS["password"])
    source = HttpSource(f"{server.url}/a?sig=S", **CREDENTIALS)
    assert read_all(source) == CONTENT
    assert (server.requests[0].path, server.requests[0].token) == ("/a?sig=S", "T")


def test_a_redirect_on_the_same_server_keeps_the_credentials(server: RangeServer) -> None:
    server.redirects = {"/a": "/b?sig=S"}
    assert read_all(HttpSource(f"{server.url}/a", **CREDENTIALS)) == CONTENT
    first, second = server.requests
    assert second == first._replace(path="/b?sig=S")


def test_a_redirect_to_another_server_gets_no_credentials(server: RangeServer, other: RangeServer) -> None:
    server.redirects = {"/a": f"{other.url}/b"}
    source = HttpSource(f"{server.url}/a", **CREDENTIALS)
    assert read_all(source, 3) == b"tent"
    (request,) = other.requests
    assert (request.authorization, request.token, request.range) == (None, None, "bytes=3-")


def test_redirects_in_a_circle_come_to_an_end(server: RangeServer) -> None:
    server.redirects = {"/a": "/a"}
    with pytest.raises(StateError, match="redirects more than 5 times"):
        read_all(HttpSource(f"{server.url}/a"))
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://[::1/x", "//[x", "http://a..b/x", f"//{'x' * 64}/", "/\xfc"]
)
def test_a_redirect_to_no_web_server_is_refused(server: RangeServer, location: str) -> None:
    server.redirects = {"/a": location}
    with pytest.raises(FormatError, match="no HTTP URL"):
        read_all(HttpSource(f"{server.url}/a"))


@pytest.mark.parametrize(
    "value",
    ["Bearer SECRET\n", "SECRET\r\nX-Other: 1", "SECRET\n folded", "SECRET\x00", "SECRET\x7f", "SECRET\N{SNOWMAN}"],
)
def test_a_header_that_cannot_be_sent_is_named_without_its_value(server: RangeServer, value: str) -> None:
    with pytest.raises(RequestError, match="'Authorization'") as caught:
        read_all(HttpSource(server.url, headers={"X-Good": "S\tw\xf6rd", "Authorization": value}))
    assert "SECRET" not in str(caught.value) + str(caught.value.facts)
    assert server.requests == []


@pytest.mark.parametrize("name", ["", "Authorization: SECRET", "X-SECRET\n", "X-S\xf6SECRET"])
def test_a_header_whose_name_is_none_is_refused_without_being_shown(server: RangeServer, name: str) -> None:
    with pytest.raises(RequestError, match="url_headers") as caught:
        read_all(HttpSource(server.url, headers={name: "value"}))
    assert "SECRET" not in str(caught.value) + str(caught.value.facts)
    assert server.requests == []


def test_a_header_may_have_what_latin_1_has(server: RangeServer) -> None:
    assert read_all(HttpSource(server.url, headers={"X-Token": "w\xf6rd\tx"})) == CONTENT
    assert server.requests[0].token == "w\xf6rd\tx"  # noqa: S105  made up


def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://op:SECRET@a..b:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(StateError, match="http_proxy") as caught:
        read_all(HttpSource("http://host.invalid/a"))
    assert not isinstance(caught.value, SourceError)
    assert "SECRET" not in str(caught.value) + str(caught.value.facts)


def test_a_server_with_a_certificate_of_the_own_authority_is_trusted(certificate: Certificate) -> None:
    with RangeServer(CONTENT).running(*certificate) as server:
        assert read_all(HttpSource(server.url, ca_path=str(certificate.path))) == CONTENT


def test_certificates_that_are_not_there_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, words in (("missing", "No such file"), ("empty", "has no certificates"), (".", "Is a directory")):
        path = str(tmp_path / name)
        with pytest.raises(StateError, match=words) as caught:
            read_all(HttpSource("https://127.0.0.1:1/", ca_path=path))
        assert not isinstance(caught.value, SourceError)  # which is tried again
        assert path in str(caught.value)
        assert caught.value.facts == {"path": path}


def test_a_server_whose_certificate_nobody_vouches_for_is_refused_without_another_try(
    certificate: Certificate,
) -> None:
    with RangeServer(CONTENT).running(*certificate) as server:
        with pytest.raises(StateError, match="no valid certificate") as caught:
            read_all(HttpSource(f"{server.url}/?sig=SECRET"))
        assert not isinstance(caught.value, SourceError)
        assert "SECRET" not in str(caught.value)
        assert server.requests == []


def test_a_certificate_is_not_looked_at_when_that_is_asked_for(certificate: Certificate) -> None:
    with RangeServer(CONTENT).running(*certificate) as server:
        assert read_all(HttpSource(server.url, validate_certs=False)) == CONTENT


def test_a_redirect_away_from_tls_is_refused(certificate: Certificate, other: RangeServer) -> None:
    server = RangeServer(CONTENT, redirects={"/a": f"{other.url}/b"})
    with server.running(*certificate), pytest.raises(StateError, match="without encryption"):
        read_all(HttpSource(f"{server.url}/a", ca_path=str(certificate.path)))
    assert other.requests == []


def test_a_server_that_is_not_there_may_be_there_later() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(SourceError, match="Connection refused") as caught:
        read_all(HttpSource(f"http://op:word@127.0.0.1:{port}/a?sig=SECRET"))
    assert "SECRET" not in str(caught.value) + str(caught.value.facts)
    assert "word" not in str(caught.value) + str(caught.value.facts)


def test_a_server_that_speaks_something_else_may_be_mended_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        source = HttpSource(f"http://127.0.0.1:{port}/a", timeout=0.2)
        with pytest.raises(SourceError, match="timed out"):
            read_all(source)
