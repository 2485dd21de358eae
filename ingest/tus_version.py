"""What tus wants around every request: its version on each answer, and methods that proxies do not let through."""

from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.problems import ProblemError
from ingest.tus_headers import VERSION

PATH = "/files/"


def speaks(request: Request) -> None:
    """Return if the client speaks our version; raises `ProblemError`."""
    if request.headers.get("tus-resumable") != VERSION:
        raise ProblemError("tus_version_unsupported")


@dataclass(frozen=True)
class TusVersion:
    """The middleware."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, as tus has it where the path is tus's."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(PATH):
            await self.app(scope, receive, send)
            return
        override = Headers(scope=scope).get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and override in {"PATCH", "DELETE", "HEAD"}:
            scope = {**scope, "method": override}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Tus-Resumable"] = VERSION
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
                if message["status"] == 412:  # noqa: PLR2004 - Precondition Failed
                    headers["Tus-Version"] = VERSION
            await send(message)

        await self.app(scope, receive, answer)
