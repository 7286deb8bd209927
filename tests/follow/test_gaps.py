"""Payments during a gap between two sessions: which are found, and which can't be found any more."""

from dataclasses import replace

import grpc
import pytest

from exporter.follow import calls
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments import finished
from exporter.payments.labels import Method, NodeState
from exporter.payments.node import CatchUpProgress
from exporter.payments.totals import Counter
from exporter.simulator.database import Backend, Options
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.subscriptions import RpcStatus
from tests.follow.test_counting import begin, counted_reasons, reasons
from tests.follow.watch import ENDS, QUICK, Watch, watching


async def disconnect(node: SimulatedNode, watch: Watch) -> None:
    """Break the connection and refuse new ones, while the node goes on paying."""
    await node.wait_for_subscribers(1)  # the stream may be up here before lnd has registered it
    for method in (Method.SUBSCRIBE_STATE, Method.GET_INFO):
        node.faults.refuse(method, grpc.StatusCode.UNAVAILABLE, "Socket closed")
    node.end_streams(RpcStatus(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
    await watch.lost()


async def reconnect(node: SimulatedNode, watch: Watch) -> None:
    """Accept connections again, and wait until the stream is up."""
    node.faults.heal()
    await watch.live()


async def end_and_delete_in_a_gap(node: SimulatedNode, scenarios: Scenarios, watch: Watch, count: int) -> None:
    """Let `count` open payments end and be deleted during a gap: only a request for each can find that out."""
    await watch.live()
    rest = [scenario for _ in range(count) for scenario in begin(node, scenarios.held_then_settled())]
    await watch.until(lambda: watch.totals(Counter.STARTED) == {"started": count})
    await disconnect(node, watch)
    await node.play(*rest)
    node.database.delete_all()
    node.faults.heal()


async def test_ends_and_beginnings_in_a_gap_are_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """One payment ends, others begin and end, one begins and is still in flight: each is counted once."""
    async with watching(node) as watch:
        await watch.live()
        rest = begin(node, scenarios.held_then_settled())
        await node.wait_until_drained()
        await watch.until(lambda: watch.totals(Counter.STARTED) == {"started": 1})
        await disconnect(node, watch)
        await node.play(*rest, scenarios.success(), scenarios.route_fails(), scenarios.no_route())
        still = begin(node, scenarios.held_then_settled())
        await reconnect(node, watch)
        await watch.until(lambda: sum(watch.totals(Counter.SUCCEEDED, Counter.FAILED).values()) == 4)
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 5, "succeeded": 2, "failed": 2, "lost": 0})
        assert watch.totals(Counter.RECOVERED, Counter.ATTEMPTS_INCOMPLETE) == {
            "recovered": 4, "attempts_incomplete": 4,
        }  # fmt: skip
        await node.play(*still)
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 3})


async def test_many_ends_of_a_gap_are_confirmed_by_a_list(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Their reason may just have been overwritten when the catch-up listed them: one more list shows all of them."""
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        for _ in range(2 * calls.MANY):
            await node.play(scenarios.no_route())
        lists = node.calls[Method.LIST_PAYMENTS]
        await reconnect(node, watch)
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 2 * calls.MANY})
        assert counted_reasons(watch) == reasons(node)
        assert node.calls[Method.TRACK_PAYMENT] < calls.MANY  # the first hold may be over before the others
        assert node.calls[Method.LIST_PAYMENTS] - lists < calls.MANY


async def test_ends_of_a_gap_that_are_far_apart_are_confirmed_one_by_one(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of the list that shows too few of them ends the lists, and no end is left out."""
    monkeypatch.setattr(calls, "PAGE_LIMIT", 3)
    monkeypatch.setattr(calls, "MANY", 6)
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        for _ in range(12):
            await node.play(scenarios.no_route())
        await reconnect(node, watch)
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 12})
        assert counted_reasons(watch) == reasons(node)
        assert node.calls[Method.TRACK_PAYMENT]


