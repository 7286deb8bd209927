"""Takes out of a dashboard what the SDK writes for newer versions of Grafana, so that Grafana 10 knows every field."""

from typing import Any

SCHEMA = 38
"""Version of the dashboard schema of Grafana 10.0; newer versions of Grafana read it, and convert it to theirs."""
_NEWER: dict[str, tuple[str, ...]] = {
    "stat": ("percentChangeColorMode", "showPercentChange", "wideLayout"),
    "heatmap": ("selectionMode",),
    "state-timeline": ("perPage",),
    "logs": ("showLogContextToggle",),
}
"""Options of panels that were added later; each has the value that Grafana assumes without it."""
_OF_VARIABLES = ("allowCustomValue", "auto", "auto_count", "auto_min")
"""Fields that were added later, or belong to other types of variables."""


def readable(made: dict[str, Any]) -> dict[str, Any]:
    """Return the dashboard as Grafana 10 writes it."""
    made["schemaVersion"] = SCHEMA
    for variable in made["templating"]["list"]:
        for name in _OF_VARIABLES:
            variable.pop(name, None)
    for panel in made["panels"]:
        for each in (panel, *panel.get("panels", ())):
            _panel(each)
    return made


def _panel(panel: dict[str, Any]) -> None:
    options = panel.get("options", {})
    for link in panel.get("links", ()):
        link.pop("placement", None)
    for name in _NEWER.get(panel["type"], ()):
        options.pop(name, None)
    if panel["type"] == "heatmap":
        options["tooltip"] = {"show": True, "yHistogram": False}  # later versions turn it into a mode
