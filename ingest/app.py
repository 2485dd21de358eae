"""The HTTP server: `create` wires it from its services, `main` is what `darkroom ingest` runs."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from ingest.access import Access, Cors, Doorkeeper, ForbiddenBindError, access_of, loopback
from ingest.adoption import Adoption
from ingest.allowances import Allowances, Throttle
from ingest.auth import Authentication
from ingest.bodies import Patience
from ingest.brought import Brought
from ingest.budget import Budget
from ingest.buffers import Buffers
from ingest.callers import Right, door
from ingest.concatenation import Concatenation
from ingest.direct import Direct
from ingest.docs import Docs
from ingest.events import Events
from ingest.health import Health
from ingest.held import Held
from ingest.idempotency import Idempotency
from ingest.intake import Intake
from ingest.keyring import Keyring
from ingest.leases import Leases
from ingest.lingering import Lingering
from ingest.pace import Pace
from ingest.presigned import Presigned
from ingest.pressure import Pressure
from ingest.projects import Projects
from ingest.reads import Reads
from ingest.receiving import Shelves
from ingest.requests import Requests
from ingest.resumable import Resumable
from ingest.semantics import Semantics
from ingest.server import serve
from ingest.streaming import Storage
from ingest.tokens import Tokens
from ingest.tus import Tus
from ingest.tus_version import PATH, TusVersion
from ingest.uploads import Uploads
from ingest.watching import Watches
from pipeline import apikeys
from pipeline.adapters import logs, wiring
from pipeline.adapters.herald import Herald
from pipeline.adapters.quotas import Rates, SharedBytes
from pipeline.adapters.wiring import Services
from pipeline.config import ConfigError
from pipeline.errors import DarkroomError
from pipeline.settings import Settings, SettingsError, read_settings

STORING = 24
"""Threads that speak with S3, and so the most parts under way."""


def create(services: Services, access: Access) -> Starlette:
    """The application. Its threads are of four kinds, so that none waits for a slower one."""
    intending, storing, reading, asking = (ThreadPoolExecutor(most) for most in (8, STORING, 8, 3))
    ledger, objects, pipeline, settings = services.ledger, services.objects, services.pipeline, services.settings
    pressure = Pressure(ledger.records, asking, pipeline.backlog)
    idempotency = Idempotency(ledger, intending)
    prompt = pipeline.uploads.prompt
    budget, buffers, pace = Budget(pipeline.uploads.memory), Buffers(), Pace(STORING)
    shelves = Shelves(objects, services.pieces, budget, storing, buffers, pace)
    resumable = Resumable(
        ledger, shelves, round(1000 * pipeline.grants.resumable), prompt, intending, Held(services.bells)
    )
    patience = Patience(pipeline.uploads.idle, pipeline.uploads.total)
    tus = Tus(resumable, Concatenation(resumable), pipeline.limits, pressure, idempotency, patience)
    direct = Direct(ledger, objects, services.pieces, services.signer, pipeline.grants, intending, storing, prompt)
    presigned = Presigned(direct, pipeline.limits, pressure, idempotency, objects.bucket)
    storage = Storage(objects, storing, budget, pace, buffers)
    leases = Leases(ledger, intending)
    intake = Intake(ledger, storage, pipeline.limits, pressure, leases, intending, prompt)
    uploads = Uploads(intake, idempotency, patience)
    adoption = Adoption(ledger, objects, pipeline, idempotency, reading)
    reads = Reads(ledger, reading)
    events = Events(ledger, Watches(services.feed), reading, Brought(ledger, services.pieces, storing))
    projects = Projects(ledger, pipeline.stages["erase"].queue, reading)
    keyring, tokens = Keyring(ledger.records, asking), Tokens(settings.token_secrets, pipeline.limits)
    health = Health(services.pings, frozenset({"redis"}), asking)
    docs = Docs(pipeline.limits)
    routes = [
        # Looked through in this order: what comes most, and costs least besides, stands first.
        door("/api/upload", Right.UPLOAD, uploads.post, "POST"),
        door("/api/upload/{project_id}/{file_name:path}", Right.UPLOAD, uploads.put, "PUT"),
        door(PATH, Right.UPLOAD, tus.collection, "POST", "OPTIONS"),
        door(PATH.rstrip("/"), Right.UPLOAD, tus.collection, "POST", "OPTIONS"),
        door(PATH + "{media_id}", Right.UPLOAD, tus.one, "HEAD", "PATCH", "DELETE", "OPTIONS"),
        door("/s3/sign", Right.UPLOAD, presigned.sign, "POST"),
        door("/s3/params", Right.UPLOAD, presigned.params, "GET"),
        door("/s3/complete", Right.UPLOAD, presigned.arrived, "POST"),
        door("/s3/multipart", Right.UPLOAD, presigned.begin, "POST"),
        door("/s3/multipart/{upload_id}", Right.UPLOAD, presigned.upload, "GET", "DELETE"),
        door("/s3/multipart/{upload_id}/complete", Right.UPLOAD, presigned.complete, "POST"),
        door("/s3/multipart/{upload_id}/batch", Right.UPLOAD, presigned.batch, "GET"),
        door("/s3/multipart/{upload_id}/{number}", Right.UPLOAD, presigned.part, "GET"),
        door("/s3/xml/{upload_id}/{verb}", Right.UPLOAD, presigned.xml, "GET", "POST", "DELETE", name="s3_xml"),
        door("/api/media", Right.WRITE, adoption.post, "POST"),
        door("/api/media/{media_id}", Right.FOLLOW, reads.one, "GET", name="media"),
        door("/api/media/{media_id}", Right.WRITE, reads.delete, "DELETE"),
        door("/api/media/{media_id}/retry", Right.WRITE, reads.retry, "POST"),
        door("/api/projects/{project_id}/media", Right.READ, reads.project, "GET"),
        door("/api/projects/{project_id}", Right.WRITE, projects.delete, "DELETE"),
        door("/api/projects/{project_id}/deletion", Right.WRITE, projects.deletion, "GET", name="deletion"),
        door("/api/media/{media_id}/events", Right.FOLLOW, events.media, "GET"),
        door("/api/projects/{project_id}/events", Right.READ, events.project, "GET"),
        door("/api/tokens", Right.WRITE, tokens.post, "POST"),
        Route("/healthz", health.live, methods=["GET"]),
        Route("/readyz", health.ready, methods=["GET"]),
        Route("/openapi.json", docs.document, methods=["GET"]),
        Route("/docs", docs.page, methods=["GET"]),
    ]
    middleware = [
        Middleware(Lingering),
        Middleware(TusVersion),
        Middleware(Cors, access=access),
        Middleware(Requests, production=settings.production),
        Middleware(Doorkeeper, access=access),
        Middleware(Semantics),
        Middleware(
            Authentication,
            keyring=keyring,
            tokens=tokens,
            anonymous=settings.allow_anonymous,
            closed=not loopback(settings.host),
        ),
        Middleware(Throttle, allowances=_allowances(services)),
    ]
    app = _Application(routes=routes, middleware=middleware)
    app.router.redirect_slashes = False
    return app


class _Application(Starlette):
    """Starlette less what it puts around and behind our middleware to answer errors: `Requests` does that."""

    def build_middleware_stack(self) -> ASGIApp:
        """The middleware and the router."""
        app: ASGIApp = self.router
        for layer, positional, named in reversed(self.user_middleware):
            app = layer(app, *positional, **named)
        return app


def main() -> None:
    """Serve as the environment says; exits with a message that lists every mistake in it."""
    try:
        settings = read_settings()
        services = wiring.connect(settings)
        hosts, origins = settings.allowed_hosts, settings.allowed_origins
        access = access_of(settings.host, hosts, origins, guarded=_guarded(services, settings))
    except (SettingsError, ConfigError, ForbiddenBindError) as error:
        sys.exit(str(error))
    logs.configure(json=settings.json_logs, role="ingest")
    herald = Herald(services.queue)
    services = replace(services, ledger=replace(services.ledger, queue=herald))
    serve(create(services, access), settings.host, settings.port, herald.close)


def _allowances(services: Services) -> Allowances:
    url, pipeline = services.settings.redis_url, services.pipeline
    return Allowances(Rates(url), SharedBytes(url), pipeline.rate, pipeline.bytes_at_once, pipeline.limits.bytes)


def _guarded(services: Services, settings: Settings) -> bool:
    """Whether others must show a key, or something before us decides. Without the records we cannot know: closed."""
    if settings.allow_anonymous or loopback(settings.host):
        return True
    try:
        return bool(apikeys.listed(services.ledger.records))
    except DarkroomError:
        return True


if __name__ == "__main__":
    main()
