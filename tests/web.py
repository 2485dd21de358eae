"""HTTP as a stranger speaks it: each request on a connection of its own, to whom it names, by nobody's proxy."""

import httpx

web = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)
"""Tests ask often: `httpx.get` and its like would spend 25 ms on TLS certificates for each plain request."""
