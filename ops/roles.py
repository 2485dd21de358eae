"""The processes of a deployment that stay this program: what `darkroom events` and `setup` do.

Both bring the SDK, which no other command needs, and import it when they are called.
"""

from pipeline import config
from pipeline.adapters import logs
from pipeline.adapters.signals import stop_event
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings


class NoEventsError(Exception):
    """There is no queue to take events from; the text says what to set."""


def events() -> None:
    """Take what S3 tells of new objects until SIGTERM.

    Raises:
        NoEventsError: nothing says from where, or whose they are.
    """
    from pipeline.adapters import sqs  # noqa: PLC0415
    from workers.notices import Notices  # noqa: PLC0415

    settings = read_settings()
    services = connect(settings)
    if not settings.events_queue_url or not services.pipeline.events:
        raise NoEventsError("Set EVENTS_QUEUE_URL, and [[events]] in pipeline.toml: whose the objects are")
    logs.configure(json=settings.json_logs, role="events")
    mailbox = sqs.connect(settings.events_queue_url)
    Notices(services.ledger, services.objects, services.pipeline, mailbox, stop_event()).run()


def setup() -> None:
    """Create bucket and tables where missing."""
    from pipeline.adapters.installation import install  # noqa: PLC0415

    settings = read_settings()
    install(settings, publish_originals=config.load(settings.pipeline).publish_originals)
