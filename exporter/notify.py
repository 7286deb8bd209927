"""Tells systemd that the service is ready (sd_notify(3), `Type=notify`), so that `systemctl start` waits for that."""

import os
import socket

import structlog

VARIABLE = "NOTIFY_SOCKET"
"""systemd's socket for messages of a service: a path, or a name without a file if it begins with `@` (sd_notify(3))."""


_WAIT_S = 1.0
"""Seconds that a message may wait for systemd to read earlier ones. Nothing else is done meanwhile."""


def notify_ready() -> None:
    """Send READY=1 to systemd; do nothing if the variable is not set. An error is logged: systemd goes on waiting."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
            messages.settimeout(_WAIT_S)
            messages.sendto(b"READY=1", name)
    except OSError as error:
        event = "systemd could not be told that the exporter is ready"
        structlog.get_logger("exporter.notify").error(event, socket=address, error=error.strerror or str(error))
