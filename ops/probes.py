"""Asking a server whether it is ready: one short question, no retries, False when in doubt."""

import http.client
import socket

TIMEOUT = 2.0
"""Seconds that one question may take."""


def answers_ping(port: int) -> bool:
    """Tell whether a Redis server has loaded its data and answers PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def has_client(port: int, name: str) -> bool:
    """Tell whether a client of that name is connected to a Redis server."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
            connection.sendall(b"CLIENT LIST\r\nQUIT\r\n")
            with connection.makefile("rb") as reply:
                return any(f"name={name}".encode() in line.split() for line in reply)
    except OSError:
        return False


def http_status(port: int, path: str) -> int:
    """Return the status of a GET on loopback, 0 when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
