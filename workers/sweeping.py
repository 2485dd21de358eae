"""The sweeper's composition root: `python -m workers.sweeping` sweeps until SIGTERM."""

import sys

from pipeline.adapters import logs
from pipeline.adapters.signals import stop_event
from pipeline.adapters.wiring import connect
from pipeline.config import ConfigError
from pipeline.settings import SettingsError, read_settings
from workers.sweeper import Sweeper


def main() -> None:
    """Sweep until SIGTERM or Ctrl-C; exits with every mistake of the settings listed."""
    try:
        settings = read_settings()
        logs.configure(json=settings.json_logs, role="sweeper")
        services = connect(settings)
    except (SettingsError, ConfigError) as error:
        sys.exit(str(error))
    Sweeper(services.ledger.records, services.queue, stop_event()).run()


if __name__ == "__main__":
    main()
