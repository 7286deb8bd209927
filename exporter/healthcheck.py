"""Ask a running exporter whether it is ready. Imports little: container engines run it every few seconds."""

import http.client

from exporter.config import WebConfig
from exporter.config.values import join

TIMEOUT_S = 3.0
LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect to a listener on every address


def check_ready(web: WebConfig) -> str:
    """Return why the exporter is not ready, empty if it is."""
    host = LOCAL.get(web.host, web.host)
    url = f"http://{join(host, web.port)}/-/ready"
    connection = http.client.HTTPConnection(host, web.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/-/ready")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer: {error}. Is --web.listen-address the one that the exporter was started with?"
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"{url} answers {status}"
