"""The flags of the command `ended`."""

from collections.abc import Iterator

from exporter.config.command_settings import (
    CAUSE,
    FAILED,
    JSON,
    KIND,
    LATE,
    LIMIT,
    LOST,
    MIN_SAT,
    PEER,
    REASON,
    SINCE,
)
from exporter.config.lnd_settings import LND_NAME
from exporter.config.model import EndedConfig
from exporter.config.problems import Problem
from exporter.config.raw import RawValues, optional_value, value

TABLE_LIMIT = 50
"""Payments of each node in a table, unless the limit is given."""


def read_ended(raw: RawValues, problems: list[Problem]) -> EndedConfig:
    """Return which payments `ended` lists. An exporter with --storage.memory has no state file to read."""
    json, limit = value(raw, JSON, problems), optional_value(raw, LIMIT, problems)
    if limit is None and not json:
        limit = TABLE_LIMIT
    config = EndedConfig(
        since_s=optional_value(raw, SINCE, problems),
        failed=value(raw, FAILED, problems),
        late=value(raw, LATE, problems),
        lost=value(raw, LOST, problems),
        causes=optional_value(raw, CAUSE, problems) or (),
        reasons=optional_value(raw, REASON, problems) or (),
        kinds=optional_value(raw, KIND, problems) or (),
        min_sat=value(raw, MIN_SAT, problems) or 0,
        peer=optional_value(raw, PEER, problems) or "",
        limit=limit or None,
        json=json,
        node=value(raw, LND_NAME, problems) if LND_NAME.name in raw else None,
    )
    problems += _without_effect(config)
    return config


def _without_effect(config: EndedConfig) -> Iterator[Problem]:
    """Yield a problem for each filter that none of the outcomes asked for has anything to do with."""
    if config.causes and config.late and not (config.failed or config.lost):
        fix = f"Leave one of them out, or add {FAILED.flag}: then it selects among those that failed."
        yield Problem(CAUSE.flag, f"has no effect with {LATE.flag}: a payment that succeeded has no cause.", fix)
    if config.reasons and config.lost and not (config.failed or config.late):
        fix = f"Leave one of them out, or add {FAILED.flag}: then it selects among those that failed."
        yield Problem(REASON.flag, f"has no effect with {LOST.flag}: a payment that was lost has no reason.", fix)
