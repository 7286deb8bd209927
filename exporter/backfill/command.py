"""The command `backfill`: what is wrong is said before the work begins, and what to do next at its end."""

import sys
from collections.abc import Callable

from exporter import log
from exporter.backfill.adopt import how_to_adopt_again, refuse_adoption
from exporter.backfill.border import Border, Continued, MustBeginAnew, SeamError
from exporter.backfill.orders import AfterCounting, BeforeCounting, Order
from exporter.backfill.output import Output
from exporter.backfill.reader import HistoryReader, Renumbered
from exporter.backfill.seam import Seam, read_seam
from exporter.backfill.sink import SinkError
from exporter.backfill.work import Work
from exporter.config import Config, ConfigError, Problem
from exporter.follow import Account
from exporter.lnd.client import Client, LndError
from exporter.payments.payment import NS_PER_S, Moment
from exporter.progress import Patient, bars_or_nothing
from exporter.store import StoreError
from exporter.store.errors import OR_MEMORY

OK, FAILED = 0, 1


async def backfill(config: Config, client: Client, now: Callable[[], Moment]) -> int:
    """Write the past, close the client and return the exit code. Raises `ConfigError`."""
    log.configure("warning", "auto")
    (node,) = config.nodes
    output = Output(config, now)
    bars = bars_or_nothing("reading")
    display = Patient(bars, lambda: now().mono_ns / NS_PER_S) if bars else None
    try:
        seam = _check_order(config, now, is_continued=output.saved is not None)
        if output.is_done(seam):
            print(f"{output} is complete: nothing is left to do. {output.how_to_begin_anew}", file=sys.stderr)
            print(output.next_steps(), end="", file=sys.stderr)
            return OK
        await output.say_limits()
        reader = HistoryReader(node.name, client, now, display, lambda line: _note(node.preface + line))
        order = _order(config, seam, reader, now, output.saved.order if output.saved else None)
        work = Work(config, reader, order, output, now, _note)
        await work.run()
        print("\n".join(work.summary()), file=sys.stderr)
        if seam is None:
            print(_start(config), file=sys.stderr)
        print(output.next_steps(), end="", file=sys.stderr)
    except (LndError, SinkError, SeamError, StoreError) as error:
        said = error.advice if isinstance(error, LndError) else str(error)
        fix = f" {error.fix.removesuffix(OR_MEMORY).removesuffix('.')}." if isinstance(error, StoreError) else ""
        then = (
            f" {output.how_to_begin_anew}" if isinstance(error, MustBeginAnew | Renumbered) else output.how_to_continue
        )
        print(f"{node.preface}{said.removesuffix('.')}.{fix}{then}", file=sys.stderr)
        return FAILED
    finally:
        if display is not None:
            display.show({})
        await output.close()
        await client.close()
    return OK


def _check_order(config: Config, now: Callable[[], Moment], *, is_continued: bool) -> Seam | None:
    """Return how the exporter counts the node; None if it doesn't yet. Raises `ConfigError` for the wrong order."""
    path, (node,), adopt = config.storage.path, config.nodes, config.backfill.adopt
    assert path is not None, "the configuration is refused without a path"
    try:
        seam = read_seam(path, node.name, now().wall_ns)
        if adopt and not (is_continued and seam is not None and seam.adopted):
            refuse_adoption(path, node.name)
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix.removesuffix(OR_MEMORY))]) from None
    if seam is None and not adopt:
        what = f"{path} counts no node {node.name}."
        fix = (
            "If an exporter counts it, name its state file and its node: --storage.path=FILE --lnd.name=NAME\n"
            "If none does yet, add --adopt: then its counters begin with the sums of history."
        )
        raise ConfigError([Problem("--storage.path", what, fix)])
    if seam is not None and seam.adopted and not is_continued:
        what = f"The counters of {node.name} in {path} began with the sums of its history."
        raise ConfigError([Problem("--storage.path", what, how_to_adopt_again(node.name))])
    return seam


def _note(line: str) -> None:
    """Tell a person something at once, above the progress bar."""
    print(line, file=sys.stderr)


def _start(config: Config) -> str:
    """Return what is to be done when a node has been adopted."""
    (node,) = config.nodes
    return f"Start the exporter now: in {config.storage.path} its counters of {node.name} go on from these sums."


def _order(
    config: Config, seam: Seam | None, reader: HistoryReader, now: Callable[[], Moment], before: Continued | None
) -> Order:
    path, (node,) = config.storage.path, config.nodes
    assert path is not None, "the configuration is refused without a path"
    if seam is None:
        destinations = config.storage.ended_destinations
        account = Account(node.name, now, config.max_peers, destinations=destinations)
        return BeforeCounting(path, account, config.destinations, reader, before)
    border = Border(seam, lambda: read_seam(path, node.name, now().wall_ns), now, before)
    return AfterCounting(seam, border, reader)
