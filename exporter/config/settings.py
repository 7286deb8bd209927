"""The table of all settings, which modules for each group of them define."""

from typing import Any

from exporter.config import command_settings, lnd_settings, log_settings, storage_settings, values, web_settings
from exporter.config.commands import COMMANDS, FOLLOW_NODES, PRINT
from exporter.config.setting import Setting
from exporter.config.shard import parse_shard

SHARD = Setting(
    "shard",
    "I/N",
    parse_shard,
    "",
    FOLLOW_NODES,
    "follow only the nodes of `nodes:` that belong to shard I of N, counted from 0: several exporters share one file;"
    " auto/N takes I from the end of the host name (exporter-3)",
)
CONFIG_FILE = Setting(
    "config.file",
    "FILE",
    values.text,
    "",
    tuple(each for each in COMMANDS if each not in PRINT),
    "a YAML file with settings",
)

_GROUPS = (lnd_settings, web_settings, storage_settings, log_settings, command_settings)

SETTINGS: dict[str, Setting[Any]] = {
    setting.name: setting
    for setting in (*(each for group in _GROUPS for each in vars(group).values()), SHARD, CONFIG_FILE)
    if isinstance(setting, Setting)
}
"""All settings by name, in the order of `--help`: as their modules define them."""

NODE_KEYS = {setting.key.removeprefix("lnd."): setting for setting in SETTINGS.values() if setting.group == "lnd"}
"""What an entry of `nodes:` may hold, by its key there."""
