"""S3's errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import ChangedError, DarkroomError, NotFoundError, TransientError, UnavailableError

_SERVER_ERRORS = 500
# Load, a conflicting write, or what the operator has to mend: a denied or expired credential, a missing bucket. 403 is
# among them because no file is to blame for it; where listing is not allowed S3 says it of a missing key, too.
_PASSING = frozenset({301, 401, 403, 409, 429})
_PASSING_CODES = frozenset(
    {"NoSuchBucket", "RequestTimeout", "ExpiredToken", "BadDigest", "XAmzContentChecksumMismatch"}
)


class OutOfRangeError(TransientError):
    """The object has no byte of the range asked for: of one that starts at 0, it has none at all."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors for the SDK's.

    Raises:
        UnavailableError: S3 is away, is busy or will not let us.
        NotFoundError: There is no such object or multipart upload.
        ChangedError: The object is no longer the one that was named.
        OutOfRangeError: It has no such bytes.
        TransientError: Whatever else S3 says; a bounded number of attempts shows whether it stays so.
    """
    from botocore.exceptions import (  # noqa: PLC0415 - who gets here has a client of the SDK, or makes one
        BotoCoreError,
        ClientError,
        ParamValidationError,
    )

    try:
        yield
    except ParamValidationError as error:
        raise ValueError(str(error)) from error
    except BotoCoreError as error:  # no connection, no whole answer in time, no credentials
        raise UnavailableError(f"s3: {error}") from error
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise refusal(status, error.response["Error"]["Code"], str(error)) from error


def refusal(status: int, code: str, text: str, refused: DarkroomError | None = None) -> DarkroomError:
    """Our error for what S3 answered, as `translated` has it; `refused` is what a failed precondition means instead."""
    if status >= _SERVER_ERRORS or status in _PASSING or code in _PASSING_CODES:
        return UnavailableError(f"s3: {text}")
    match status:
        case 404:
            return NotFoundError("object_missing", "The stored file is no longer there.")
        case 412:
            return refused or ChangedError("object_changed", "The stored file was replaced.")
        case 416:
            return OutOfRangeError(f"s3: {text}")
        case _:
            return TransientError(f"s3: {text}")
