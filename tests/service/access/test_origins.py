"""Whom a request asks, and whose page sent it; proxies."""

import pytest
from starlette.datastructures import Headers

from service.access.origin import foreign_page, host_name, known_host
from service.access.policy import is_loopback, policy_of
from service.settings import Settings
from tests.service.refusals import refused
from tests.service.work import bearer

STUDIES = "/api/v1/studies"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("LOCALHOST:9", True),
        ("localhost.", True),
        ("[::1]:8000", True),
        ("lpwd.example.org", True),
        ("evil.example.org", False),
        ("127.0.0.1.evil.example.org", False),
        ("localhost.evil.example.org:8000", False),
        ("lpwd.example.org.evil.example", False),
        ("192.168.1.5:8000", False),
        ("127.0.0.1/healthz?", False),
        ("127.0.0.1@evil.example.org", False),
        ("[::1", False),
        ("", False),
        ("a b", False),
    ],
)
def test_hosts_that_are_this_service(host, known):
    assert known_host([host], frozenset({"lpwd.example.org"})) is known


def test_one_host_is_named():
    assert not known_host([], None)
    assert not known_host(["localhost", "localhost"], None)
    assert known_host(["whatever.example"], None)
    assert not known_host(["what/ever"], None)
    assert host_name("[fe80::1]:80") == "fe80::1"


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, False),
        ({"host": "lpwd.example.org", "origin": "https://lpwd.example.org"}, False),
        ({"host": "[::1]:8000", "origin": "http://[::1]:8000"}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:9000"}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://localhost:8000"}, True),
        ({"host": "127.0.0.1:8000", "origin": "https://evil.example.org"}, True),
        ({"host": "127.0.0.1:8000", "origin": "null"}, True),
        ({"host": "127.0.0.1:8000", "origin": ""}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://[::1"}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:x"}, True),
        ({"host": "a", "origin": "file://a"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
    ],
)
def test_pages_of_other_sites(headers, foreign):
    assert (foreign_page("POST", Headers(headers)) is not None) is foreign
    assert foreign_page("GET", Headers(headers)) is None


def test_pages_of_other_sites_change_nothing(client, study):
    for headers in (
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
    ):
        body = refused(client.post(STUDIES, json=study(), headers=headers))
        assert body["status"] == 403
        assert client.delete(f"{STUDIES}/x", headers=headers).status_code == 403
    assert client.get(STUDIES).json()["items"] == []
    assert client.post(STUDIES, json=study(), headers={"Origin": "http://testserver"}).is_success


def test_a_name_that_points_here_is_not_enough(client, study):
    for method, path in (("GET", STUDIES), ("POST", STUDIES), ("GET", "/"), ("GET", "/metrics")):
        headers = {"Host": "evil.example.org"}
        answer = client.request(method, path, headers=headers)
        assert refused(answer)["status"] == 421
        assert "LPWD_ALLOWED_HOSTS" in answer.json()["detail"]
    assert client.get("/healthz", headers={"Host": "10.1.2.3"}).status_code == 200


def test_a_host_header_does_not_change_what_is_asked_for(guarded):
    for host in ("127.0.0.1/healthz?", "127.0.0.1/static/", "x@127.0.0.1"):
        assert guarded.get(STUDIES, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_came_through_a_proxy_needs_a_key_even_on_loopback(client, installed, made, header):
    proxied = {header: "127.0.0.1"}
    body = refused(client.get(STUDIES, headers=proxied))
    assert (body["status"], body["type"]) == (401, "urn:lpwd:problem:key-needed")
    assert client.get(STUDIES, headers=proxied | bearer(made("ann").token)).status_code == 200
    assert client.get("/healthz", headers=proxied).status_code == 200
    assert installed(access="open").get(STUDIES, headers=proxied).status_code == 200


def test_what_a_proxy_says_is_not_believed(guarded, made):
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-Host": "localhost"}):
        assert guarded.get(STUDIES, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, "open"),
        ({"host": "::1"}, "open"),
        ({"host": "localhost"}, "open"),
        ({"host": "0.0.0.0"}, "keys"),
        ({"host": "::"}, "keys"),
        ({"host": "192.168.1.5", "allow_remote": True}, "keys"),
        ({"host": "lpwd.example.org"}, "keys"),
        ({"access": "keys"}, "keys"),
        ({"access": "read-open", "host": "0.0.0.0"}, "read-open"),
        ({"access": "open", "host": "0.0.0.0"}, "open"),
    ],
)
def test_who_needs_a_key(settings, mode):
    assert policy_of(Settings(_env_file=None, **settings)).mode == mode


def test_loopback_is_told_apart():
    assert is_loopback("127.0.0.2")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("localhost.example.org")


def test_answers_to_those_with_keys_stay_out_of_shared_caches(guarded, client, made, study):
    headers = bearer(made("root", "admin").token)
    address = guarded.post(STUDIES, json=study(), headers=headers).headers["location"]
    for path in (address, f"{address}/heatmap.csv", "/", "/api/v1/optimizers"):
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 200
        said = answer.headers["cache-control"]
        assert "no-store" in said or "private" in said, path
        assert "public" not in said
        assert "Authorization" in answer.headers["vary"]
    assert guarded.get(STUDIES).headers["cache-control"] == "no-store"


def test_where_reading_is_open_what_a_key_opens_is_not_shared(installed, made):
    client = installed(access="read-open")
    headers = bearer(made("root", "admin").token)
    for path in ("/api/v1/keys", "/api/v1/webhooks", "/", "/api/v1/keys/me"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200
        said = answer.headers["cache-control"]
        assert "no-store" in said or "private" in said, path
        assert "Authorization" in answer.headers["vary"]
    answer = client.get("/")
    assert "private" not in answer.headers["cache-control"]
    assert "Cookie" in answer.headers["vary"]


def test_every_answer_has_the_headers_of_safety(guarded, installed):
    for path in ("/login", STUDIES, "/healthz", "/static/lpwd.css", "/nothing"):
        headers = guarded.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers
    secure = installed(access="keys", https=True).get("/login").headers
    assert secure["strict-transport-security"].startswith("max-age=")
