"""Words have one colour everywhere; every cause has advice; the commands on panels and in runbooks can be run."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dashboards import words
from exporter.config import load
from exporter.payments.labels import Cause, FailureSource, Kind, Outcome, Reason, RouteCheck
from tests.dashboards.panels import FILES, panel, panel_query, panels
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

FAILURES, OVERVIEW = "lnd-payments-failures", "lnd-payments-overview"
RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
PROGRAM = "lnd-payments-exporter"
FROM_ALERT_TO_PAYMENT = {
    "Outage": "ended --failed",
    "FailFast": "ended --failed",
    "FailSlowly": "ended --failed",
    "ErrorBudget": "ended --failed",
    "QuietNodeFails": "ended --failed",
    "OwnLiquidity": "ended --cause=own_liquidity",
    "OwnChannel": "ended --cause=own_inactive,own_channel",
    "RecipientsRefuse": "ended --reason=incorrect_payment_details",
    "PeerFails": "ended --failed --peer=",
    "LateSuccess": "ended --late",
    "Stuck": "open --older-than=1h",
}
"""What the first step of a runbook runs."""


def coloured() -> Iterator[tuple[str, str, str]]:
    """Yield word, colour and place of each colour that a panel gives to a series or to a text."""
    for uid in FILES:
        for shown in panels(uid):
            where = f"{uid}: {shown['title']}"
            for override in shown["fieldConfig"]["overrides"]:
                for one in override["properties"]:
                    if one["id"] == "color" and one["value"]["mode"] == "fixed":
                        yield override["matcher"]["options"], one["value"]["fixedColor"], where
                    elif one["id"] == "mappings":
                        options = [mapping["options"] for mapping in one["value"] if mapping["type"] == "value"]
                        for word, result in (item for found in options for item in found.items()):
                            if result["text"] == word:  # a label value, not a number or an advice
                                yield word, result["color"], where


def test_one_colour_a_word() -> None:
    """On all dashboards."""
    colours: dict[str, set[str]] = {}
    for word, colour, _ in coloured():
        colours.setdefault(word, set()).add(colour)
    assert {word: found for word, found in colours.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("label", "values", "colours"),
    [
        ("cause", Cause, words.CAUSES),
        ("reason", Reason, words.REASONS),
        ("kind", Kind, words.KINDS),
        ("source", FailureSource, words.SOURCES),
        ("outcome", Outcome, words.OUTCOMES),
        ("verdict", RouteCheck, words.CHECKS),
    ],
)
def test_every_value_has_a_colour_of_its_own(label: str, values: Iterable[str], colours: dict[str, str]) -> None:
    """On every graph with a series for each value."""
    assert set(colours) == {*values}
    assert len({*colours.values()}) == len(colours)
    for uid in FILES:
        for shown in panels(uid):
            legends = [target.get("legendFormat") for target in shown["targets"]]
            if (
                f"{{{{{label}}}}}" in legends
                and "interruptions" not in str(shown)
                and "updates_total" not in str(shown)
            ):
                fixed = {word: colour for word, colour, where in coloured() if where == f"{uid}: {shown['title']}"}
                assert fixed.items() >= colours.items() or "Fee rate" in shown["title"], shown["title"]


def test_red_is_what_is_bad_by_itself() -> None:
    """Of the causes only those for which channels of this node are down, or unusable."""
    red = {cause for cause, colour in words.CAUSES.items() if "red" in colour}
    assert red == {Cause.OWN_INACTIVE, Cause.OWN_CHANNEL}


def test_every_cause_has_advice() -> None:
    """The table of causes shows it, and a command for each."""
    assert set(words.ADVICE) == {*Cause}
    (shown,) = [
        one["value"][0]["options"]
        for override in panel(FAILURES, "Cause")["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "What helps"
        for one in override["properties"]
        if one["id"] == "mappings"
    ]
    assert {cause: mapping["text"] for cause, mapping in shown.items()} == dict(words.ADVICE)
    (command,) = re.findall(rf"{PROGRAM} (ended [^\"]+)", panel(FAILURES, "Cause")["targets"][0]["expr"])
    for cause in Cause:
        _, *flags = command.replace("$1", cause).replace("$__range", "21600s").split()
        ended = load(flags, {}, "ended").ended
        assert (ended.causes, ended.since_s) == ((cause.value,), 21600)


def test_every_check_has_advice() -> None:
    """The table of checks shows it, and says in words that it is off by default."""
    assert set(words.CHECK_ADVICE) == {*RouteCheck}
    checks = panel(FAILURES, "Why there was no route")
    (shown,) = [
        one["value"][0]["options"]
        for override in checks["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "What helps"
        for one in override["properties"]
        if one["id"] == "mappings"
    ]
    assert {verdict: mapping["text"] for verdict, mapping in shown.items()} == dict(words.CHECK_ADVICE)
    for text in (checks["description"], checks["fieldConfig"]["defaults"]["noValue"]):
        assert "--lnd.explain-no-route" in text
        assert "off" in re.findall(r"\w+", text.lower())


def check_commands(text: str) -> None:
    """Read the flags of each command in a text that lists payments, as the program does."""
    for command in re.findall(rf"`{PROGRAM} ([^`]+)`", text.replace("\n", " ")):
        name, *flags = command.replace("PEER", "02ab").split()
        if name == "ended":
            load(flags, {}, "ended")
        elif name == "open":
            load(flags, {}, "open")


@pytest.mark.parametrize("uid", FILES)
def test_commands_on_panels(uid: str) -> None:
    """Each can be run as it is."""
    for shown in panels(uid):
        check_commands(shown["description"])


@pytest.mark.parametrize(
    ("uid", "title"),
    [
        *(
            (FAILURES, title)
            for title in ("How many fail, and the top cause", "Cause", "Cause by amount", "lnd's reason")
        ),
        (FAILURES, "Why there was no route"),
        (FAILURES, "Failures by destination"),
        *((FAILURES, title) for title in ("HTLC failures: code by who failed it", "Direct peers")),
        (OVERVIEW, "Failed, and the top cause"),
        *((uid, "Successes after giving up") for uid in (OVERVIEW, "lnd-payments-flight")),
    ],
)
def test_panels_on_failures_lead_to_payments(uid: str, title: str) -> None:
    """They name the command that lists them."""
    shown = panel(uid, title)
    assert f"{PROGRAM} ended" in shown["description"] + str(shown["targets"])


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: str(page.stem))
def test_commands_in_runbooks(page: Path) -> None:
    """Each can be run as it is."""
    check_commands(page.read_text())


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: str(page.stem))
def test_runbooks_list_no_payments_of_lnd(page: Path) -> None:
    """On a busy node its newest payments are those of seconds, and all of them are too many."""
    assert "max_payments" not in page.read_text()


@pytest.mark.parametrize("name", FROM_ALERT_TO_PAYMENT)
def test_runbook_leads_to_the_payments_first(name: str) -> None:
    """The first step lists them, and explains one."""
    _, steps = (RUNBOOKS / f"LndPayments{name}.md").read_text().split("## Look at\n\n1. ")
    first = " ".join(steps.split("\n2. ")[0].split())
    assert f"`{PROGRAM} {FROM_ALERT_TO_PAYMENT[name]}" in first
    assert f"`{PROGRAM} why HASH`" in first


@pytest.mark.usefixtures("programs")
def test_table_of_causes(tmp_path: Path) -> None:
    """A row for each cause that occurred: number, share, and the command for the time shown."""
    where = 'job="lnd-payments",instance="a:10019",node="alice",purpose="payment",amount_band="under_1k_sat"'
    rises = {"own_inactive": "0+3x100", "recipient_unreachable": "0+1x100", "held": "0x100"}
    series = {f'lnd_payments_failed_by_cause_total{{{where},cause="{cause}"}}': said for cause, said in rises.items()}
    listed = {cause: f"{PROGRAM} ended --cause={cause} --since=3600s" for cause in rises}
    expected = [
        Expected(
            panel_query(FAILURES, "Cause", "A", "3600s"),
            80,
            {
                f'{{cause="{cause}", advice="{cause}", command="{listed[cause]}"}}': number
                for cause, number in (("own_inactive", 180), ("recipient_unreachable", 60))
            },
        ),
        Expected(
            panel_query(FAILURES, "Cause", "B", "3600s"),
            80,
            {'{cause="own_inactive"}': 0.75, '{cause="recipient_unreachable"}': 0.25},
        ),
    ]
    assert not query_errors(tmp_path, series, expected, recorded())
