"""How code in the confined child says that the file, and nothing else, is to blame."""


class RefusedError(Exception):
    """The file is refused, for a reason out of `pipeline.limits.REASONS`."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason
