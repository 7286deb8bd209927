"""The settings of what is logged."""

from exporter.config import values
from exporter.config.commands import SERVE
from exporter.config.setting import Setting

LOG_LEVEL = Setting(
    "log.level",
    "LEVEL",
    values.one_of("debug", "info", "warning", "error"),
    "info",
    SERVE,
    "debug, info, warning or error",
)
LOG_FORMAT = Setting(
    "log.format",
    "FORMAT",
    values.one_of("auto", "console", "json"),
    "auto",
    SERVE,
    "console, json, or auto: console on a terminal, else json",
)
LOG_OPEN_AFTER = Setting(
    "log.open-after",
    "TIMES",
    values.durations,
    "10m,1h,24h",
    SERVE,
    "warn about a payment in flight when it is this old; none for never",
)
LOG_BLOCKS_LEFT = Setting(
    "log.blocks-left",
    "NUMBERS",
    values.block_counts,
    "144,36",
    SERVE,
    "warn about a payment when an HTLC that is held for half an hour has fewer blocks left than this; none for never",
)
LOG_PAYMENT_HASHES = Setting(
    "log.payment-hashes",
    "true|false",
    values.switch,
    "true",
    SERVE,
    "false: no warnings about single payments, and no payment hashes in the log",
    suggested=("true", "false"),
)
LOG_ENDED = Setting(
    "log.ended",
    "WHICH",
    values.one_of("none", "failed", "all"),
    "none",
    SERVE,
    "write a line for each payment that failed or was lost (failed), or for each that ended (all)",
)
