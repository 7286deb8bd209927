"""The fields of a dashboard that Grafana 10 knows.

Sources, all from npm: the interfaces Dashboard, Panel, RowPanel, VariableModel, AnnotationQuery, DashboardLink,
FieldConfig, GraphFieldConfig, TableFieldOptions and those that they name, of @grafana/schema 10.0.0; the options of
stat, table, timeseries, heatmap, state-timeline and logs panels, and Prometheus' queries, of @grafana/schema 10.1.0,
the first that has them (`raw/composable`); transformations, their options and units of @grafana/data 10.0.0.
"""

_SOURCE = {"datasource.type", "datasource.uid"}


def _under(name: str, fields: set[str]) -> set[str]:
    return {f"{name}.{field}" for field in fields}


DASHBOARD = {
    *("description", "editable", "fiscalYearStartMonth", "graphTooltip", "refresh", "schemaVersion", "tags[]"),
    *("time.from", "time.to", "timezone", "title", "uid", "version"),
    *_under(
        "links[]",
        {"asDropdown", "icon", "includeVars", "keepTime", "tags[]", "targetBlank", "title", "tooltip", "type", "url"},
    ),
    *_under("annotations.list[]", _SOURCE | {"builtIn", "enable", "hide", "iconColor", "name", "type"}),
    # What Prometheus' annotations have besides: `PromAnnotation` of its plugin.
    *_under("annotations.list[]", {"expr", "step", "textFormat", "titleFormat"}),
    *_under("annotations.list[].target", {"expr", "instant", "range", "refId"}),
    *_under(
        "templating.list[]",
        _SOURCE
        | {"allValue", "definition", "hide", "includeAll", "label", "multi", "name", "query", "refresh", "skipUrlSync"}
        | {"sort", "type", "current.selected", "current.text", "current.value", "query.query", "query.refId"},
    ),
}
SCHEMA_VERSION = 38
"""Newer ones are converted by newer versions of Grafana, not by 10.0."""
ROW = {"collapsed", "id", "title", "type", "panels[]", *_under("gridPos", {"h", "w", "x", "y"})}
PANEL = {
    *_SOURCE,
    *("description", "id", "interval", "options", "repeatDirection", "title", "transparent", "type"),
    *_under("gridPos", {"h", "w", "x", "y"}),
    *_under(
        "links[]",
        {"asDropdown", "icon", "includeVars", "keepTime", "targetBlank", "title", "tooltip", "type", "url"},
    ),
    *_under("fieldConfig.defaults", {"decimals", "max", "min", "noValue", "unit", "color.fixedColor", "color.mode"}),
    *_under("fieldConfig.defaults.thresholds", {"mode", "steps[].color", "steps[].value"}),
    *_under("fieldConfig.overrides[]", {"matcher.id", "matcher.options", "properties[].id", "properties[].value"}),
    *_under("targets[]", _SOURCE | {"expr", "format", "instant", "legendFormat", "range", "refId"}),
    *_under("transformations[]", {"id", "options"}),
}
"""Fields of all panels; mappings, transformations and overrides have their own lists below."""
_LEGEND = _under("legend", {"calcs[]", "displayMode", "placement", "showLegend"})
_TOOLTIP = _under("tooltip", {"mode", "sort"})
OPTIONS: dict[str, set[str]] = {
    "stat": {
        *("colorMode", "graphMode", "justifyMode", "textMode", "orientation"),
        *_under("reduceOptions", {"calcs[]", "fields", "values"}),
        *_under("text", {"titleSize", "valueSize"}),
    },
    "table": {
        *("cellHeight", "frameIndex", "showHeader", "showTypeIcons"),
        *_under("footer", {"countRows", "reducer[]", "show"}),
        *_under("sortBy[]", {"desc", "displayName"}),
    },
    "timeseries": _LEGEND | _TOOLTIP,
    "heatmap": {
        *("calculate", "cellGap", "exemplars.color", "filterValues.le", "legend.show", "showValue"),
        *_under("color", {"exponent", "fill", "mode", "reverse", "scheme", "steps"}),
        *_under("tooltip", {"show", "yHistogram"}),
        *_under("yAxis", {"axisPlacement", "unit"}),
    },
    "state-timeline": {"alignValue", "mergeValues", "rowHeight", "showValue", *_LEGEND, *_TOOLTIP},
    "logs": {
        *("dedupStrategy", "enableLogDetails", "prettifyLogMessage", "showCommonLabels", "showLabels", "showTime"),
        *("sortOrder", "wrapLogMessage"),
    },
}
CUSTOM: dict[str, set[str]] = {
    "timeseries": {
        *("axisSoftMax", "barWidthFactor", "drawStyle", "fillOpacity", "lineInterpolation", "lineWidth", "showPoints"),
        *("stacking.group", "stacking.mode", "thresholdsStyle.mode"),
    },
    "state-timeline": {"fillOpacity", "lineWidth"},
    "table": {"align", "cellOptions", "filterable", "hidden", "inspect", "minWidth", "width"},
}
"""Field options of a type of panel, `custom` of the defaults and `custom.` of overrides."""
OVERRIDES = {"color", "decimals", "displayName", "links", "mappings", "max", "min", "noValue", "thresholds", "unit"}
"""Field options of all types of panels."""
LOKI = {"expr", "maxLines", "queryType", "refId", *_SOURCE}
TRANSFORMATIONS: dict[str, set[str]] = {
    "calculateField": {"alias", "mode", "reduce"},
    "filterByValue": {"filters", "match", "type"},
    "filterFieldsByName": {"include", "exclude"},
    "groupingToMatrix": {"columnField", "emptyValue", "rowField", "valueField"},
    "joinByField": {"byField", "mode"},
    "merge": set(),
    "organize": {"excludeByName", "indexByName", "renameByName"},
    "sortBy": {"fields", "sort"},
}
MATCHERS = {"byFrameRefID", "byName", "byRegexp"}
UNITS = {"bytes", "dateTimeFromNow", "locale", "none", "percentunit", "ppm", "s", "short", "string"}
"""Those with a text of their own, that begin with `suffix:` or `si:`, are known, too."""
CELLS = {"auto", "color-background", "color-text", "gauge"}
MAPPINGS = {"value": set[str](), "special": {"match", "result"}, "range": {"from", "to", "result"}}
"""Types of value mappings with their options; those of `value` have the values as keys."""
