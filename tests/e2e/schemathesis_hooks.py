"""What Schemathesis has to be told of our media types; it reads this file by SCHEMATHESIS_HOOKS."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")  # type: ignore[untyped-decorator]
def bytes_of_tus(_context: object, value: object) -> dict[str, bytes]:
    """They are bytes, whatever was generated: some of it carries them in `data`."""
    found = getattr(value, "data", value)
    return {"data": found if isinstance(found, bytes) else str(found).encode()}
