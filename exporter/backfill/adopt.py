"""Adoption: a node that no exporter counts yet gets live counters that begin with the sums of its history.

First it is found what is history at one moment, so that it can be written. Then the node is written to the state file
of the exporter, in one transaction: after a kill before that the file doesn't have the node.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.follow import Account
from exporter.lnd.client import PaymentsPage
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Payment, Run
from exporter.store import StoreError, encode, read_counting, rehearse
from exporter.store.errors import as_store_error
from exporter.store.receive import add_node, refuse_running


@dataclass(frozen=True, slots=True)
class Beginning:
    """The payments of a node when its counting begins: those that are over are history, the others are live's."""

    page: PaymentsPage
    """The newest payments; counting goes on from them."""
    old: tuple[Payment, ...]
    """Those that were in flight when they were read, and aren't on that page."""

    @property
    def ended(self) -> list[Payment]:
        """Return all of these that are over, and not malformed; most of the page is in history already."""
        return [each for each in (*self.page.payments, *self.old) if each.status.ended and not each.malformed]


def refuse_adoption(path: Path, node: str) -> None:
    """Raise `StoreError` if the node can't be adopted.

    The file has the node, which is said first, for to stop the exporter would not help; or an exporter runs with the
    file; or it can't be written.
    """
    counting = read_counting(path, node, 0)
    if counting is None:
        with as_store_error(path, "written"):
            refuse_running(path)
            rehearse(path)
        return
    if counting.state.adopted:
        raise StoreError(
            f"{path} has the history of {node} already: its counters began with it.", how_to_adopt_again(node)
        )
    raise StoreError(
        f"{path} counts {node} already.",
        f"Leave out --adopt: history ends where counting began.\n{how_to_adopt_again(node)}",
    )


def how_to_adopt_again(node: str) -> str:
    """Return what to do if the sums of history shall be in the counters of a node that is counted already."""
    return (
        "To begin anew: stop the exporter, delete what it has counted by"
        f" `lnd-payments-exporter --storage.reset={node}`\n"
        "with the exporter's --storage.path if it has one, and run this with --adopt."
    )


async def find_beginning(
    newest: PaymentsPage, in_flight: Iterable[Run], fetch: Callable[[str], Awaitable[Payment | None]]
) -> Beginning:
    """Decide about each payment once: by the page of the newest payments, or by one answer about an older one.

    `newest` is `Calls.newest_payments`, requested after all payments have been read; `in_flight` are those that hadn't
    ended when they were read, and `fetch` asks lnd for one by its hash. Raises what `fetch` does.
    """
    on_page = {payment.run for payment in newest.payments}
    old = []
    for run in in_flight:
        if run not in on_page:
            payment = await fetch(run.payment_hash)
            if payment is not None and payment.run == run:  # else lnd has erased it, and perhaps begun a later run
                old.append(payment)
    return Beginning(newest, tuple(old))


def adopt(
    path: Path,
    account: Account,
    ledger: Ledger,
    beginning: Beginning,
    *,
    pubkey: str,
    groups: Mapping[str, str],
) -> None:
    """Write a node to the state file as if counting began now, with totals that begin with those of `ledger`.

    `account` is a new one of the node, `ledger` has all that ended of `beginning`, `groups` are those of destinations.
    The node is on disk when this returns. Raises `StoreError`.
    """
    at, tracker = account.now(), account.tracker
    account.ledger, account.pubkey = ledger, pubkey
    account.group_destinations(groups)
    ledger.last_update_ns = at.wall_ns
    newest = beginning.page
    floor = 0 if newest.is_last else newest.payments[0].payment_index - 1
    account.apply(tracker.begin(newest.payments, floor, at))
    tracker.history.adopted = True
    for payment in beginning.old:
        if not payment.status.ended:
            account.apply(tracker.repair(payment, at))
    account.note_index(newest.last_index)
    add_node(path, account.name, encode(account.save(account.capture())))