async def test_ends_are_confirmed_one_by_one_if_a_page_fails(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lnd can't read one of the payments of the page, perhaps another one; the session goes on."""
    monkeypatch.setattr(calls, "MANY", 3)
    async with watching(node, intervals=replace(QUICK, second_catch_up_s=3600)) as watch:
        await watch.live()
        tracker, many = watch.follower.account.tracker, 6
        for _ in range(many):
            await node.play(scenarios.no_route())
        await watch.until(lambda: len(tracker.on_hold) == many)
        tracker.stream_lost()
        node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNKNOWN, "unable to decode payment", times=1)
        await watch.follower._calls.fetch([run.payment_hash for run in tracker.open])
        assert node.calls[Method.TRACK_PAYMENT] == many
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": many})
        assert counted_reasons(watch) == reasons(node)
        assert watch.delays == []


@pytest.mark.slow
@pytest.mark.usefixtures("a_tenth")
async def test_long_gap_amid_traffic_counts_each_payment_once(node: SimulatedNode, scenarios: Scenarios) -> None:
    """More payments than a page or the memory holds, with live ones during the catch-up."""
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        for _ in range(260):
            await node.play(scenarios.no_route())
        node.faults.heal()
        for _ in range(30):
            await node.play(scenarios.no_route())
        await watch.until(lambda: watch.status.stream_up)
        await node.wait_until_drained()
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 290})
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 290, "succeeded": 0, "failed": 290, "lost": 0})


@pytest.mark.slow
async def test_long_catch_up_reports_its_progress(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Page by page, in `NodeStatus.reading`."""
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        await node.play(*[scenarios.no_route() for _ in range(1200)])
        node.faults.heal()
        pages, seen = node.database.page, []

        def observed(request: pb.ListPaymentsRequest) -> bytes:
            seen.append(watch.status.reading)
            return pages(request)

        node.database.page = observed  # type: ignore[method-assign]
        await watch.live()
        far = [reading for reading in seen if reading is not None]
        assert far[0] == CatchUpProgress(first=0, at=50, last=1200, payments=50)
        assert [reading.at for reading in far[:5]] == [50, 150, 350, 750, 1200]
        await watch.until(lambda: watch.status.reading is None)


@pytest.mark.usefixtures("a_tenth")
async def test_node_is_ready_during_a_catch_up(node: SimulatedNode, scenarios: Scenarios) -> None:
    """However long it takes, the node is not shown as unreachable."""
    async with watching(node, intervals=replace(QUICK, accepted_s=0.1)) as watch:
        await watch.live()
        await disconnect(node, watch)
        assert watch.status.state is NodeState.UNREACHABLE
        await node.play(*[scenarios.no_route() for _ in range(120)])
        node.faults.heal()
        node.faults.delay(Method.LIST_PAYMENTS, 0.2)
        await watch.until(lambda: watch.status.state is NodeState.READY)
        assert (watch.status.catching_up, watch.status.stream_up, watch.status.detail) == (True, False, "")
        await watch.live()


@pytest.mark.slow
async def test_long_catch_up_that_breaks_amid_traffic_loses_nothing(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More payments end live meanwhile than are remembered; the next catch-up reads what this one didn't."""
    monkeypatch.setattr(finished, "REMEMBERED", 100)
    monkeypatch.setattr(finished, "_FORGOTTEN_AT_ONCE", 10)
    monkeypatch.setattr(calls, "PAGE_LIMIT", 50)
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        await node.play(*[scenarios.no_route() for _ in range(1000)])
        node.faults.heal()
        pages = node.database.page

        def slow(request: pb.ListPaymentsRequest) -> bytes:
            if request.index_offset == 200 and len(node.truth()) == 1000:
                for step in (step for _ in range(300) for step in scenarios.no_route().steps):
                    node.database.apply(step.mutation)
                node.faults.delay(Method.LIST_PAYMENTS, 1)
            return pages(request)

        node.database.page = slow  # type: ignore[method-assign]
        await watch.until(lambda: watch.counted(Counter.STARTED) >= 500)
        watch.clocks.ahead_s += 2
        watch.follower.account.release()
        node.faults.heal()
        await node.wait_for_subscribers(1)
        node.end_streams(RpcStatus(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
        await watch.lost()
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 1300})
        assert watch.totals(*ENDS) == {"started": 1300, "succeeded": 0, "failed": 1300, "lost": 0}
        assert watch.logged("lnd numbers its payments anew: reading back to known ones") == []


@pytest.mark.slow
async def test_many_gaps_count_each_payment_once_with_its_last_reason(
    node: SimulatedNode, scenarios: Scenarios
) -> None:
    """The stream breaks again and again at any message."""
    async with watching(node) as watch:
        await watch.live()
        for number in range(30):
            node.faults.cut(Method.TRACK_PAYMENTS, after=number)
            node.end_streams(RpcStatus())
            await node.play(
                scenarios.held_then_cancelled(90), scenarios.retry(), scenarios.probe(), scenarios.rebalance()
            )
        node.faults.heal()
        node.end_streams(RpcStatus())
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED, Counter.FAILED) == 120)
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 120, "succeeded": 60, "failed": 60, "lost": 0})
        assert counted_reasons(watch) == reasons(node)
        assert reasons(node) == {"timeout": 30, "incorrect_payment_details": 30}


