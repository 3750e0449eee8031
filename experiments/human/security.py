"""Who may talk to the server, and how much may be sent to it: a middleware before all pages."""

from __future__ import annotations

import ipaddress
from secrets import compare_digest

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16 * 1024
"""Bytes of a request's body; the longest form has a few hundred."""
TOKEN_COOKIE = "ia_gym_token"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""Names by which a browser on this machine may call the server."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every response: nothing is loaded from elsewhere, nothing is framed, nothing is kept."""


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses requests before they reach a page.

    ======  ==================================================================================
      400   without a token, a name of the server that is not the loopback's (a foreign page that
            has its own name lead here)
      401   no token, or a wrong one, where one is demanded
      403   a form sent from a page of another site
      413   a body of more than ``MAX_BODY`` bytes
    ======  ==================================================================================

    Args:
        app: the pages.
        token: to be given as ``Authorization: Bearer TOKEN``, as a cookie, or once as
            ``?token=TOKEN``, which sets the cookie; None to demand none.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._refuse(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        size = 0
        started = False

        async def receive_limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                raise BodyTooLargeError
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            await self.app(scope, receive_limited, send_with_headers)
        except BodyTooLargeError:
            if not started:
                await refuse_body()(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        """The response to a request that may not pass; None for one that may."""
        host = request.headers.get("host", "")
        if self.token is None and host.rsplit(":", 1)[0] not in LOOPBACK_NAMES:
            return PlainTextResponse("unknown host", 400)
        if self.token is not None:
            given = request.query_params.get("token")
            if given is not None and self._is_token(given) and request.method == "GET":
                response = RedirectResponse(request.url.path, 303)
                response.set_cookie(TOKEN_COOKIE, given, httponly=True, samesite="strict")
                return response
            header = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not (self._is_token(header) or self._is_token(request.cookies.get(TOKEN_COOKIE))):
                return PlainTextResponse("a token is needed", 401, {"WWW-Authenticate": "Bearer"})
        origin = request.headers.get("origin")
        if request.method == "POST" and origin is not None and origin.split("//", 1)[-1] != host:
            return PlainTextResponse("sent from another site", 403)
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > MAX_BODY:
            return refuse_body()
        return None

    def _is_token(self, given: str | None) -> bool:
        assert self.token is not None
        return given is not None and compare_digest(given.encode(), self.token.encode())


class BodyTooLargeError(Exception):
    """More bytes came than may."""


def refuse_body() -> Response:
    """The response to a body that is too large."""
    return PlainTextResponse(f"at most {MAX_BODY} bytes can be sent", 413)
