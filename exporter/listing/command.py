"""The commands `open` and `ended`: read the state file, and print."""

import time

from exporter.config import Config
from exporter.listing import document, ended_lines, ended_report, ended_table, report, table


def show_open(config: Config) -> None:
    """Print the payments in flight. Raises `ConfigError`."""
    found = report.read_report(config, time.time_ns())
    if config.open.json:
        print(document.to_json(found))
    else:
        table.print_table(found)


def show_ended(config: Config) -> None:
    """Print the payments that ended. Raises `ConfigError`."""
    found = ended_report.read_report(config, time.time_ns())
    if config.ended.json:
        for line in ended_lines.json_lines(found):
            print(line)
    else:
        ended_table.print_table(found)
