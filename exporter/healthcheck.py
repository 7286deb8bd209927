"""Ask a running exporter whether it is ready. Imports little: container engines run it every few seconds."""

import socket
import time
from http import HTTPStatus

from exporter.config import ListenAddress, WebConfig

TIMEOUT_S = 3.0
LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect to a listener on every address
PATH = "/-/ready"
_REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
_LONGEST_LINE = 1000
_HTTP = "HTTP/1."

LISTENS = {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
"""Answers of an exporter that is ready: it listens only when it is, also to a client without password or certificate.

So this needs no secret, which everybody who may look at the container or the process could read.
"""
CERTIFICATES = "If it requires client certificates, name its web file, too: --web.config.file"


class _Dropped(OSError):
    """The server ended the connection after the TLS handshake, as it does without a required client certificate."""


def check_ready(web: WebConfig) -> str:
    """Return why the exporter is not ready, empty if it is. Asks with TLS if it doesn't answer without."""
    address = web.addresses[0]
    if not address.path:
        address = address._replace(host=LOCAL.get(address.host, address.host))
    url = f"{'' if address.path else 'http://'}{address.page(PATH)}"
    try:
        line = _ask(address) or _ask_with_tls(address)
    except _Dropped:
        return "" if _requires_certificates(web) else f"{url} ends the connection. {CERTIFICATES}"
    except OSError as error:
        return f"{url} does not answer: {error}. Is --web.listen-address the one that the exporter was started with?"
    if not line:
        return f"{url} does not answer: this is not HTTP. Is --web.listen-address that of the exporter?"
    status = line.split(" ")[1]
    return "" if int(status) in LISTENS else f"{url} answers {status}"


def _ask(address: ListenAddress) -> str:
    """Return the first line of the answer, empty if it isn't HTTP."""
    with _connect(address) as connection:
        try:
            return _first_line(connection)
        except ConnectionError:  # a server with TLS may end the connection in this way
            return ""


def _ask_with_tls(address: ListenAddress) -> str:
    """Return the first line of the answer over TLS, empty if it isn't HTTP. Raises `_Dropped`, `OSError`."""
    import ssl  # noqa: PLC0415 - takes a while, and most exporters have no TLS

    # Whose certificate it is doesn't matter: it is on this machine, and no secret is sent.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _connect(address) as plain:
        try:
            connection = context.wrap_socket(plain)
        except (ssl.SSLError, ConnectionError):  # no TLS either
            return ""
        with connection:
            try:
                return _first_line(connection)
            except (ssl.SSLError, ConnectionError):
                raise _Dropped from None


def _first_line(connection: socket.socket) -> str:
    """Request the page; return the first line of the answer, empty if it isn't HTTP. Raises `OSError` without any.

    The library for HTTP would take longer to import than all of this.
    """
    end = time.monotonic() + TIMEOUT_S
    connection.sendall(_REQUEST)
    answer = b""
    while b"\n" not in answer and len(answer) < _LONGEST_LINE:
        connection.settimeout(max(end - time.monotonic(), 0.001))
        more = connection.recv(_LONGEST_LINE)
        if not more:
            break
        answer += more
    if not answer:
        raise ConnectionAbortedError("no answer")
    line = answer.partition(b"\n")[0].decode("latin-1").strip()
    words = line.split(" ")
    return line if line.startswith(_HTTP) and len(words) > 1 and words[1].isdecimal() else ""


def _requires_certificates(web: WebConfig) -> bool:
    """Return whether the web file requires client certificates; it is only read if this matters."""
    if web.config_file is None:
        return False
    from exporter.config.webfile import WebFileError, read_web_file  # noqa: PLC0415 - imports yaml and cryptography

    try:
        tls = read_web_file(web.config_file).tls
    except WebFileError:
        return False
    return tls is not None and tls.clients is not None and tls.clients.required


def _connect(address: ListenAddress) -> socket.socket:
    if not address.path:
        return socket.create_connection((address.host, address.port), TIMEOUT_S)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT_S)
    try:
        connection.connect(address.path)
    except BaseException:
        connection.close()
        raise
    return connection
