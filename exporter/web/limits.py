"""The limits of connections: how long a client may take for each step, and how many there may be."""

import resource
from asyncio.sslproto import SSLProtocol
from contextlib import suppress
from typing import NamedTuple

HANDSHAKE_S = 10.0
"""Seconds for the TLS handshake: three round trips, of which each takes about a second over Tor."""
HEADERS_S = 20.0
"""Seconds for the headers of a request, from its first byte, or from the connection. They fit into one packet."""
KEPT_S = 150.0
"""Seconds without a request on a connection that had one. Longer than the usual scrape intervals, of which the longest
is two minutes, because Prometheus marks series as stale after five: so it keeps its connection."""
ANSWER_S = 120.0
"""Seconds to take an answer. Prometheus gives up after its scrape timeout: ten seconds by default, seldom more than a
minute. A page of a node in gzip has some ten kilobytes, of which Tor transfers more in a second."""
LINGER_S = 1.0
"""Seconds for which the body of a request is read and thrown away after the answer. Closing at once would reset the
connection, and the client might lose the answer."""
CLOSE_S = 2.0
"""Seconds for the end of a TLS connection (close_notify)."""
SEND_BUFFER = 128 * 1024
"""Bytes of an answer that the system keeps for a client which doesn't read (Linux doubles this). Without a limit it
copies a whole page for each of them. A megabyte over Tor (a second there and back) takes some seconds nevertheless."""
CONNECTIONS = 512
"""Connections at the same time, of all addresses. A Prometheus has one, so this is far more than a crowd of them."""
ANSWERS = 40
"""Answers that clients are taking at the same time, as the 40 requests of node_exporter (--web.max-requests): they
keep their pages in memory. At most half of the connections, so that slow readers keep nobody out."""
TLS_BUFFER = 32 * 1024
"""Bytes that asyncio reserves for each TLS connection to read into: two records. By default it is a quarter of a
megabyte, so that five hundred clients who don't even finish their handshake took half a gigabyte."""
SHARE_OF_FILES = 2
"""Connections are at most half of the files that the process may have open: the rest is for lnd and the state."""


class Limits(NamedTuple):
    """All of them."""

    handshake_s: float = HANDSHAKE_S
    headers_s: float = HEADERS_S
    kept_s: float = KEPT_S
    answer_s: float = ANSWER_S
    connections: int = CONNECTIONS
    answers: int = ANSWERS


DEFAULTS = Limits()


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one, as Go programs do: it is 1024 for programs with `select`."""
    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit_tls_buffers() -> None:
    """Let TLS connections from now on, also those to lnd, reserve no more than `TLS_BUFFER`."""
    SSLProtocol.max_size = TLS_BUFFER


def most_connections(limits: Limits) -> int:
    """Return how many connections there may be: fewer than the limit if the process may open only few files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limits.connections if soft == resource.RLIM_INFINITY else min(limits.connections, soft // SHARE_OF_FILES)