@pytest.mark.usefixtures("a_tenth")
async def test_catch_up_that_fails_half_way_counts_nothing_twice(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The next session catches up again."""
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        for _ in range(120):
            await node.play(scenarios.no_route())
        node.faults.heal()
        node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=3, times=2)
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 120})
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 120, "succeeded": 0, "failed": 120, "lost": 0})


@pytest.mark.slow
async def test_page_that_is_too_large_is_requested_in_halves(node: SimulatedNode, scenarios: Scenarios) -> None:
    """It doesn't fit into a message; the session goes on."""
    async with watching(node) as watch:
        await watch.live()
        await disconnect(node, watch)
        for _ in range(600):
            await node.play(scenarios.no_route())
        node.faults.heal()
        node.faults.refuse(
            Method.LIST_PAYMENTS, grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max", times=3
        )
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 600})
        assert watch.labels(Counter.INTERRUPTIONS) == {("unreachable",): 1}


async def test_pages_grow_again_on_a_new_connection(node: SimulatedNode, scenarios: Scenarios) -> None:
    """After pages that didn't fit, or calls beyond a rate limit, pages don't stay tiny for ever."""
    async with watching(node) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests", times=9)
        node.end_streams(RpcStatus())
        await watch.lost()
        await watch.live()
        await disconnect(node, watch)
        await node.play(*[scenarios.no_route() for _ in range(20)])
        before = node.calls[Method.LIST_PAYMENTS]
        await reconnect(node, watch)
        assert node.calls[Method.LIST_PAYMENTS] - before <= 5
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 20})


async def test_run_that_is_retried_in_a_gap_is_lost(node: SimulatedNode, scenarios: Scenarios) -> None:
    """An open run fails and its hash is paid again: the end of the old run can't be found, the new run counts."""
    scenario = scenarios.retried_hash()
    create, *rest = scenario.steps
    async with watching(node) as watch:
        await watch.live()
        node.database.apply(create.mutation)
        await node.wait_until_drained()
        await watch.until(lambda: watch.totals(Counter.STARTED) == {"started": 1})
        await disconnect(node, watch)
        await node.play(scenario._replace(steps=tuple(rest)))
        node.faults.heal()
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
        watch.clocks.ahead_s += 70
        await node.wait_for_subscribers(1)
        node.end_streams(RpcStatus())
        await watch.until(lambda: watch.totals(Counter.LOST) == {"lost": 1})
        assert watch.labels(Counter.LOST) == {("retried",): 1}
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 2, "succeeded": 1, "failed": 0, "lost": 1})


