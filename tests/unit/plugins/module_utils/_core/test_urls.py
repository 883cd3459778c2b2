# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a URL is shown, what is secret, and where credentials may go."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.urls import (
    SplitUrl,
    is_same_origin,
    redirected_url,
    shown_url,
    split_url,
)


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("http://host/a", SplitUrl("http://host/a", "", None, None)),
        ("http://host", SplitUrl("http://host/", "", None, None)),
        ("https://host:8443/a/b?sig=S&x=1#part", SplitUrl("https://host:8443/a/b", "sig=S&x=1", None, None)),
        ("https://op:p%40ss@host/a", SplitUrl("https://host/a", "", "op", "p@ss")),
        ("https://op@host/a", SplitUrl("https://host/a", "", "op", None)),
        ("http://[::1]:80/a", SplitUrl("http://[::1]:80/a", "", None, None)),
        ("http://[fe80::1%25eth0]/a", SplitUrl("http://[fe80::1%25eth0]/a", "", None, None)),
        ("http://a_b.xn--bcher-kva.example.:80/", SplitUrl("http://a_b.xn--bcher-kva.example.:80/", "", None, None)),
        (f"http://{'x' * 63}.y/", SplitUrl(f"http://{'x' * 63}.y/", "", None, None)),
        ("https://a@b:c@host/x", SplitUrl("https://host/x", "", "a@b", "c")),
    ],
)
def test_secrets_are_taken_out_of_a_url(url: str, split: SplitUrl) -> None:
    assert split_url(url, "url") == split


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/a",
        "ftp://host/a",
        "file:///etc/shadow",
        "http:///a",
        "http://host/a b",
        "http://host/a\n",
        "http://h:x/",
        "http://host/ö",
        "http://bücher.example/",
        "http://[::1/",
        "http://[::1]x/",
        "http://x[::1]/",
        "http://[x]/",
        "http://ho%0ast/",
        "http://a..b/",
        "http://.a/",
        f"http://{'x' * 64}/",
    ],
)
def test_what_is_no_http_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(RequestError) as caught:
        split_url(f"{url}?sig=SECRET" if " " not in url else url, "url")
    assert "SECRET" not in str(caught.value) + str(caught.value.facts)


def test_a_shown_url_has_neither_user_nor_query() -> None:
    assert shown_url("https://op:word@host:1/a.tar.zst?X-Amz-Signature=abc#f") == "https://host:1/a.tar.zst"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b?sig=1", "https://host/b?sig=1"),
        ("b", "https://host/a/b"),
        ("http://other/x y", "http://other/x%20y"),
        ("//cdn/x", "https://cdn/x"),
    ],
)
def test_a_redirect_leads_from_the_url_that_it_came_from(location: str, target: str) -> None:
    assert redirected_url("https://host/a/old", location) == target


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/shadow",
        "http://[::1/x",
        "//[x",
        "http://a..b/x",
        f"//{'x' * 64}/",
        "/ü",
        "/\x01",
        "http://h:99999/",
    ],
)
def test_a_redirect_to_what_is_no_http_url_is_refused(location: str) -> None:
    with pytest.raises(RequestError) as caught:
        redirected_url("https://host/a?sig=SECRET", f"{location}?sig=SECRET")
    assert "SECRET" not in str(caught.value) + str(caught.value.facts)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://host/a", "https://host:443/b", True),
        ("http://host/a", "http://HOST:80/b", True),
        ("http://host/a", "https://host/a", False),
        ("https://host/a", "https://host:8443/a", False),
        ("https://host/a", "https://host.evil/a", False),
        ("https://host/a", "https://host@evil/a", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert is_same_origin(one, other) is same
