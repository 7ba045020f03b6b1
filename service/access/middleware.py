"""Asks every request who sends it, and lets it pass or not, before anything of it is read."""

from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlencode

from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.viewer import VIEWER, Viewer
from service.access import origin
from service.access.keyring import Keyring
from service.access.model import Identity, Mode
from service.access.policy import Policy
from service.access.rates import Kind, Rates, sender
from service.access.rules import READING, Rule, reads, rule_of, study_of
from service.access.sessions import COOKIE, SECURE_COOKIE
from service.db import Database
from service.db.tables.studies import StudyRow
from service.errors import (
    KeyInvalidError,
    KeyNeededError,
    MisdirectedError,
    NotAllowedError,
    ServiceError,
    TooManyRequestsError,
)
from service.keys.model import Role
from service.problems import answer_error

NOBODY = Identity(Role.READER)
"""Whoever asks for what needs no key."""
LOGIN = "/login"


class AccessControl:
    """Middleware that answers 401, 403, 421 or 429, or lets the application know who asks."""

    def __init__(
        self, app: ASGIApp, *, policy: Policy, keyring: Keyring, database: Database, rates: Rates
    ) -> None:
        """Wrap `app`."""
        self._app = app
        self._policy = policy
        self._keyring = keyring
        self._database = database
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            identity = await self._admitted(request)
        except (ServiceError, DBAPIError) as error:
            await _refusal(request, error)(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        VIEWER.set(self._viewer(identity))
        await self._app(scope, receive, self._private(send, identity))

    async def _admitted(self, request: Request) -> Identity:
        """Return who sends a request that may pass."""
        # Never `request.url`, which is made of what the Host header says.
        path, method = request.scope["path"], request.method
        rule, reading = rule_of(path), reads(method, path, request.query_params)
        needed = rule.role(reads=reading)
        if needed is None:
            if method not in READING:
                self._check_origin(request)
                self._count(request, None)
            return await self._greeted(request)
        self._check_origin(request)
        try:
            identity = await self._identify(request)
            if identity is None or not identity.role.covers(needed):
                self._refuse(request, identity, needed)
        except KeyNeededError:
            self._count(request, None)
            raise
        self._count(request, identity)
        if rule.owned(reads=reading):
            await self._check_owner(request, rule, identity)
        return identity

    async def _greeted(self, request: Request) -> Identity:
        """Return who is signed in where nothing depends on it but how the page greets."""
        if request.scope["path"] == LOGIN and self._cookie(request):
            return await self._resumed(request) or NOBODY
        return NOBODY

    def _check_origin(self, request: Request) -> None:
        """Refuse what another site's page has a browser send, or asks by another name."""
        hosts = request.headers.getlist("host")
        if not origin.known_host(hosts, self._policy.hosts):
            raise MisdirectedError(
                f"it was asked for as {', '.join(hosts)[:100]!r}; use 127.0.0.1, or name that host "
                "in LPWD_ALLOWED_HOSTS"
            )
        foreign = origin.foreign_page(request.method, request.headers)
        if foreign is not None:
            raise NotAllowedError(
                f"pages of other sites may change nothing here, and {foreign}; send the request "
                "from a program, or from a page of this service"
            )

    async def _identify(self, request: Request) -> Identity | None:
        """Return who sends a request; None where it came without a key, and that is nobody."""
        given = request.headers.getlist("authorization")
        if given:
            return await self._bearer(given)
        if self._cookie(request):
            resumed = await self._resumed(request)
            if resumed is not None:
                self._check_form(request)
                return resumed
        through = origin.proxied(request.headers) if self._policy.local else None
        if through is not None:
            raise KeyNeededError(
                f"the request came through a proxy (it has {through}), and only this machine needs "
                "no key; send one as Authorization: Bearer …, or set LPWD_ACCESS to say who needs "
                "one"
            )
        return self._policy.anonymous

    async def _bearer(self, given: list[str]) -> Identity:
        """Return whose key a request came with."""
        scheme, _, token = given[0].strip().partition(" ")
        if len(given) != 1 or scheme.lower() != "bearer":
            raise KeyInvalidError("send one header Authorization: Bearer lpwd_…")
        token = token.strip()
        found = self._keyring.remembered(token)
        if found is None:
            found = await run_in_threadpool(self._keyring.identify, token)
        return found

    def _cookie(self, request: Request) -> str | None:
        return request.cookies.get(SECURE_COOKIE if self._policy.https else COOKIE)

    async def _resumed(self, request: Request) -> Identity | None:
        secret = self._cookie(request) or ""
        found = self._keyring.remembered(secret, session=True)
        if found is None:
            found = await run_in_threadpool(self._keyring.resume, secret)
        return found

    def _check_form(self, request: Request) -> None:
        """Refuse a change that a browser's cookie allows unless the browser says who asks for it.

        All do; so that no page needs a token of its own in its forms.
        """
        if request.method not in READING and not origin.from_a_page_of_ours(request.headers):
            raise NotAllowedError(
                "a change with a cookie needs the header Origin, which browsers send; programs "
                "send Authorization: Bearer … instead"
            )

    def _refuse(self, request: Request, identity: Identity | None, needed: Role) -> NoReturn:
        what = f"{request.method} {request.scope['path'][:100]}"
        or_more = "" if needed is Role.ADMIN else " or more"
        if identity is None or identity.key_id is None:
            raise KeyNeededError(
                f"{what} needs a key whose role is {needed}{or_more}: send it as Authorization: "
                "Bearer …; `lpwd key create` makes one where the service runs"
            )
        raise NotAllowedError(
            f"key {identity.name!r} is a {identity.role}'s; {what} needs one whose role is "
            f"{needed}{or_more}"
        )

    async def _check_owner(self, request: Request, rule: Rule, identity: Identity) -> None:
        if identity.role is Role.ADMIN:
            return
        study_id = study_of(request.scope["path"], rule)
        known, owner = await run_in_threadpool(self._owner, study_id)
        if known and not identity.may_change(owner):
            raise NotAllowedError(
                f"study {study_id} is not of key {identity.name!r}: only its owner and admins may "
                "change it; a clone of it would be yours"
            )

    def _owner(self, study_id: str) -> tuple[bool, str | None]:
        """Return whether there is a study, and whose it is."""
        with self._database.read() as session:
            study = session.get(StudyRow, study_id) if study_id.isalnum() else None
            return study is not None, None if study is None else study.owner_id

    def _count(self, request: Request, identity: Identity | None) -> None:
        if self._policy.mode is Mode.OPEN and (identity is None or identity.key_id is None):
            return
        address = request.client.host if request.client else ""
        if request.scope["path"] == LOGIN:
            self._rates.count(Kind.LOGINS, sender(None, address))
        kind = Kind.READS if request.method in READING else Kind.WRITES
        self._rates.count(kind, sender(identity, address))

    def _viewer(self, identity: Identity) -> Viewer | None:
        if identity is NOBODY:
            return None
        return Viewer(
            name=identity.name,
            role=identity.role,
            signed_in=identity.session,
            may_sign_in=identity.key_id is None and identity.role is not Role.ADMIN,
            may_send=identity.role.covers(Role.SUBMITTER),
            may_change_all=identity.role is Role.ADMIN,
        )

    def _private(self, send: Send, identity: Identity) -> Send:
        """Keep answers out of caches that others share, where a key is needed or came along.

        What it opens, and the name on a page, are not for whoever asks the cache next.
        """
        if self._policy.mode is Mode.OPEN and identity.key_id is None:
            return send
        own = self._policy.mode is Mode.KEYS or identity.key_id is not None

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if own:
                    headers["cache-control"] = _not_shared(headers.get("cache-control", "no-store"))
                headers.add_vary_header("Authorization, Cookie")
            await send(message)

        return keep


def _not_shared(said: str) -> str:
    """Return what an answer says to caches, for its sender's own alone."""
    if "no-store" in said:
        return said
    said = said.replace("public", "private")
    return said if "private" in said else f"private, {said}"


def _refusal(request: Request, error: ServiceError | DBAPIError) -> Response:
    """Answer a request that may not pass; a browser that wants a page may sign in."""
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    page = not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")
    if page and isinstance(error, KeyNeededError) and request.method in READING:
        back = path + (f"?{query}" if query else "")
        following = "" if back == "/" else "?" + urlencode({"next": back})
        answer: Response = RedirectResponse(LOGIN + following, HTTPStatus.SEE_OTHER)
    else:
        answer = answer_error(request, error)
    if isinstance(error, KeyNeededError):
        answer.headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, TooManyRequestsError):
        answer.headers["Retry-After"] = str(error.seconds)
    answer.headers["Cache-Control"] = "no-store"
    return answer
