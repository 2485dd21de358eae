"""`python -m tests.chaos.crew`: fresh workers of all queues and a sweeper, in one process, as nobody watches them."""

import os

import dramatiq

from pipeline.adapters import logs
from pipeline.adapters.broker import make_broker
from pipeline.adapters.signals import stop_event
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
from tests.builders import ffmpeg
from workers.actors import bind
from workers.holding import Shift
from workers.sweeper import Sweeper
from workers.tools import Tools

THREADS = 3


def main() -> None:
    """Work until told to stop."""
    logs.configure(json=True, role="crew")
    services = connect(read_settings())
    scratch = services.settings.scratch / f"crew-{os.getpid()}"
    scratch.mkdir(parents=True)
    ledger, queue = services.ledger, services.queue
    stores = (services.objects, services.pieces)
    tools = Tools(ledger, *stores, queue, services.pipeline, scratch, ffmpeg(), Shift(), services.webhooks)
    broker = make_broker(services.settings.redis_url, services.pipeline.threads)
    bind(broker, tools)
    sweeper = Sweeper(ledger.records, queue, stop_event())
    worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=THREADS)
    worker.start()
    sweeper.run()
    worker.stop()


if __name__ == "__main__":
    main()
