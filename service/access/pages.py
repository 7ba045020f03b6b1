"""Signing in and out, for browsers."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dashboards.views import render
from service.access import sessions
from service.access.identity import IdentityOf
from service.access.keyring import Keyring
from service.access.policy import policy_of
from service.access.sessions import COOKIE, LASTS, SECURE_COOKIE
from service.app_state import DatabaseOf, KeyringOf, SettingsOf
from service.db import Database
from service.errors import KeyInvalidError
from service.settings import Settings

MOST_FIELDS = 10
"""Fields of a form that are read."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
def form(
    identity: IdentityOf,
    settings: SettingsOf,
    following: Annotated[str, Query(alias="next", max_length=4000)] = "/",
) -> HTMLResponse:
    """Ask for a key."""
    return _form(settings, following=local(following), name=identity.name)


@router.post("/login")
async def sign_in(
    request: Request, database: DatabaseOf, keyring: KeyringOf, settings: SettingsOf
) -> Response:
    """Begin a session for the holder of a key."""
    fields = _fields(await request.body())
    key, following = fields.get("key", ""), local(fields.get("next", ""))
    try:
        secret = await run_in_threadpool(_begin, database, keyring, key.strip())
    except KeyInvalidError as error:
        return _form(settings, following=following, wrong=error.detail)
    answer = RedirectResponse(following, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        **_cookie(settings),
        value=secret,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout")
def sign_out(
    request: Request, database: DatabaseOf, keyring: KeyringOf, settings: SettingsOf
) -> Response:
    """End a session."""
    cookie = _cookie(settings)
    secret = request.cookies.get(cookie["key"])
    if secret:
        with database.write() as session:
            sessions.end(session, secret)
        keyring.forget()
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(**cookie, httponly=True, samesite="strict")
    return answer


def local(address: str) -> str:
    """Return an address of this service to go on to; the first page for any other.

    Browsers read `//host` and `/\\host` as another host's, and leave out tabs and line ends.
    """
    good = address.startswith("/") and address.isprintable() and address[1:2] not in {"/", "\\"}
    return address if good and not address.startswith("/login") else "/"


def _fields(body: bytes) -> dict[str, str]:
    """Return what a form holds; nothing where that is more than the one for signing in has.

    Of a name that comes twice, the first counts.
    """
    try:
        found = parse_qs(body.decode(errors="replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _begin(database: Database, keyring: Keyring, key: str) -> str:
    identity = keyring.identify(key)
    assert identity.key_id is not None  # noqa: S101 - it came with a key
    with database.write() as session:
        return sessions.begin(session, identity.key_id)


def _form(
    settings: Settings, *, following: str, name: str | None = None, wrong: str | None = None
) -> HTMLResponse:
    return render(
        "login.html",
        HTTPStatus.OK if wrong is None else HTTPStatus.UNAUTHORIZED,
        following=following,
        name=name,
        wrong=wrong,
        mode=policy_of(settings).mode,
    )


def _cookie(settings: Settings) -> dict[str, Any]:
    """Return what names the cookie, alike for setting and for deleting it."""
    name = SECURE_COOKIE if settings.https else COOKIE
    return {"key": name, "path": "/", "secure": settings.https}