async def test_run_that_is_deleted_in_a_gap_is_lost(node: SimulatedNode, scenarios: Scenarios) -> None:
    """After lnd has answered twice that it doesn't know it."""
    async with watching(node) as watch:
        await end_and_delete_in_a_gap(node, scenarios, watch, 1)
        await watch.live()
        await watch.until(lambda: any(run.missing for run in watch.follower.account.tracker.open.values()))
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 1, "succeeded": 0, "failed": 0, "lost": 0})
        watch.clocks.ahead_s += 70
        await node.wait_for_subscribers(1)
        node.end_streams(RpcStatus())
        await watch.until(lambda: watch.totals(Counter.LOST) == {"lost": 1})
        assert watch.labels(Counter.ATTEMPTS_UNRESOLVED) == {("lost",): 1}


async def test_failed_request_for_one_payment_is_repeated(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The stream is up without its answer, and the other payments are requested."""
    async with watching(node, intervals=replace(QUICK, poll_s=0.2)) as watch:
        await end_and_delete_in_a_gap(node, scenarios, watch, 2)
        node.faults.refuse(Method.TRACK_PAYMENT, grpc.StatusCode.UNKNOWN, "this payment is broken", times=1)
        await watch.live()
        (line,) = watch.logged("requests for some payments failed: they are repeated later")
        assert (line["payments"], "this payment is broken" in line["advice"]) == (1, True)
        assert watch.labels(Counter.LND_CALLS)["track_payment", "error"] == 1
        watch.clocks.ahead_s += 70
        await watch.until(lambda: watch.totals(Counter.LOST) == {"lost": 1})
        watch.clocks.ahead_s += 70
        await watch.until(lambda: watch.totals(Counter.LOST) == {"lost": 2})
        assert watch.labels(Counter.INTERRUPTIONS) == {("unreachable",): 1}


async def test_many_failed_requests_end_the_session(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Then it isn't the fault of single payments: the connection is given up."""
    async with watching(node) as watch:
        await end_and_delete_in_a_gap(node, scenarios, watch, 20)
        node.faults.refuse(Method.TRACK_PAYMENT, grpc.StatusCode.UNKNOWN, "database is locked")
        await watch.until(lambda: "database is locked" in watch.status.detail)
        node.faults.heal()
        await watch.live()


async def test_renewed_database_loses_open_payments(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The same node with an empty database: open payments are lost for that reason, later ones count."""
    async with watching(node) as watch:
        await watch.live()
        await node.play(scenarios.success())
        begin(node, scenarios.held_then_settled())
        await node.wait_until_drained()
        await watch.until(lambda: watch.totals(Counter.STARTED) == {"started": 2})
        await node.stop()
        node.renew_database()
        await node.start()
        await watch.live()
        await node.play(scenarios.success())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 2})
        await watch.until(lambda: any(run.missing for run in watch.follower.account.tracker.open.values()))
        watch.clocks.ahead_s += 70
        await node.wait_for_subscribers(1)
        node.end_streams(RpcStatus())
        await watch.until(lambda: watch.totals(Counter.LOST) == {"lost": 1})
        assert watch.labels(Counter.LOST) == {("database_renewed",): 1}
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 3, "succeeded": 2, "failed": 0, "lost": 1})


async def test_stale_snapshot_after_the_end_is_ignored(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The payment ends while lnd reads its table for the subscription, so the stale snapshot comes last."""
    rest = begin(node, scenarios.held_then_settled())
    async with node.faults.scan_held() as scan, watching(node) as watch:
        await watch.live()
        await scan.reached.wait()
        await node.play(*rest)
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
        scan.go_on.set()
        await watch.until(lambda: watch.labels(Counter.UPDATES_IGNORED).get(("after_terminal",)))
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 1, "succeeded": 1, "failed": 0, "lost": 0})


