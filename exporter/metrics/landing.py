"""The landing page: how each node is, in plain words, and where to go from here."""

from collections.abc import Sequence
from html import escape

from exporter import __version__
from exporter.metrics.foreign import clean
from exporter.payments.labels import PURPOSE, Kind, Mode, NodeState, Purpose
from exporter.payments.totals import Counter
from exporter.payments.view import View

_WORDS: dict[NodeState, str] = {
    NodeState.UNREACHABLE: "there is no connection to lnd",
    NodeState.NO_WALLET: "lnd has no wallet yet",
    NodeState.LOCKED: "the wallet is locked",
    NodeState.STARTING: "lnd is starting",
    NodeState.READY: "all is well",
    NodeState.DENIED: "lnd doesn't let us in, because of the macaroon",
    NodeState.WRONG_NODE: "another node than before answers",
}
_HOW: dict[Mode | None, str] = {
    Mode.FINAL: " what has ended",
    Mode.TRACK: ", each payment by itself",
}
_PURPOSES: dict[Purpose, str] = {
    Purpose.PAYMENT: "Payments",
    Purpose.REBALANCE: "Rebalances",
    Purpose.OTHER: "Others",
}

_CHECK = escape('lnd_payments_node_up{exported_node!=""}')
"""What Prometheus has where a target label `node` collides with ours."""

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


def page(views: Sequence[View], telemetry_path: str) -> str:
    """The whole page. Every word that comes from a node or the configuration is escaped."""
    cards = "\n".join(_card(view) for view in views)
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
<p class="soft">Version {_text(__version__)}. Tells Prometheus about the outgoing payments of lnd nodes.</p>
<nav>
<a href="{_text(telemetry_path)}">Metrics</a>
<a href="/-/healthy">Is the exporter alive?</a>
<a href="/-/ready">Is it ready?</a>
</nav>
<main>
{cards}
</main>
<p class="soft">In Prometheus these names must be in the label <code>node</code>. If <code>{_CHECK}</code> finds \
anything there, the target has such a label, too, which hides ours: drop it (docs/alerts.md tells how).</p>
</body>
</html>
"""


def _text(words: str) -> str:
    return escape(clean(words))


def _card(view: View) -> str:
    status = view.status
    tone, words = _plain_words(view)
    detail = f"<p>{_text(status.detail)}</p>" if status.detail else ""
    rows = "\n".join(_row(view, purpose) for purpose in Purpose)
    return f"""<article class="{tone}">
<h2><bdi>{_text(view.node)}</bdi></h2>
<p class="state">{_text(words)}</p>
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


def _plain_words(view: View) -> tuple[str, str]:
    """A tone and a sentence: is this node being counted, and if not, why."""
    status = view.status
    words = _WORDS[status.state]
    if status.state is not NodeState.READY:
        waiting = status.state in (NodeState.STARTING, NodeState.NO_WALLET, NodeState.LOCKED)
        return ("wait" if waiting else "bad", f"Not counting: {words}.")
    if status.catching_up:
        far = f": {status.reading.at:,} of {status.reading.last:,} read" if status.reading else ""
        return ("wait", f"Counting, and catching up with what was missed{far}.")
    if not status.stream_up:
        return ("wait", "lnd is ready, but its updates are not flowing yet.")
    return ("good", f"Counting{_HOW.get(status.mode, '')}: {words}.")


def _identity(view: View) -> str:
    """Who the node is; an alias may hold any character, also such that turn the direction of writing."""
    info = view.status.info
    if info is None:
        return "It has not yet said who it is."
    version = info.version.partition(" ")[0]  # the commit follows
    said = [info.network, version and f"lnd {version}", info.block_height and f"block {info.block_height}"]
    alias = f"<bdi>{_text(info.alias)}</bdi>, " if info.alias else ""
    return alias + _text(", ".join(str(word) for word in said if word))


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
