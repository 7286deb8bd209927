"""The format and compression of a page, and that scrapers can parse it."""

import pytest
from prometheus_client import CONTENT_TYPE_LATEST

from exporter.metrics.exposition import Format, accepts_gzip, choose_format
from exporter.metrics.names import ROWS
from exporter.payments.node import Info, NodeStatus
from tests.metrics import scene
from tests.metrics.reading import families, series, text, type_of

OM = "application/openmetrics-text"
PROMETHEUS_3 = (
    f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.6,{OM};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format.TEXT),
        (PROMETHEUS_3, Format.OPENMETRICS),
        (PROMETHEUS_2, Format.OPENMETRICS),
        (f"{PROTOBUF};q=0.7,{PROMETHEUS_3}", Format.OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.6,*/*;q=0.5", Format.TEXT),
        (OM, Format.OPENMETRICS),
        (f"{OM}; version=1.0.0; charset=utf-8", Format.OPENMETRICS),
        (f"{OM.upper()}; Version=1.0.0", Format.OPENMETRICS),
        (f'{OM};version="1.0.0"', Format.OPENMETRICS),
        (f"{OM};version=2.0.0", Format.OPENMETRICS),
        (f"{OM};version={'9' * 5000}", Format.OPENMETRICS),
        (f"{OM};version=0.0.1", Format.TEXT),
        (f"{OM};version=new", Format.TEXT),
        (f"{OM};q=0", Format.TEXT),
        (f"{OM};q=much", Format.TEXT),
        (f"{OM};q=nan", Format.TEXT),
        (f"{OM};q=7", Format.TEXT),
        (f"{OM};q=0.3,text/plain;q=0.5", Format.TEXT),
        (f"{OM};q=0.5,text/plain;q=0.3", Format.OPENMETRICS),
        (f"text/plain;q=0.5,{OM};q=0.5", Format.OPENMETRICS),
        (f"{OM};q=0.3,text/plain;version=1.0.0;q=0.5", Format.OPENMETRICS),
        (f"{OM};q=0.3,*/*;q=0.5", Format.TEXT),
        (f"{OM};q=0.3,text/plain;q=0.1,*/*;q=0.5", Format.OPENMETRICS),
        (f"text/plain;q=0,{OM};q=0.1", Format.OPENMETRICS),
        ("image/png", Format.TEXT),
        (",;q=1,;;=,", Format.TEXT),
    ],
)
def test_format_follows_the_accept_header(accept: str, form: Format) -> None:
    """OpenMetrics only if the header names it and doesn't prefer text."""
    assert choose_format(accept) is form


def test_content_type_names_the_version_sent() -> None:
    """A version that Prometheus knows, not the default of the library."""
    assert {form.name: form.value for form in Format} == {
        "TEXT": "text/plain; version=0.0.4; charset=utf-8",
        "OPENMETRICS": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    }
    assert CONTENT_TYPE_LATEST not in (form.value for form in Format)


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("identity", False),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("zstd, *;q=0.1", True),
        ("gzipped", False),
    ],
)
def test_gzip_follows_the_accept_encoding_header(accept_encoding: str, *, accepted: bool) -> None:
    """Without the header a page isn't compressed."""
    assert accepts_gzip(accept_encoding) is accepted


def test_both_formats_hold_the_same_series() -> None:
    """As the parser of each format reads them."""
    views = [scene.populated("one"), scene.untouched("two")]
    assert series(text(views)) == series(text(views, Format.OPENMETRICS), Format.OPENMETRICS)


@pytest.mark.parametrize("form", Format)
def test_types_and_help(form: Format) -> None:
    """No `_created` series and no timestamps."""
    page = text([scene.populated()], form)
    found = families(page, form)
    assert {name: (family.type, family.documentation) for name, family in found.items()} == {
        row.name.removesuffix("_total"): (type_of(row), row.help) for row in ROWS
    }
    assert "_created" not in page
    assert all(sample.timestamp is None for family in found.values() for sample in family.samples)


HOSTILE = [
    'x",node="stolen"} 1\nlnd_payments_started_total{node="invented',
    "back\\slash\\",
    "two\nlines",
    "carriage\rreturn",
    "nul\0nul",
    "lone \ud800 surrogate",
    "\u202eright to left, \N{HIGH VOLTAGE SIGN} and \N{ZERO WIDTH JOINER}",
]


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("alias", HOSTILE)
def test_any_alias_stays_one_label(alias: str, form: Format) -> None:
    """An alias may hold any character; the rest of the page stays as it is."""
    status = NodeStatus(info=Info(pubkey="02" * 33, alias=alias))
    plain = NodeStatus(info=Info(pubkey="02" * 33, alias="plain"))
    page = series(text([scene.untouched(status=status)], form), form)
    expected = series(text([scene.untouched(status=plain)], form), form)
    assert len(page) == len(expected)
    assert [name for name, _ in page.keys() - expected.keys()] == ["lnd_payments_node_info"]


def test_unprintable_characters_of_an_alias_are_replaced() -> None:
    """A lone surrogate, which can't be encoded, and control characters; the rest is kept."""
    status = NodeStatus(info=Info(pubkey="02" * 33, alias="a\0b\ud800c\td \N{HIGH VOLTAGE SIGN}"))
    page = text([scene.untouched(status=status)])
    assert 'alias="a\ufffdb\ufffdc\ufffdd \N{HIGH VOLTAGE SIGN}"' in page
