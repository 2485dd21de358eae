"""The errors the pipeline tells apart: adapters translate every vendor's into these, once."""


class DarkroomError(Exception):
    """Any failure the pipeline has a rule for."""


class TransientError(DarkroomError):
    """Worth trying again; the attempt counts. `reason` is what a task has died of when none is left."""

    reason = "processing_failed"


class UnavailableError(TransientError):
    """A dependency (S3, records, Redis) is away or throttling: try again, and the attempt does not count."""


class UndeliveredError(TransientError):
    """Whoever receives webhooks did not take a message."""

    reason = "webhook_undelivered"


class OutOfMemoryError(TransientError):
    """The work needs more memory than it was given: more of it may help where trying again would not."""


class PermanentError(DarkroomError):
    """Trying again would end the same way.

    `reason` is a stable code for programs; `message` is a sentence that may be shown to the public.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class LeaseLostError(DarkroomError):
    """Somebody else may hold the task now: stop the work and stay silent."""


class ReleasedError(DarkroomError):
    """This process is shutting down: give the task back without spending its attempt."""


class NotFoundError(PermanentError):
    """The object or record is not there."""


class AlreadyStoredError(DarkroomError):
    """The write-once key holds an object already (HTTP 412)."""


class ChangedError(PermanentError):
    """The object is no longer the one that was accepted (its ETag differs)."""
