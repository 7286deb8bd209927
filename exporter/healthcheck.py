"""Ask a running exporter whether it is ready. Imports little: container engines run it every few seconds."""

import socket
import time

from exporter.config import ListenAddress, WebConfig

TIMEOUT_S = 3.0
LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect to a listener on every address
PATH = "/-/ready"
_REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
_LONGEST_LINE = 1000


def check_ready(web: WebConfig) -> str:
    """Return why the exporter is not ready, empty if it is."""
    address = web.addresses[0]
    if not address.path:
        address = address._replace(host=LOCAL.get(address.host, address.host))
    url = f"{'' if address.path else 'http://'}{address.page(PATH)}"
    try:
        line = _ask(address)
    except OSError as error:
        return f"{url} does not answer: {error}. Is --web.listen-address the one that the exporter was started with?"
    version, _, status = line.partition(" ")
    if not version.startswith("HTTP/1."):
        return f"{url} does not answer: this is not HTTP. Is --web.listen-address that of the exporter?"
    return "" if status.startswith("200 ") else f"{url} answers {status.partition(' ')[0]}"


def _ask(address: ListenAddress) -> str:
    """Return the first line of the answer. The library for HTTP would take longer to import than all of this."""
    end = time.monotonic() + TIMEOUT_S
    with _connect(address) as connection:
        connection.sendall(_REQUEST)
        answer = b""
        while b"\n" not in answer and len(answer) < _LONGEST_LINE:
            connection.settimeout(max(end - time.monotonic(), 0.001))
            more = connection.recv(_LONGEST_LINE)
            if not more:
                break
            answer += more
    return answer.partition(b"\n")[0].decode("latin-1").strip()


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
