"""The flags of the command `report`."""

from collections.abc import Collection

from exporter.config.command_settings import BY, CSV, JSON, SINCE
from exporter.config.grouping import By, ReportConfig
from exporter.config.problems import Problem
from exporter.config.raw import RawValues, optional_value, value


def read_report(raw: RawValues, destinations: Collection[str], problems: list[Problem]) -> ReportConfig:
    """Return what `report` adds up, and how it is printed; `destinations` are the keys that are in a group."""
    by, csv, json = value(raw, BY, problems), value(raw, CSV, problems), value(raw, JSON, problems)
    if csv and json:
        if raw[JSON.name].where == JSON.flag:
            problems.append(Problem(CSV.flag, f"contradicts {JSON.flag}.", "Leave one of them out."))
        json = False  # the variable is for other commands, too
    if by == By.DESTINATION and not destinations:
        fix = "Name some in the YAML file (destinations:), or choose other groups."
        problems.append(Problem(BY.flag, "needs groups of recipients, and there are none.", fix))
    return ReportConfig(optional_value(raw, SINCE, problems), By(by or By.MONTH), csv, json)
