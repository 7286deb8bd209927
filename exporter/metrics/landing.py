"""The landing page: the state of each node in plain words, and links to the other pages."""

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

from exporter import __version__
from exporter.payments.labels import PURPOSE, Kind, Mode, NodeState, Purpose
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.text import sanitize

_STATE_TEXT: dict[NodeState, str] = {
    NodeState.UNREACHABLE: "there is no connection to lnd",
    NodeState.NO_WALLET: "lnd has no wallet yet",
    NodeState.LOCKED: "the wallet is locked",
    NodeState.STARTING: "lnd is starting",
    NodeState.READY: "all is well",
    NodeState.DENIED: "lnd refuses the macaroon",
    NodeState.WRONG_NODE: "a different node than before answers",
}
_MODE_TEXT: dict[Mode | None, str] = {
    Mode.FINAL: " payments when they end",
    Mode.TRACK: " each payment by its own stream",
}
_PURPOSES: dict[Purpose, str] = {
    Purpose.PAYMENT: "Payments",
    Purpose.REBALANCE: "Rebalances",
    Purpose.OTHER: "Others",
}

_CHECK = escape('lnd_payments_node_up{exported_node!=""}')
"""A query that returns series if a target label `node` collides with ours."""

_STYLE = """
:root {
  color-scheme: light dark;
  --soft: #5c6470; --line: #d8dce2; --card: #f6f7f9;
  --good: #18794e; --bad: #c0392b; --wait: #9a6700;
}
@media (prefers-color-scheme: dark) {
  :root {
    --soft: #9aa4b2; --line: #343b45; --card: #1d2127;
    --good: #4cc38a; --bad: #ff7b72; --wait: #e3b341;
  }
  body { background: #14171b; color: #e6e9ee; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0; overflow-wrap: anywhere; }
a { color: inherit; text-underline-offset: .2em; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0 1.5rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1rem; }
article {
  background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--tone);
  border-radius: .5rem; padding: 1rem; overflow-x: auto;
}
article.good { --tone: var(--good); } article.bad { --tone: var(--bad); } article.wait { --tone: var(--wait); }
.state { color: var(--tone); font-weight: 600; }
.soft, th { color: var(--soft); font-weight: normal; }
table { border-collapse: collapse; width: 100%; margin-top: .75rem; font-size: .9rem; }
td { font-variant-numeric: tabular-nums; }
th, td { padding: .2rem 0 .2rem .75rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; }
tr > :first-child { text-align: left; padding-left: 0; white-space: normal; }
"""


def render_page(views: Sequence[View], telemetry_path: str, others: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the whole page, with links to the metrics, to `others` (text by path) and to the health pages.

    Every text from a node or the configuration is escaped.
    """
    links = "".join(f'\n<a href="{_escape(path)}">{_escape(text)}</a>' for path, text in others.items())
    cards = "\n".join(_card(view) for view in views) or "<p>This exporter follows no node.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>lnd payments exporter</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>lnd payments exporter</h1>
<p class="soft">Version {_escape(__version__)}. Exports metrics of the outgoing payments of lnd nodes to Prometheus.</p>
<nav>
<a href="{_escape(telemetry_path)}">Metrics</a>{links}
<a href="/-/healthy">Is the exporter alive?</a>
<a href="/-/ready">Is it ready?</a>
</nav>
<main>
{cards}
</main>
<p class="soft">In Prometheus the label <code>node</code> must hold these names. If <code>{_CHECK}</code> returns any \
series, the target has a label <code>node</code> of its own, which hides ours: drop it (see docs/alerts.md).</p>
</body>
</html>
"""


def _escape(text: str) -> str:
    return escape(sanitize(text))


def _card(view: View) -> str:
    status = view.status
    tone, sentence = _describe(view)
    detail = f"<p>{_escape(status.detail)}</p>" if status.detail else ""
    rows = "\n".join(_row(view, purpose) for purpose in Purpose)
    return f"""<article class="{tone}">
<h2><bdi>{_escape(view.node)}</bdi></h2>
<p class="state">{_escape(sentence)}</p>
{detail}
<p class="soft">{_identity(view)}</p>
<table>
<thead><tr><th scope="col">so far</th><th scope="col">succeeded</th><th scope="col">failed</th>\
<th scope="col">in flight</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</article>"""


def _describe(view: View) -> tuple[str, str]:
    """Return a CSS class and a sentence: whether the node's payments are counted, and if not, why."""
    status = view.status
    state = _STATE_TEXT[status.state]
    if status.state is not NodeState.READY:
        waiting = status.state in (NodeState.STARTING, NodeState.NO_WALLET, NodeState.LOCKED)
        return ("wait" if waiting else "bad", f"Not counting: {state}.")
    if status.catching_up:
        progress = f": {status.reading.at:,} of {status.reading.last:,} read" if status.reading else ""
        return ("wait", f"Counting, and catching up with what was missed{progress}.")
    if not status.stream_up:
        return ("wait", "lnd is ready, but its updates are not flowing yet.")
    return ("good", f"Counting{_MODE_TEXT.get(status.mode, '')}: {state}.")


def _identity(view: View) -> str:
    """Return the node's identity as HTML; `<bdi>` isolates an alias that changes the writing direction."""
    info = view.status.info
    if info is None:
        return "Its identity is not known yet."
    version = info.version.partition(" ")[0]  # the commit follows
    facts = [info.network, version and f"lnd {version}", info.block_height and f"block {info.block_height}"]
    alias = f"<bdi>{_escape(info.alias)}</bdi>, " if info.alias else ""
    return alias + _escape(", ".join(str(fact) for fact in facts if fact))


def _row(view: View, purpose: Purpose) -> str:
    kinds = [kind for kind in Kind if PURPOSE[kind] is purpose]
    succeeded, failed = (
        sum(total for labels, total in view.counters[counter].items() if labels[0] in kinds)
        for counter in (Counter.SUCCEEDED, Counter.FAILED)
    )
    in_flight = sum(runs for (of, _), runs in view.in_flight.runs.items() if of is purpose)
    now = "not known" if view.status.mode is Mode.FINAL else f"{in_flight:,}"
    cells = "".join(f"<td>{number}</td>" for number in (f"{succeeded:,}", f"{failed:,}", now))
    return f'<tr><th scope="row">{_PURPOSES[purpose]}</th>{cells}</tr>'
