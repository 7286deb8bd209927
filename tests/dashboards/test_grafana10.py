"""Dashboards have only fields that Grafana 10 knows; no Grafana server takes part in this test."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards import grafana10
from tests.dashboards.panels import FILES, dashboard

FREE = {"mappings[]", "transformations[].options", "overrides[].properties[].value", "overrides[].matcher.options"}
"""Where keys are names; each has a test of its own."""


def fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every value in a piece of JSON, without places in lists."""
    if any(path.endswith(end) for end in FREE):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from fields(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, f"{path}[]")
    else:
        yield path


def everything(uid: str) -> list[dict[str, Any]]:
    """Return rows and panels, those in folded rows, too."""
    shown = dashboard(uid)["panels"]
    return [each for panel in shown for each in (panel, *panel.get("panels", ()))]


@pytest.mark.parametrize("uid", FILES)
def test_fields_of_a_dashboard(uid: str) -> None:
    """Variables, annotations and links included."""
    made = dashboard(uid)
    assert made["schemaVersion"] == grafana10.SCHEMA_VERSION
    del made["panels"]
    assert set(fields(made)) - grafana10.DASHBOARD == set()


@pytest.mark.parametrize("uid", FILES)
def test_fields_of_panels(uid: str) -> None:
    """Those that all panels have, and those of each type."""
    for panel in everything(uid):
        where = f"{panel['title']}: {panel['type']}"
        if panel["type"] == "row":
            assert set(fields(panel | {"panels": []})) - grafana10.ROW == set(), where
            continue
        known = {f"options.{name}" for name in grafana10.OPTIONS[panel["type"]]}
        known |= {f"fieldConfig.defaults.custom.{name}" for name in grafana10.CUSTOM.get(panel["type"], ())}
        known |= {f"targets[].{name}" for name in grafana10.LOKI if panel["type"] == "logs"}
        known |= {"fieldConfig.defaults.mappings[]", "fieldConfig.overrides[].properties[].value"}
        known |= {"fieldConfig.overrides[].matcher.options", "transformations[].options"}
        assert set(fields(panel)) - known - grafana10.PANEL == set(), where


@pytest.mark.parametrize("uid", FILES)
def test_transformations(uid: str) -> None:
    """Each is known, with each of its options."""
    for panel in everything(uid):
        for step in panel.get("transformations", ()):
            assert set(step["options"]) - grafana10.TRANSFORMATIONS[step["id"]] == set(), panel["title"]


@pytest.mark.parametrize("uid", FILES)
def test_field_options(uid: str) -> None:
    """Overrides, units, cells of tables, value mappings."""
    for panel in everything(uid):
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        custom = {f"custom.{name}" for name in grafana10.CUSTOM.get(panel["type"], ())}
        units, mappings = [config["defaults"].get("unit", "none")], list(config["defaults"].get("mappings", ()))
        for override in config["overrides"]:
            assert override["matcher"]["id"] in grafana10.MATCHERS
            for one in override["properties"]:
                assert one["id"] in grafana10.OVERRIDES | custom, (panel["title"], one["id"])
                units += [one["value"]] if one["id"] == "unit" else []
                mappings += one["value"] if one["id"] == "mappings" else []
                assert one["id"] != "custom.cellOptions" or one["value"]["type"] in grafana10.CELLS
        assert {unit for unit in units if not unit.startswith(("suffix:", "si:"))} <= grafana10.UNITS, panel["title"]
        for mapping in mappings:
            known = grafana10.MAPPINGS[mapping["type"]]
            assert mapping["type"] == "value" or set(mapping["options"]) <= known


def test_an_unknown_field_is_found() -> None:
    """A field that came with a later version, at each level."""
    made = dashboard("lnd-payments-flight")
    made["templating"]["list"][0]["allowCustomValue"] = True
    del made["panels"]
    assert set(fields(made)) - grafana10.DASHBOARD == {"templating.list[].allowCustomValue"}
    assert set(fields({"options": {"wideLayout": True}})) - grafana10.PANEL == {"options.wideLayout"}
