"""The settings of what is kept on disk."""

from exporter.config import values
from exporter.config.commands import FOLLOW_NODES, OF_STATE
from exporter.config.setting import Setting

STORAGE_PATH = Setting(
    "storage.path",
    "FILE",
    values.text,
    "",
    (*FOLLOW_NODES, "open", "ended", "why", *OF_STATE, "backfill"),
    "the state file, which keeps the counters over a restart: a file of this exporter alone"
    " (default: state.sqlite in $STATE_DIRECTORY, else in ~/.local/state/lnd-payments-exporter)",
)
STORAGE_MEMORY = Setting(
    "storage.memory",
    "",
    values.switch,
    "false",
    FOLLOW_NODES,
    "keep nothing on disk: counters begin at zero at each start",
)
STORAGE_RESET = Setting(
    "storage.reset",
    "NODE",
    values.node_name,
    "",
    ("run",),
    "delete all that is kept of one node, and exit: its counters begin at zero at the next start",
)
STORAGE_ENDED = Setting(
    "storage.ended",
    "NUMBER",
    values.list_length,
    "10000",
    FOLLOW_NODES,
    "how many of the last payments that ended are kept of each node, for the command ended; 0 for none",
)
STORAGE_ENDED_DESTINATIONS = Setting(
    "storage.ended-destinations",
    "true|false",
    values.switch,
    "true",
    FOLLOW_NODES,
    "false: neither this list nor the log says who was paid",
    suggested=("true", "false"),
)
