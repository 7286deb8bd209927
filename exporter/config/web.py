"""Decide where metrics are served, and how."""

from pathlib import Path

from exporter.config.commands import Command
from exporter.config.model import WebConfig
from exporter.config.problems import InvalidValue, Problem
from exporter.config.raw import RawValues, value
from exporter.config.web_settings import (
    WEB_CONFIG_FILE,
    WEB_ENABLE_LIFECYCLE,
    WEB_HEALTH_WITHOUT_PASSWORD,
    WEB_LISTEN_ADDRESS,
    WEB_SYSTEMD_SOCKET,
    WEB_TELEMETRY_PATH,
)


def read_web(raw: RawValues, command: Command, problems: list[Problem]) -> WebConfig:
    """Return where metrics are served, and how."""
    addresses, path = value(raw, WEB_LISTEN_ADDRESS, problems), value(raw, WEB_TELEMETRY_PATH, problems)
    passed = command != "demo" and value(raw, WEB_SYSTEMD_SOCKET, problems)
    if passed:
        _check_systemd_socket(raw, command, problems)
    if command in WEB_HEALTH_WITHOUT_PASSWORD.commands:
        _check_health_without_password(raw, problems)
    served_by_systemd = passed and command != "healthcheck"  # for this the address is only the one to ask
    return WebConfig(
        () if served_by_systemd else addresses,
        path,
        systemd_socket=served_by_systemd,
        enable_lifecycle=value(raw, WEB_ENABLE_LIFECYCLE, problems),
        config_file=_web_file(raw, command, problems),
        health_without_password=value(raw, WEB_HEALTH_WITHOUT_PASSWORD, problems),
    )


def _web_file(raw: RawValues, command: Command, problems: list[Problem]) -> Path | None:
    """Return the path of the web file, which is checked; None without one."""
    given = raw.get(WEB_CONFIG_FILE.name)
    if given is None or command not in WEB_CONFIG_FILE.commands:
        return None
    if command == "healthcheck":  # it reads the file only if the exporter's answer depends on it
        try:
            return given.path
        except InvalidValue as error:
            problems.append(error.at(given.where))
            return None
    from exporter.config.webfile import check_web_file

    return check_web_file(given, problems)


def _check_health_without_password(raw: RawValues, problems: list[Problem]) -> None:
    """Report the setting if no page needs a password. A web file without any may get some while the exporter runs."""
    given = raw.get(WEB_HEALTH_WITHOUT_PASSWORD.name)
    if given is not None and given.text == "true" and WEB_CONFIG_FILE.name not in raw:
        fix = f"Leave it out, or name the file that has the passwords: {WEB_CONFIG_FILE.flag}=FILE"
        problems.append(Problem(given.where, f"has no effect without {WEB_CONFIG_FILE.flag}.", fix))


def _check_systemd_socket(raw: RawValues, command: Command, problems: list[Problem]) -> None:
    """Report addresses beside the sockets of systemd; `healthcheck` needs one, because only systemd knows them."""
    where, given = raw[WEB_SYSTEMD_SOCKET.name].where, raw.get(WEB_LISTEN_ADDRESS.name)
    if command == "healthcheck":
        if given is None:
            fix = f"Give one of them: {WEB_LISTEN_ADDRESS.flag}=HOST:PORT or unix:/PATH, as the .socket unit has it."
            problems.append(Problem(where, "systemd chooses the addresses, so the one to ask is not known.", fix))
    elif given is not None:
        fix = f"Leave one of them out; the addresses of {where} are those of the .socket unit (ListenStream=)."
        problems.append(Problem(where, f"excludes {given.where}.", fix))
