"""The settings `--remote-write` and `--http-config`: where the samples of `backfill` are sent."""

from exporter.config.addresses import encrypted
from exporter.config.command_settings import HTTP_CONFIG, REMOTE_WRITE
from exporter.config.httpmodel import ClientTls, HttpConfig, RemoteWriteConfig
from exporter.config.problems import ConfigError, Problem
from exporter.config.raw import RawValues, optional_value


def read_remote_write(raw: RawValues, problems: list[Problem]) -> RemoteWriteConfig | None:
    """Return the receiver; None if there is none, or if it can't be used, which is added to the problems."""
    url, given = optional_value(raw, REMOTE_WRITE, problems), raw.get(HTTP_CONFIG.name)
    http = HttpConfig()
    if given is not None and given.text:
        if REMOTE_WRITE.name not in raw:
            fix = f"Leave it out, or add {REMOTE_WRITE.flag}=URL"
            problems.append(Problem(given.where, f"has no effect without {REMOTE_WRITE.flag}.", fix))
        from exporter.config.httpfile import read_http_file

        try:
            http = read_http_file(given)
        except ConfigError as error:
            problems += error.problems
            return None
        if url and not encrypted(url) and http.tls != ClientTls():
            fix = "Begin the URL with https://, or leave tls_config out."
            problems.append(
                Problem(raw[REMOTE_WRITE.name].where, "begins with http://, but there is a tls_config.", fix)
            )
    return RemoteWriteConfig(url, http) if url else None
