"""One request to a receiver: signed, pinned, bounded."""

import socket
import time

import pytest
import trustme

from service.webhooks import sending, signing
from service.webhooks.addresses import Rules
from tests.service.webhooks.receiver import receiving

ANY = Rules(http=True, private=True)
BODY = {"type": "test", "data": {"name": "é"}}


@pytest.fixture
def secret():
    return signing.new_secret()


def test_a_delivery_is_signed_as_the_standard_has_it(secret):
    with receiving() as receiver:
        outcome = sending.deliver(receiver.url, secret, "d1", BODY, ANY)
    assert outcome.delivered
    assert outcome.status == 204
    ((path, headers, body),) = receiver.got
    assert path == "/hook"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "d1"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert "authorization" not in headers
    assert signing.verify(secret, headers, body, time.time())
    assert not signing.verify(secret, headers, body + b" ", time.time())
    assert not signing.verify(signing.new_secret(), headers, body, time.time())
    assert not signing.verify(secret, headers, body, time.time() + 301)
    assert not signing.verify(secret, headers | {"webhook-id": "d2"}, body, time.time())
    assert not signing.verify(secret, {}, body, time.time())


def test_the_signature_is_the_standards_own_example():
    """https://github.com/standard-webhooks/standard-webhooks, its reference value."""
    headers = signing.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_nothing_is_sent_inside_unless_that_is_allowed(secret):
    with receiving() as receiver:
        for rules in (Rules(), Rules(http=True), Rules(private=True)):
            outcome = sending.deliver(receiver.url, secret, "d1", BODY, rules)
            assert not outcome.delivered
            assert outcome.status is None
    assert receiver.got == []


def test_the_connection_goes_to_the_address_that_was_checked(secret, monkeypatch, tmp_path):
    """By the name in the certificate, in TLS and in the Host header; asked for once."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    asked = []
    real = socket.getaddrinfo

    def found(host, port, *arguments, **named):
        if host != "hooks.example.org":
            return real(host, port, *arguments, **named)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.66.66.66"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with receiving(authority, "hooks.example.org") as receiver:
        outcome = sending.deliver(receiver.url, secret, "d1", BODY, Rules(private=True))
    assert outcome.delivered, outcome
    assert asked == ["hooks.example.org"]
    assert receiver.names == ["hooks.example.org"]
    assert receiver.got[0][1]["host"] == f"hooks.example.org:{receiver.port}"


def test_a_certificate_of_another_name_is_refused(secret, monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with receiving(authority, "hooks.example.org") as receiver:
        url = f"https://127.0.0.1:{receiver.port}/"
        outcome = sending.deliver(url, secret, "d1", BODY, Rules(private=True))
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.error
    assert receiver.got == []


def test_redirects_are_not_followed(secret):
    with receiving() as inside, receiving() as receiver:
        receiver.answer, receiver.headers = 307, {"Location": inside.url}
        outcome = sending.deliver(receiver.url, secret, "d1", BODY, ANY)
    assert (outcome.status, outcome.delivered) == (307, False)
    assert "redirects" in outcome.error
    assert inside.got == []


def test_what_a_receiver_answers_counts(secret):
    with receiving() as receiver:
        for answer, delivered, gone in (
            (200, True, False),
            (500, False, False),
            (410, False, True),
        ):
            receiver.answer = answer
            outcome = sending.deliver(receiver.url, secret, "d1", BODY, ANY)
            assert (outcome.delivered, outcome.gone) == (delivered, gone)
    assert not sending.deliver(receiver.url, secret, "d1", BODY, ANY).delivered  # gone for good


def test_receivers_that_are_silent_or_never_done_are_left(secret, monkeypatch):
    monkeypatch.setattr(sending, "SILENCE", 0.3)
    monkeypatch.setattr(sending, "LONGEST", 0.6)
    with receiving() as receiver:
        receiver.pause = 1.0
        outcome = sending.deliver(receiver.url, secret, "d1", BODY, ANY)
        assert "silent" in outcome.error
        receiver.pause, receiver.drip, receiver.answer = 0.0, 1200, 200
        began = time.monotonic()
        sending.deliver(receiver.url, secret, "d1", BODY, ANY)
        assert time.monotonic() - began < 60  # of the two minutes that its answer takes


def test_proxies_of_the_environment_are_not_used(secret, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with receiving() as receiver:
        assert sending.deliver(receiver.url, secret, "d1", BODY, ANY).delivered
