"""Asks a receiver how old samples may be that it takes, before anything is sent."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from exporter.backfill.remote_answer import RemoteWriteError, network_error
from exporter.backfill.remote_session import NETWORK_ERRORS, open_session, options, read_some
from exporter.config.httpmodel import RemoteWriteConfig
from exporter.text import format_duration, sanitize

TIMEOUT_S = 10.0
"""How long an answer may take, seconds."""
LARGEST = 16 << 20
"""Bytes of an answer that are read: a configuration of Prometheus, or the metrics of VictoriaMetrics."""

_WRITE = re.compile(r"(?P<base>https?://[^/?]+(?:/[^?]*)?)/api/v1/(?:write|push)(?:\?.*)?")
_RECEIVER = "web.enable-remote-write-receiver"
_WINDOW = "out_of_order_time_window"
_WINDOW_LINE = re.compile(rf"^ +{_WINDOW}: *(\S+)$", re.MULTILINE)
"""In the configuration as Prometheus prints it: to parse all of its YAML may take seconds. Its name is unique there."""
_FLAG = re.compile(r'^flag\{name="(?P<name>\w+)", value="(?P<value>[^"\n]*)"', re.MULTILINE)
"""A flag among the metrics of VictoriaMetrics."""
_S_PER_UNIT = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 604_800.0,
    "M": 2_678_400.0,  # VictoriaMetrics: 31 days
    "y": 31_536_000.0,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdwMy])")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a receiver takes."""

    back_s: float | None = None
    """How far back, seconds: before its newest sample (Prometheus) or before now. None: unknown."""
    enabled: bool | None = None
    """Whether it receives at all; None: unknown."""
    sentences: tuple[str, ...] = ()
    """For the user."""


async def limits(config: RemoteWriteConfig) -> Limits:
    """Return what the receiver says about its limits; a receiver that says nothing is no error.

    Raises `RemoteWriteError` if it is in vain to send anything: its certificate isn't trusted, or TLS fails.
    """
    match = _WRITE.fullmatch(config.url)
    async with open_session(config, TIMEOUT_S) as session:
        ask = _Asker(config, session)
        if match:
            found = await _prometheus(ask, match["base"])
            if found is None and not ask.broken:
                found = await _victoria(ask, match["base"])
            if found is not None:
                return found
    why = f" ({ask.broken})" if ask.broken else ""
    return Limits(sentences=(f"How old samples may be that {config.shown} takes is unknown{why}.",))


class _Asker:
    """Sends GET requests beside the URL of the receiver."""

    def __init__(self, config: RemoteWriteConfig, session: aiohttp.ClientSession) -> None:
        self.broken = ""
        """Why there was no answer to the last question; empty if there was one."""
        self.shown = config.shown
        self._config, self._session = config, session

    async def text(self, url: str) -> str:
        """Return the body of an answer; empty for an error. Raises `RemoteWriteError`."""
        try:
            async with self._session.get(url, **options(self._config)) as response:
                self.broken = ""
                good = response.status == HTTPStatus.OK
                return (await read_some(response, LARGEST)).decode(errors="replace") if good else ""
        except NETWORK_ERRORS as error:
            what = network_error(self._config, error)
            if isinstance(what, RemoteWriteError):
                raise what from None
            self.broken = what.why
            return ""

    async def data(self, url: str) -> Mapping[str, Any]:
        """Return the field `data` of an answer of Prometheus' API; empty without one."""
        try:
            answer = json.loads(await self.text(url))
        except (ValueError, RecursionError):
            return {}
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else {}


async def _prometheus(ask: _Asker, base: str) -> Limits | None:
    """Return the limits of a Prometheus; None if it is none."""
    flags = await ask.data(f"{base}/api/v1/status/flags")
    if _RECEIVER not in flags:
        return None
    config = (await ask.data(f"{base}/api/v1/status/config")).get("yaml")
    retention = (await ask.data(f"{base}/api/v1/status/runtimeinfo")).get("storageRetention")
    sentences = []
    enabled = flags[_RECEIVER] == "true"
    if not enabled:
        sentences.append(f"The receiver of {ask.shown} is off: start Prometheus with --{_RECEIVER}.")
    kept = str(retention or "").partition(" or ")[0]
    kept_s = _seconds(kept)
    if kept_s is not None:
        sentences.append(f"{ask.shown} keeps samples for {kept}: it deletes older ones soon.")
    if not isinstance(config, str):
        return Limits(None, enabled, tuple(sentences))
    window = _WINDOW_LINE.search(config)
    window_s = (_seconds(window[1]) if window else None) or 0
    if window and window_s:
        taken_s = window_s
        sentences.append(f"It takes samples up to {window[1]} before its newest one (storage.tsdb.{_WINDOW}).")
    else:
        taken_s = (_seconds(str(flags.get("storage.tsdb.min-block-duration"))) or 7200) / 2
        sentences.append(
            f"It takes only samples newer than {format_duration(round(taken_s))} before its newest one: for older ones"
            f" set storage.tsdb.{_WINDOW} in its configuration, or write files (--output=DIR) for promtool."
        )
    return Limits(taken_s if kept_s is None else min(taken_s, kept_s), enabled, tuple(sentences))


async def _victoria(ask: _Asker, base: str) -> Limits | None:
    """Return the limits of a VictoriaMetrics with a single node, if it serves its metrics; else None."""
    metrics = await ask.text(f"{base.removesuffix('/prometheus')}/metrics")
    flags = {match["name"]: match["value"] for match in _FLAG.finditer(metrics)}
    retention = flags.get("retentionPeriod", "")
    kept_s = _seconds(retention, unit="M")
    if kept_s is None:
        return None
    flag, text, back_s = "retentionPeriod", retention, kept_s
    age_s = _seconds(flags.get("maxBackfillAge", ""), unit="M")
    if age_s and age_s < kept_s:
        flag, text, back_s = "maxBackfillAge", flags["maxBackfillAge"], age_s
    whole = format_duration(round(back_s))
    sentence = f"{ask.shown} drops samples older than {whole} without an error (-{flag}={sanitize(text)})."
    return Limits(back_s, enabled=True, sentences=(sentence,))


def _seconds(text: str, unit: str = "") -> float | None:
    """Return a duration as Prometheus and VictoriaMetrics write it; None for another text.

    `unit` is that of a number without one.
    """
    if unit and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        text += unit
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(number) * _S_PER_UNIT[one] for number, one in parts)
