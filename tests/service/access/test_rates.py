"""How often somebody may ask."""

import pytest
from pydantic import ValidationError

from service.access.rates import network
from service.keys.model import Role
from service.settings import Settings
from tests.service.refusals import refused
from tests.service.work import bearer

STUDIES = "/api/v1/studies"


def test_reads_and_writes_count_apart_for_each_key(installed, made, study):
    client = installed(access="keys", rate_reads="3/hour", rate_writes="1/hour")
    ann, bob = (bearer(made(name, Role.SUBMITTER).token) for name in ("ann", "bob"))
    for _ in range(3):
        assert client.get(STUDIES, headers=ann).status_code == 200
    answer = client.get(STUDIES, headers=ann)
    body = refused(answer)
    assert (body["status"], body["type"]) == (429, "urn:lpwd:problem:too-many-requests")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    assert "LPWD_RATE_READS" in body["detail"]
    assert client.post(STUDIES, json=study(), headers=ann).status_code == 201
    assert client.post(STUDIES, json=study(), headers=ann).status_code == 429
    assert client.get(STUDIES, headers=bob).status_code == 200


def test_without_a_key_an_address_counts(installed):
    client = installed(access="keys", rate_reads="2/hour")
    statuses = [client.get(STUDIES).status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert client.get("/healthz").status_code == 200


def test_behind_a_proxy_that_is_trusted_each_address_counts_alone(installed):
    client = installed(access="keys", rate_reads="1/hour", trusted_proxies="testclient,10.0.0.0/8")
    ways = ("198.51.100.1", "198.51.100.2, 10.1.1.1", "198.51.100.2", "made-up, 198.51.100.3")
    statuses = [client.get(STUDIES, headers={"X-Forwarded-For": way}).status_code for way in ways]
    assert statuses == [401, 401, 429, 401]
    # What others say of themselves is not believed.
    other = installed(access="keys", rate_reads="1/hour", trusted_proxies="10.0.0.0/8")
    statuses = [other.get(STUDIES, headers={"X-Forwarded-For": way}).status_code for way in ways]
    assert statuses == [401, 429, 429, 429]


@pytest.mark.parametrize("proxies", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/40"])
def test_what_is_no_address_of_a_proxy_is_refused(proxies):
    with pytest.raises(ValidationError, match=r"10\.0\.0\.0/8"):
        Settings(_env_file=None, trusted_proxies=proxies)


def test_signing_in_is_not_tried_for_ever(installed, made):
    client = installed(access="keys", rate_logins="2/hour")
    origin = {"Origin": "http://testserver"}
    ways = [client.post("/login", data={"key": "x"}, headers=origin) for _ in range(3)]
    assert [answer.status_code for answer in ways] == [401, 401, 429]
    assert client.get(STUDIES, headers=bearer(made("ann").token)).status_code == 200


def test_rates_can_be_off_and_do_not_count_where_nobody_needs_a_key(installed):
    off = installed(access="keys", rate_reads="off")
    assert {off.get(STUDIES).status_code for _ in range(20)} == {401}
    open_ = installed(rate_reads="1/hour")
    assert {open_.get(STUDIES).status_code for _ in range(20)} == {200}


@pytest.mark.parametrize("rate", ["", "often", "5", "-1/minute", "5/fortnight"])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(ValidationError, match="600/minute"):
        Settings(_env_file=None, rate_reads=rate)


def test_a_network_is_one_sender():
    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2:ffff::1")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:10.0.0.1") == network("10.0.0.1") == "10.0.0.1"
    assert network("testclient") == "testclient"