@pytest.mark.slow
@pytest.mark.parametrize("count", [30, 1300])
async def test_migration_to_native_sql_counts_each_payment_once(
    node: SimulatedNode, scenarios: Scenarios, count: int
) -> None:
    """lnd is upgraded and numbers all payments anew; some are made before the follower is back."""
    await node.play(*[scenarios.no_route() for _ in range(5)])
    node.database.delete_all()
    async with watching(node) as watch:
        await watch.live()
        for number in range(count):
            await node.play(scenarios.no_route())
            if number % 3 == 0:
                node.database.reserve_index()
        await node.wait_until_drained()
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": count})
        rest = begin(node, scenarios.held_then_settled())
        await node.wait_until_drained()
        await disconnect(node, watch)
        node.database.migrate()
        await node.play(scenarios.success(), scenarios.no_route(), *rest)
        await reconnect(node, watch)
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 2})
        await watch.until(
            lambda: watch.totals(*ENDS) == {"started": count + 3, "succeeded": 2, "failed": count + 1, "lost": 0}
        )
        assert watch.logged("lnd numbers its payments anew: reading back to known ones")
        await node.play(scenarios.success())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 3})


@pytest.mark.usefixtures("a_tenth")
async def test_history_stays_history_after_a_late_end_and_a_migration(
    node: SimulatedNode, scenarios: Scenarios
) -> None:
    """A payment was held for so long that its index is far below all others that are remembered."""
    rest = begin(node, scenarios.held_then_settled())
    node.database.reserve_index()
    await node.play(*[scenarios.no_route() for _ in range(110)])
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.STARTED) == {"started": 1})
        await node.play(*rest, scenarios.no_route())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED, Counter.FAILED) == {"succeeded": 1, "failed": 1})
        await disconnect(node, watch)
        await node.play(scenarios.success())
        node.database.migrate()
        await node.play(scenarios.success())
        await reconnect(node, watch)
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 3})
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 4, "succeeded": 3, "failed": 1, "lost": 0})


@pytest.mark.parametrize("page", [1, 3, 500])
async def test_migration_is_read_in_small_pages(
    node: SimulatedNode, scenarios: Scenarios, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading back to known payments doesn't stop at a page without history."""
    monkeypatch.setattr(calls, "PAGE_LIMIT", page)
    node.database.reserve_index()
    await node.play(*[scenarios.no_route() for _ in range(10)])
    async with watching(node) as watch:
        await watch.live()
        await node.play(*[scenarios.no_route() for _ in range(10)])
        await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 10})
        await disconnect(node, watch)
        await node.play(*[scenarios.success() for _ in range(11)])
        node.database.migrate()
        await reconnect(node, watch)
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 11})
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 21, "succeeded": 11, "failed": 10, "lost": 0})


@pytest.mark.usefixtures("a_tenth")
async def test_payments_count_after_all_are_deleted_and_numbering_restarts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """`deletepayments --all` on SQLite while the stream is up: the next payment has the index 1."""
    options = Options(backend=Backend.SQLITE)
    async with SimulatedNode(tmp_path_factory.mktemp("sql"), options=options) as node:
        scenarios = Scenarios(node.world)
        async with watching(node) as watch:
            await watch.live()
            await node.play(*[scenarios.no_route() for _ in range(120)])
            node.database.delete_all()
            await node.play(scenarios.no_route(), scenarios.no_route())
            await node.wait_until_drained()
            await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 122})
            await disconnect(node, watch)
            await node.play(scenarios.no_route())
            await reconnect(node, watch)
            await watch.until(lambda: watch.totals(Counter.FAILED) == {"failed": 123})
            await watch.until(lambda: watch.totals(*ENDS) == {"started": 123, "succeeded": 0, "failed": 123, "lost": 0})
