"""Free ports for servers that do not tell which one they took."""

import random
import socket
from collections.abc import Collection, Container, Iterable, Iterator, Mapping

TWIN = 10_000
"""SeaweedFS serves gRPC so far above each of its ports, and some of its parts look nowhere else."""

# No twin is another one's port, and all lie below the ranges from which Linux (32768) and macOS (49152) take the ports
# of outgoing connections: none of those lands on a port between our look and the server's bind.
RANGE = range(10_000, 20_000)

# Both are tried: macOS lets a server listen on one while another listens on the other.
INTERFACES = ("127.0.0.1", "0.0.0.0")  # noqa: S104 - only tried, never served on


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    return all(_can_listen(interface, port) for interface in INTERFACES)


def free(taken: Container[int] = ()) -> Iterator[int]:
    """Yield distinct ports on which, and on whose twins, nobody listens."""
    for port in random.sample(RANGE, len(RANGE)):
        if port not in taken and _is_pair_free(port):
            yield port


def pick(names: Iterable[str], last: Mapping[str, int], taken: Collection[int] = ()) -> dict[str, int]:
    """Give each name a free port: the one of the last run where nobody took it since.

    No port, and no twin of one, is among those `taken`.
    """
    barred = {*taken, *(port - TWIN for port in taken)}
    kept = {
        name: last[name] for name in names if name in last and last[name] not in barred and _is_pair_free(last[name])
    }
    fresh = free({*kept.values(), *barred})
    return {name: kept.get(name) or next(fresh) for name in names}


def _is_pair_free(port: int) -> bool:
    return is_free(port) and is_free(port + TWIN)


def _can_listen(interface: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, so that connections of the last run still in TIME_WAIT do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((interface, port))
            probe.listen()
        except OSError:
            return False
    return True
