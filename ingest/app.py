"""The HTTP server: `create` wires it from its services, `main` is what `darkroom ingest` runs."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from ingest.access import Access, Cors, Doorkeeper, ForbiddenBindError, access_of
from ingest.adoption import Adoption
from ingest.budget import Budget
from ingest.docs import Docs
from ingest.health import Health
from ingest.intake import Intake
from ingest.lingering import Lingering
from ingest.pressure import Pressure
from ingest.reads import Reads
from ingest.requests import Requests
from ingest.server import serve
from ingest.uploads import Uploads
from pipeline.adapters import logs, wiring
from pipeline.adapters.wiring import Services
from pipeline.config import ConfigError
from pipeline.settings import SettingsError, read_settings

BUFFERED = 96 * 1024 * 1024
"""Bytes of parts that all uploads together may hold in memory."""


def create(services: Services, access: Access) -> Starlette:
    """The application. Its threads are of four kinds, so that none waits for a slower one."""
    intending, storing, reading, asking = (ThreadPoolExecutor(most) for most in (8, 24, 8, 3))
    ledger, objects, pipeline = services.ledger, services.objects, services.pipeline
    pressure = Pressure(ledger.records, asking, pipeline.backlog)
    uploads = Uploads(Intake(ledger, objects, pipeline.limits, Budget(BUFFERED), pressure, intending, storing))
    adoption = Adoption(ledger, objects, pipeline, reading)
    reads = Reads(ledger, reading)
    pings = {"s3": objects.ping, "records": ledger.records.ping, "redis": services.queue.ping}
    health = Health(pings, frozenset({"redis"}), asking)
    docs = Docs(pipeline.limits)
    routes = [
        Route("/api/upload", uploads.post, methods=["POST"]),
        Route("/api/media", adoption.post, methods=["POST"]),
        Route("/api/media/{media_id}", reads.one, methods=["GET", "DELETE"], name="media"),
        Route("/api/media/{media_id}/retry", reads.retry, methods=["POST"]),
        Route("/api/projects/{project_id}/media", reads.project, methods=["GET"]),
        Route("/healthz", health.live, methods=["GET"]),
        Route("/readyz", health.ready, methods=["GET"]),
        Route("/openapi.json", docs.document, methods=["GET"]),
        Route("/docs", docs.page, methods=["GET"]),
    ]
    middleware = [
        Middleware(Lingering),
        Middleware(Cors, access=access),
        Middleware(Requests, production=services.settings.production),
        Middleware(Doorkeeper, access=access),
    ]
    app = Starlette(routes=routes, middleware=middleware, exception_handlers={HTTPException: _pass_on})
    app.router.redirect_slashes = False
    return app


def main() -> None:
    """Serve as the environment says; exits with a message that lists every mistake in it."""
    try:
        settings = read_settings()
        hosts, origins = settings.allowed_hosts, settings.allowed_origins
        access = access_of(settings.host, hosts, origins, anonymous=settings.allow_anonymous)
        services = wiring.connect(settings)
    except (SettingsError, ConfigError, ForbiddenBindError) as error:
        sys.exit(str(error))
    logs.configure(json=settings.json_logs, role="ingest")
    serve(create(services, access), settings.host, settings.port)


def _pass_on(_request: Request, error: Exception) -> NoReturn:
    """`Requests` answers it in our words, not Starlette's."""
    raise error


if __name__ == "__main__":
    main()
