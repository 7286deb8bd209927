"""`make mutations`: breaks the code on purpose, one promise at a time; a test must notice each."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Mutation(NamedTuple):
    """One way to break the code."""

    name: str
    file: str
    """The file, below `exporter/`."""
    right: str
    """Source text that occurs exactly once in the file."""
    wrong: str
    tests: str
    """Tests that must fail, below `tests/`."""


MUTATIONS = (
    Mutation(
        "a save is skipped",
        "checkpoint.py",
        "await asyncio.get_running_loop().run_in_executor(store.executor, store.save, nodes)",
        "pass",
        "test_checkpoint.py",
    ),
    Mutation(
        "saved after answering",
        "checkpoint.py",
        "self._on_time = await self._write(self._store, [*changed.values()])",
        "self._slow = asyncio.create_task(self._write(self._store, [*changed.values()]))",
        "test_checkpoint.py",
    ),
    Mutation(
        "a page of some nodes is shared with a request for others",
        "checkpoint.py",
        "self._wanted.union(nodes)",
        "set(nodes)",
        "test_checkpoint.py",
    ),
    Mutation(
        "a page of one node has all nodes",
        "web/pages.py",
        "tuple(by_name[name] for name in names)",
        "tuple(by_name.values())",
        "web/test_pages.py",
    ),
    Mutation(
        "a page shows the process as it was at the start",
        "metrics/process.py",
        "self._metrics[name].samples = [sample._replace(value=value)]",
        "pass",
        "metrics/test_process.py",
    ),
    Mutation(
        "a stale piece of a page is used again",
        "metrics/rendered.py",
        "if all(map(samples.same, chunk.sources, sources)):",
        "if samples.same(chunk.sources[-1], sources[-1]):",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a page mixes two instants of a node",
        "metrics/samples.py",
        "(isinstance(now, list) and before == now)",
        "isinstance(now, list)",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a label of the exporter's own values isn't escaped",
        "metrics/samples.py",
        "{_escape(labels[label])}",
        "{labels[label]}",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "the value of a process metric is written as Python writes it",
        "metrics/samples.py",
        "repr(value) if 0 <= value < _GO_EXPONENT else floatToGoString(value)",
        "repr(value)",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a metric that is added up is written with the labels of all its series",
        "metrics/samples.py",
        "_Shape(row.shown_labels",
        "_Shape(tuple(row.labels)",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a number is written in the unit of another metric",
        "metrics/samples.py",
        "_Shape(row.shown_labels, row.unit",
        "_Shape(row.shown_labels, 1",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a piece of a page is used for another node",
        "metrics/rendered.py",
        "[view.node for view in views] != [view.node for view in before.views]",
        "len(views) != len(before.views)",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "equal totals in another order are taken for the same",
        "metrics/samples.py",
        "isinstance(now, list) and before",
        "before is not None and before",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a page has a wrong checksum",
        "metrics/gzipped.py",
        "zlib.crc32(bytes(self.length), crc ^ self.before ^ _ALL_ONES) ^ _ALL_ONES",
        "zlib.crc32(bytes(self.length), crc ^ self.before)",
        "metrics/test_gzipped.py",
    ),
    Mutation(
        "a page has the checksum of an earlier page",
        "metrics/gzipped.py",
        "if crc == self.before:",
        "if self.length:",
        "metrics/test_rendered.py",
    ),
    Mutation(
        "a compressed piece refers to the one before it",
        "metrics/gzipped.py",
        "self._compressor.flush(zlib.Z_FULL_FLUSH)",
        "self._compressor.flush(zlib.Z_SYNC_FLUSH)",
        "metrics/test_gzipped.py",
    ),
    Mutation(
        "pages are kept for ever",
        "web/rendering.py",
        "< now_s - KEPT_S",
        "< 0",
        "web/test_rendering.py",
    ),
    Mutation(
        "rendering holds up the event loop",
        "web/rendering.py",
        "if monotonic() >= end_s:",
        "if False:",
        "web/test_rendering.py",
    ),
    Mutation(
        "a group leaves out one metric too many",
        "metrics/groups.py",
        '{"lnd_payments_fee_msat", "lnd_payments_fee_ppm"}',
        '{"lnd_payments_fee_msat", "lnd_payments_fee_ppm", "lnd_payments_duration_seconds"}',
        "metrics/test_groups.py",
    ),
    Mutation(
        "a group leaves out one metric too few",
        "metrics/groups.py",
        '                "lnd_payments_settled_parts",\n',
        "",
        "metrics/test_groups.py",
    ),
    Mutation(
        "a label that is left out of the page is not added up",
        "metrics/row.py",
        "totals[shown] = totals.get(shown, 0) + total",
        "totals[shown] = total",
        "metrics/test_groups.py",
    ),
    Mutation(
        "pages show the groups that the operator left out",
        "web/handlers.py",
        "Rendering(node_rows(without))",
        "Rendering(node_rows())",
        "web/test_pages.py",
    ),
    Mutation(
        "a total on a page goes on changing",
        "payments/ledger.py",
        "        self._own.clear()\n",
        "",
        "payments/test_noted.py",
    ),
    Mutation(
        "a page has the state of an earlier one",
        "follow/account.py",
        "self.version != self._last_view_version or self.tracker.open:",
        "False:",
        "payments/test_noted.py",
    ),
    Mutation(
        "the view and the saved state of a node are of two instants",
        "checkpoint.py",
        "            views[name] = view = account.capture()\n",
        "            views[name] = view = account.capture()\n            await asyncio.sleep(0)\n",
        "test_checkpoint.py",
    ),
    Mutation(
        "a page of one node isn't written",
        "checkpoint.py",
        "            if self._must_be_written(account):\n                changed[name]",
        "            if wanted is None and self._must_be_written(account):\n                changed[name]",
        "test_checkpoint.py",
    ),
    Mutation(
        "after a failed write only a page of one node is written",
        "checkpoint.py",
        "wanted = None if self._failure else wanted",
        "pass",
        "test_checkpoint.py",
    ),
    Mutation(
        "a change of an open run isn't noted for the file",
        "payments/tracker.py",
        "        events = run.receive(payment, receipt)\n        self.texts.changed(run.run)\n",
        "        events = run.receive(payment, receipt)\n",
        "payments/test_noted.py",
    ),
    Mutation(
        "a change of an open run isn't noted for the gauges in flight",
        "payments/tracker.py",
        "        self.texts.changed(run.run)\n        self.in_flight.changed(run.run)\n        if run.terminal",
        "        self.texts.changed(run.run)\n        if run.terminal",
        "payments/test_inflight.py",
    ),
    Mutation(
        "a run that has ended stays in the gauges in flight",
        "payments/inflight.py",
        "            self._sum(share, -1)\n            self._with_held",
        "            self._with_held",
        "payments/test_inflight.py",
    ),
    Mutation(
        "an HTLC in flight is never held for long",
        "payments/inflight.py",
        "share.until_wall_ns <= wall_ns or",
        "",
        "payments/test_inflight.py",
    ),
    Mutation(
        "a clock that is set back leaves ages as they were",
        "payments/inflight.py",
        "if now.wall_ns < self._last_ns:",
        "if False:",
        "payments/test_inflight.py",
    ),
    Mutation(
        "ends that a list confirms count as requested before they were listed for the first time",
        "follow/calls.py",
        "                    self.account.record(payment, Source.LIST, asked)\n",
        "                    self.account.record(payment, Source.LIST, asked._replace(mono_ns=0))\n",
        "follow/test_gaps.py",
    ),
    Mutation(
        "a payment in flight that becomes older keeps its age",
        "payments/inflight.py",
        "            if share.ages_wall_ns <= wall_ns:\n                self._age(share, wall_ns)\n",
        "",
        "payments/test_inflight.py",
    ),
    Mutation(
        "a payment in flight leaves a band of ages and comes into none",
        "payments/inflight.py",
        "        runs[share.group] += 1\n\n",
        "\n",
        "payments/test_inflight.py",
    ),
    Mutation(
        "gauges of an earlier block height are shown",
        "payments/inflight.py",
        "if not self._fresh or block_height != self._last_height:",
        "if not self._fresh:",
        "payments/test_inflight.py",
    ),
    Mutation(
        "runs are compared with another copy than the one on disk",
        "payments/noted.py",
        "new.previous is old.identity",
        "True",
        "payments/test_noted.py",
    ),
    Mutation(
        "changes are not noticed",
        "follow/account.py",
        "self.version += bool(events)",
        "self.version = 1",
        "test_checkpoint.py",
    ),
    Mutation(
        "the cursor is trusted",
        "follow/follower.py",
        "if not await self._catch_up.indexes_hold():",
        "if False:",
        "follow/test_gaps.py",
    ),
    Mutation(
        "a signature with the higher s is refused",
        "lnd/ecdsa.py",
        "min(s, ORDER - s)",
        "s",
        "lnd/test_ecdsa.py",
    ),
    Mutation(
        "a signature out of range is verified",
        "lnd/ecdsa.py",
        "if not 0 < r < ORDER or not 0 < s < ORDER:",
        "if False:",
        "lnd/test_ecdsa.py",
    ),
    Mutation(
        "nobody asks whether a payment request pays the node",
        "payments/run.py",
        "self.pays_self = payment.pays_self is not None and payment.pays_self()",
        "self.pays_self = False",
        "payments/test_pays_self.py",
    ),
    Mutation(
        "a payment request is checked whenever it is decoded",
        "lnd/bolt11.py",
        "self._request = request",
        "self._request = request if pays(request, key) else request",
        "lnd/test_decode.py",
    ),
    Mutation(
        "a hash with spaces in it is a hash",
        "lnd/decode.py",
        "if len(lower) == len(text) == digits",
        "if len(lower) == digits",
        "lnd/test_decode.py",
    ),
    Mutation(
        "finished runs are forgotten at a restart",
        "payments/saved.py",
        "finished.indexes.update(saved.finished)",
        "pass",
        "follow/test_chaos.py",
    ),
    Mutation(
        "open runs are forgotten at a restart", "payments/saved.py", "tracker.add(run)", "pass", "follow/test_chaos.py"
    ),
    Mutation(
        "counting begins anew at a restart",
        "payments/saved.py",
        "tracker.begun = state.begun",
        "pass",
        "follow/test_chaos.py",
    ),
    Mutation(
        "old runs are forgotten at a restart",
        "payments/saved.py",
        "tracker.history.survivors.update(dict.fromkeys(state.survivors))",
        "pass",
        "store",
    ),
    Mutation(
        "the reason of the first terminal update counts",
        "payments/terminal.py",
        "HOLD_NS = NS_PER_S",
        "HOLD_NS = 0",
        "payments/test_hold.py",
    ),
    Mutation(
        "a hold outlives its stream",
        "payments/tracker.py",
        "terminal.unconfirm()\n        self.on_hold.clear()",
        "pass",
        "payments/test_hold.py",
    ),
    Mutation(
        "a hold that begins again keeps its place",
        "payments/tracker.py",
        "self.on_hold[run.run] = run.terminal\n            self.on_hold.move_to_end(run.run)",
        "self.on_hold[run.run] = run.terminal",
        "payments/test_lag.py",
    ),
    Mutation(
        "an end is never asked for if a busy stream doesn't tell it",
        "payments/receipt.py",
        "at.mono_ns - received_mono_ns < LONGEST_LAG_NS",
        "True",
        "payments/test_lag.py",
    ),
    Mutation(
        "an end is never asked for if a stream has passed it",
        "payments/receipt.py",
        "happened_ns > self.newest_ns - LAG_NS",
        "True",
        "payments/test_lag.py",
    ),
    Mutation(
        "a quiet stream counts as late",
        "payments/receipt.py",
        "at.mono_ns - self.last_update_mono_ns < QUIET_NS",
        "True",
        "payments/test_lag.py",
    ),
    Mutation(
        "what a late stream will tell is asked for",
        "payments/tracker.py",
        "elif self._subscription.is_late(terminal.latest_ns, terminal.received.mono_ns, at):",
        "elif False:",
        "payments/test_lag.py",
    ),
    Mutation(
        "a hold doesn't notice that the process stood still",
        "follow/account.py",
        "self.tracker.postpone(int(stalled_s * 1e9))",
        "pass",
        "follow/test_account.py",
    ),
    Mutation(
        "a hold is looked at so seldom that a stop isn't noticed",
        "follow/follower.py",
        "self.account.last_run_s + RELEASE_S - time_s()",
        "self.account.last_run_s + 4 * RELEASE_S - time_s()",
        "follow/test_account.py",
    ),
    Mutation(
        "a payment that the stream doesn't show is not requested",
        "follow/catch_up.py",
        "await self._calls.fetch_unseen()\n        self._calls.not_found_cause = ",
        "self._calls.not_found_cause = ",
        "follow/test_gaps.py",
    ),
    Mutation(
        "an answer from between two terminals is believed",
        "payments/terminal.py",
        "return newest_ns - self.latest_ns < RECENT_NS + at.mono_ns - self.asked_mono_ns",
        "return False",
        "payments/test_hold.py",
    ),
    Mutation(
        "the floor rises above the unread",
        "payments/finished.py",
        "if self.read_up_to is not None:  # `REMEMBERED`",
        "if False:  # `REMEMBERED`",
        "payments/test_finished.py",
    ),
    Mutation(
        "deleted runs are remembered first",
        "follow/catch_up.py",
        "self._finished.drop_indexes(not_listed)",
        "pass",
        "follow/test_renumbering.py",
    ),
    Mutation(
        "runs that lnd deleted do not show the floor by time",
        "payments/finished.py",
        "if index > self.floor_index or not index)",
        "if index > self.floor_index)",
        "payments/test_finished.py",
    ),
    Mutation(
        "a live terminal update after an answer does not restart the hold",
        "payments/terminal.py",
        "if unconfirmed or (receipt.from_full_stream and not self.told):",
        "if unconfirmed:",
        "payments/test_hold.py",
    ),
    Mutation(
        "an answer requested earlier replaces the reason",
        "payments/terminal.py",
        "new_reason = receipt.asked.mono_ns >= self.asked_mono_ns and",
        "new_reason =",
        "payments/test_hold.py",
    ),
    Mutation(
        "an answer that overtook an open stream is not live",
        "payments/terminal.py",
        "if receipt.from_full_stream and first_mono_ns is not None and first_mono_ns < self.asked_mono_ns:",
        "if False:",
        "payments/test_hold.py",
    ),
    Mutation(
        "payments read under old indexes count as read under new ones",
        "payments/finished.py",
        "self.read_up_to = 0  # in",
        "pass  # in",
        "payments/test_finished.py",
    ),
    Mutation(
        "nobody notices that the file is gone",
        "store/open_files.py",
        "if self._identity is None or not self._identity.in_place(now):",
        "if False:",
        "store/test_store.py",
    ),
    Mutation(
        "the lock doesn't say that there was a state",
        "store/store.py",
        "self._files.lock.write(record)",
        "pass",
        "store/test_kills.py",
    ),
    Mutation(
        "a new file forgets earlier resets",
        "store/store.py",
        "self._listed_from_us[node])\n        self._write_resets(connection, self.resets)",
        "self._listed_from_us[node])",
        "store/test_kills.py",
    ),
    Mutation(
        "an older copy that is put back is not noticed",
        "store/file_identity.py",
        "return self.file == recorded.file and self.writes >= recorded.writes",
        "return True",
        "store/test_other_programs.py",
    ),
    Mutation(
        "a file that another program changed is trusted",
        "store/open_files.py",
        "different = difference(self.path, self.mark, written)",
        'different = ""',
        "store/test_other_programs.py",
    ),
    Mutation(
        "what could not be written is shown while another program holds the lock",
        "checkpoint.py",
        "return not isinstance(error, Busy)",
        "return True",
        "test_checkpoint.py",
    ),
    Mutation(
        "a start writes all counters that are zero",
        "store/rows.py",
        "counters = zero_counters()",
        "counters: dict[Counter, dict[Labels, int]] = {counter: {} for counter in Counter}",
        "store/test_store.py",
    ),
    Mutation(
        "a counter that is not zero has no row",
        "store/rows.py",
        "if key not in old or old[key] != value)",
        "if key in old and old[key] != value)",
        "store/test_store.py",
    ),
    Mutation(
        "a commit doesn't wait for the disk",
        "store/file.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = OFF",
        "store/test_store.py",
    ),
    Mutation(
        "a wrong number of labels is accepted",
        "store/codec.py",
        "if len(labels) != expected:",
        "if False:",
        "store/test_store.py",
    ),
    Mutation(
        "old buckets are read with new edges",
        "store/codec.py",
        "if edges != _json(made.edges):",
        "if False:",
        "store/test_store.py",
    ),
    Mutation(
        "a file stays readable for all",
        "store/place.py",
        "existing.chmod(mode & allowed)",
        "pass",
        "store/test_store.py",
    ),
    Mutation(
        "a stop is swallowed by a loss",
        "follow/follower.py",
        "await run_alone(self._session())",
        "await self._session()",
        "follow/test_faults.py",
    ),
    Mutation(
        "the audit sees nothing",
        "follow/audit.py",
        "for run, payment in ended.items() if run not in known]",
        "for payment in []]",
        "follow/test_audit.py",
    ),
    Mutation(
        "a limit that was reported is reported again",
        "payments/overdue.py",
        "run.told_age_s = overdue.limit_s or run.told_age_s",
        "pass",
        "payments/test_overdue.py",
    ),
    Mutation(
        "logged before it is on disk",
        "follow/overdue.py",
        "await written()",
        "pass",
        "follow/test_overdue.py",
    ),
    Mutation(
        "who looks keeps an exporter out",
        "store/lock.py",
        "return _ofd_lock(fcntl.F_OFD_GETLK, file, fcntl.F_RDLCK) != fcntl.F_UNLCK",
        "return bool(fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB))",
        "store/test_reader.py",
    ),
    Mutation(
        "what was counted isn't listed",
        "store/rows.py",
        "[_counted_key(node, run) for run in new.ended]",
        "[]",
        "store",
    ),
    Mutation(
        "a payment whose own stream has ended is not requested",
        "follow/per_payment.py",
        "self._tracker.stream_ended(payment_hash)",
        "pass",
        "follow/test_per_payment.py",
    ),
    Mutation(
        "all are followed at once",
        "follow/per_payment.py",
        "len(self._streams) >= MAX_STREAMS and not self._make_room(run)",
        "False",
        "follow/test_per_payment.py",
    ),
    Mutation(
        "an end that was over before its stream began is live",
        "follow/per_payment.py",
        "source if payment.status.ended else Source.STREAM",
        "Source.STREAM",
        "follow/test_per_payment.py",
    ),
    Mutation(
        "payments in flight are not listed where the stream sends only final updates",
        "follow/catch_up.py",
        "elif self._finished.read_up_to is not None:",
        "elif False:",
        "follow/test_final_updates.py",
    ),
    Mutation(
        "an enum value that a newer lnd has added becomes the first one",
        "lnd/json_messages.py",
        "_UNKNOWN_VALUE = -1",
        "_UNKNOWN_VALUE = 0",
        "lnd/test_json_messages.py",
    ),
    Mutation(
        "aiohttp silently opens a broken stream again",
        "lnd/rest_connection.py",
        "middlewares=(_never_retry,),",
        "",
        "lnd/test_rest.py",
    ),
    Mutation(
        "payments are listed before the subscription is sent",
        "lnd/rest.py",
        "await self._subscription_sent.wait()",
        "pass",
        "lnd/test_rest.py",
    ),
    Mutation(
        "a path that lnd lacks makes every payment unknown",
        "lnd/http_errors.py",
        "NOT_FOUND and error is value:",
        "NOT_FOUND and not text:",
        "lnd/test_rest.py",
    ),
    Mutation(
        "a certificate of a CA counts as self-signed",
        "certificate.py",
        "issuer == subject,",
        "True,",
        "test_certificate.py",
    ),
    Mutation(
        "a certificate of an unknown version is accepted",
        "certificate.py",
        " not in _VERSIONS",
        " is None",
        "lnd/test_grpc.py",
    ),
    Mutation(
        "modules that nobody uses are imported",
        "lean.py",
        "if name not in sys.modules:",
        "if False:",
        "test_lean.py",
    ),
    Mutation(
        "aiohttp loads the system's certificates",
        "lean.py",
        "    import_structlog()\n    _import_aiohttp()",
        "    import_structlog()",
        "test_lean.py",
    ),
    Mutation(
        "nothing trusts the certificates that the environment names",
        "lean.py",
        "                os.environ[name] = value",
        "                os.environ[name] = os.devnull",
        "test_lean.py",
    ),
    Mutation(
        "a module that is imported later never comes",
        "lean.py",
        "                del sys.modules[name]",
        "                pass",
        "test_lean.py",
    ),
    Mutation(
        "the garbage collector looks at open payments while they are read",
        "__main__.py",
        "    garbage.collect_seldom()\n",
        "",
        "test_lean.py",
    ),
    Mutation(
        "the garbage collector looks for ever at what stays for ever",
        "__main__.py",
        "lambda _: garbage.leave_out_what_is_there()",
        "None",
        "test_lean.py",
    ),
    Mutation(
        "no limit of open files looks like one that is used up",
        "metrics/process.py",
        "if most == resource.RLIM_INFINITY else",
        "if False else",
        "metrics/test_process.py",
    ),
    Mutation(
        "no page is shown while all descriptors are in use",
        "metrics/process.py",
        "suppress(OSError):  # there is no free descriptor",
        "suppress(KeyError):",
        "metrics/test_process.py",
    ),
    Mutation(
        "structlog loads rich",
        "__main__.py",
        "lean.import_libraries()\n    from exporter.app",
        "from exporter.app",
        "test_lean.py",
    ),
    Mutation(
        "another name in the certificate is accepted although the certificate lacks the IP address",
        "lnd/server_name.py",
        " and address in only.addresses",
        "",
        "lnd/test_in_between.py",
    ),
    Mutation(
        "a dead connection looks quiet",
        "lnd/liveness.py",
        "if waited_s < PING_S:",
        "if waited_s < 2 * PONG_S * PING_S:",
        "lnd/test_liveness.py",
    ),
    Mutation(
        "a probe interrupts who has received a message since",
        "lnd/liveness.py",
        "await self._end_probe(self._probing)",
        "pass",
        "lnd/test_liveness.py",
    ),
    Mutation(
        "a dead connection hides that the reader was cancelled",
        "lnd/liveness.py",
        " and left is not None and left <= self._cancelling:",
        " and left is not None:",
        "lnd/test_liveness.py",
    ),
    Mutation(
        "track shows the reason that lnd says first",
        "track/watcher.py",
        "await self._recheck_end()",
        "pass",
        "track/test_watcher.py",
    ),
    Mutation(
        "track forgets the attempts that lnd deletes",
        "payments/detail.py",
        "replace(self, attempts=tuple(sorted(attempts, key=lambda one: one.attempt.attempt_ns)))",
        "self",
        "payments/test_detail.py",
    ),
    Mutation(
        "track takes a payment that it has not heard of for one that was lost",
        "track/watcher.py",
        "if self._latest is None or isinstance(error, PaymentNotFound):",
        "if isinstance(error, PaymentNotFound):",
        "track/test_watcher.py",
    ),
    Mutation(
        "secrets are kept although they were not requested",
        "lnd/details.py",
        'payment_request=message.payment_request if secrets or request else "",',
        "payment_request=message.payment_request,",
        "lnd/test_details.py",
    ),
    Mutation(
        "a removed node is not written once more",
        "checkpoint.py",
        "for account in [*self._left.values()]:",
        "for account in ():",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "a removed node is written for ever",
        "checkpoint.py",
        "if self._left.get(account.name) is account and account.version == version:",
        "if False:",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "what is counted between two removals during one write is lost",
        "checkpoint.py",
        "is account and account.version == version:",
        "is account:",
        "reload/test_interleavings.py",
    ),
    Mutation(
        "a node that comes back is shown before it is written, although the disk is late",
        "checkpoint.py",
        "account.capture() if hidden is None else hidden",
        "account.capture()",
        "reload/test_interleavings.py",
    ),
    Mutation(
        "an exporter that has just started says for seconds what was true before",
        "checkpoint.py",
        "            names = self._unwritten()\n",
        "            await asyncio.sleep(INTERVAL_S)\n            names = self._unwritten()\n",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "a node that is added again keeps its mark",
        "checkpoint.py",
        "self._versions.pop(account.name, None)",
        "self._versions[account.name] = version",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "a node that is added during a write is missed",
        "checkpoint.py",
        "- present - self._accounts.keys()",
        "- present",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "a node that is added is overwritten by its old state",
        "checkpoint.py",
        "                self._unfollowed.pop(name, None)\n                if",
        "                if",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "a removed node that is not on disk is forgotten",
        "nodes.py",
        "if (account := self.checkpoint.kept(name)) is not None:",
        "if (account := self.checkpoint.kept('')) is not None:",
        "reload/test_nodes.py",
    ),
    Mutation(
        "a node that comes back to an old state is no reason for a warning",
        "nodes.py",
        "if saved.state.heard.left and",
        "if False and",
        "reload/test_nodes.py",
    ),
    Mutation(
        "an export mixes two instants if an exporter starts meanwhile",
        "store/reader.py",
        "before is None or before == version_if_unused(path)",
        "True",
        "store/test_handover.py",
    ),
    Mutation(
        "a reload begins with unchanged nodes anew",
        "nodes.py",
        "if name in old and new[name] != old[name]]",
        "if name in old]",
        "reload/test_nodes.py",
    ),
    Mutation(
        "a reload leaves ends on hold",
        "follow/follower.py",
        "        self._lose_stream(Interruption.RELOAD)\n        self.account.tracker.stream_lost()\n",
        "        self._subscribed_at = None\n",
        "reload/test_nodes.py",
    ),
    Mutation(
        "an audit forgets what it found at a reload",
        "follow/audit.py",
        "calls.account.status.unaccounted or 0",
        "0",
        "reload/test_nodes.py",
    ),
    Mutation(
        "a request during a reload gets its answer",
        "reload.py",
        "waiting, self._waiting = self._waiting, []",
        "waiting = self._waiting",
        "reload/test_reloader.py",
    ),
    Mutation(
        "the state of a file that is being replaced is forgotten",
        "store/store.py",
        "return (self._to_rewrite or {}) | self._written",
        "return self._written",
        "reload/test_checkpoint.py",
    ),
    Mutation(
        "slow headers are waited for",
        "web/connections.py",
        "        self._limit(connections.limits.headers_s)",
        "        self._limit(connections.limits.kept_s)",
        "web/test_limits.py",
    ),
    Mutation(
        "a kept connection is kept for ever",
        "web/connections.py",
        "            self._limit(self._connections.limits.kept_s)",
        "            self._stop_timer()",
        "web/test_limits.py",
    ),
    Mutation(
        "a reader may be slow",
        "web/connections.py",
        "self._limit(self._connections.limits.answer_s)",
        "self._stop_timer()",
        "web/test_limits.py",
    ),
    Mutation(
        "no room is made for new connections",
        "web/connections.py",
        "if self.open >= self.most and not self.make_room():",
        "if self.open >= self.most:",
        "web/test_limits.py",
    ),
    Mutation(
        "the newest reader is cut",
        "web/connections.py",
        "next(iter(self._taking)).cut()",
        "connection.cut()",
        "web/test_limits.py",
    ),
    Mutation(
        "a TLS handshake may last",
        "web/listener.py",
        "self._connections.limits.handshake_s if context else None",
        "3600 if context else None",
        "web/test_limits.py",
    ),
    Mutation(
        "a request may share a page from before",
        "web/single_flight.py",
        "                del self._next[key]  # a request",
        "                pass  # a request",
        "web/test_single_flight.py",
    ),
    Mutation(
        "everybody may connect to the Unix socket",
        "web/sockets.py",
        "MODE = 0o660",
        "MODE = 0o666",
        "web/test_sockets.py",
    ),
    Mutation(
        "a Unix socket of another is removed",
        "web/sockets.py",
        "if os.path.samestat(os.lstat(path), created):",
        "if created:",
        "web/test_sockets.py",
    ),
    Mutation(
        "a live Unix socket is replaced",
        "web/sockets.py",
        "        except ConnectionRefusedError:",
        "        except (ConnectionRefusedError, BlockingIOError):",
        "web/test_sockets.py",
    ),
    Mutation(
        "a node's shard depends on the process",
        "config/shard.py",
        'return hashlib.sha256(f"{index}/{name}".encode(errors="surrogateescape")).digest()',
        'return str(hash(f"{index}/{name}")).encode()',
        "config/test_shard.py",
    ),
    Mutation(
        "more nodes move than must",
        "config/shard.py",
        "return max(range(count), key=lambda index: _weight(name, index))",
        'return int.from_bytes(_weight(name, 0), "big") % count',
        "config/test_shard.py",
    ),
    Mutation(
        "the files of other shards' nodes are needed",
        "config/nodes.py",
        "    if own:\n        check(path)",
        "    check(path)",
        "config/test_shard.py",
    ),
    Mutation(
        "a wrong setting of another shard's node is not reported",
        "config/nodes.py",
        "node = _node(raw, place, problems, own=own)",
        "node = _node(raw, place, problems if own else [], own=own)",
        "config/test_shard.py",
    ),
    Mutation(
        "a changed export is imported",
        "store/handover.py",
        "if _digest(export) != digest or any(",
        "if any(",
        "store/test_handover.py",
    ),
    Mutation(
        "rows of other nodes are imported",
        "store/handover.py",
        "if _digest(export) != digest or any(",
        "if _digest(export) != digest or all(",
        "store/test_handover.py",
    ),
    Mutation(
        "an import adds to what is counted already",
        "store/handover.py",
        "if any(there.values()):",
        "if False:",
        "test_handover.py",
    ),
    Mutation(
        "the gap in a list of counted runs isn't handed over",
        "store/rows.py",
        '"counted_run", "listed", "ended")',
        '"counted_run", "ended")',
        "store/test_counted_runs.py",
    ),
    Mutation(
        "runs leave the list without a note that they may have been counted",
        "store/rows.py",
        "    raise_listed_from(connection, node, last_us)\n    connection",
        "    connection",
        "store/test_counted_runs.py",
    ),
    Mutation(
        "a shortened list isn't known as such until the next start",
        "store/store.py",
        "self._listed_from_us[node] = max(self._listed_from_us.get(node, 0), from_us)",
        "pass",
        "store/test_counted_runs.py",
    ),
    Mutation(
        "runs leave the list before the clock says that they are old",
        "payments/horizon.py",
        "return min(now_ns // NS_PER_US, newest_us)",
        "return max(now_ns // NS_PER_US, newest_us)",
        "store/test_counted_runs.py",
    ),
    Mutation(
        "the list is never shortened",
        "store/store.py",
        "if encoded.ended:",
        "if False:",
        "store/test_counted_runs.py",
    ),
    Mutation(
        "the audit goes back beyond its list",
        "follow/audit.py",
        "max(tracker.history.newest_us, audited_from_us(now_ns, tracker.finished.newest_us))",
        "tracker.history.newest_us",
        "follow/test_audit.py",
    ),
    Mutation(
        "the audit isn't told that payments have begun",
        "follow/account.py",
        "if self.started >= self._awaited_started:",
        "if False:",
        "follow/test_audit.py",
    ),
    Mutation(
        "a recipient that can't be reached counts as a failure of the route",
        "payments/attempts.py",
        "before_recipient=attempt.before_recipient",
        "before_recipient=False",
        "payments/test_labels.py",
    ),
    Mutation(
        "this node counts as the node before the recipient",
        "lnd/decode.py",
        "0 < index == length - 1",
        "index == length - 1",
        "lnd/test_decode.py",
    ),
    Mutation(
        "channels of long ago tell why a payment lacked balance",
        "payments/balance.py",
        "if abs(ended_mono_ns - self.asked_mono_ns) > NEAR_NS:",
        "if False:",
        "payments/test_balance.py",
    ),
    Mutation(
        "channels tell about an end that wasn't live",
        "payments/run.py",
        "if terminal is None or not terminal.live or self.resolved",
        "if terminal is None or self.resolved",
        "payments/test_balance.py",
    ),
    Mutation(
        "lnd is asked for its channels at each payment that lacks balance",
        "follow/node_poller.py",
        "account.now().mono_ns - asked_ns > NEAR_NS",
        "True",
        "follow/test_balance.py",
    ),
    Mutation(
        "an HTLC of a channel that is being closed is a ghost",
        "payments/ghosts.py",
        "if attempt.channel_id in offered\n            and run.run.payment_hash not in offered[attempt.channel_id]",
        "if run.run.payment_hash not in offered.get(attempt.channel_id, ())",
        "payments/test_ghosts.py",
    ),
    Mutation(
        "one list of channels that was made a moment too early makes a ghost",
        "payments/ghosts.py",
        "if self._asked_ns - since_ns >= GHOST_NS",
        "if self._asked_ns >= since_ns",
        "payments/test_ghosts.py",
    ),
    Mutation(
        "an HTLC that a peer has not acknowledged before it went offline is a ghost",
        "lnd/decode.py",
        "for channel in message.channels if channel.active}",
        "for channel in message.channels}",
        "lnd/test_decode.py",
    ),
    Mutation(
        "an older answer of ListChannels replaces a newer one",
        "follow/node_poller.py",
        "if asked.mono_ns < self._channels_known_ns:",
        "if False:",
        "follow/test_balance.py",
    ),
    Mutation(
        "destinations of a node that isn't followed any more stay in the file",
        "store/store.py",
        "if not self._destinations:",
        "if False:",
        "store/test_ended.py",
    ),
    Mutation(
        "an HTLC that is on its channel again stays a ghost",
        "payments/ghosts.py",
        "        self._since_ns = {\n",
        "        self._since_ns |= {\n",
        "payments/test_ghosts.py",
    ),
    Mutation(
        "an export isn't one instant of the state",
        "store/reader.py",
        'connection.execute("BEGIN")',
        "pass",
        "store/test_handover.py",
    ),
    Mutation(
        "an import hides that the state is older",
        "store/receive.py",
        "if record is not None and record.mark is not None and not files.mark.includes(record.mark):",
        "if False:",
        "store/test_handover.py",
    ),
    Mutation(
        "an import hides that the state is gone",
        "store/receive.py",
        "if record is not None and not files.path.exists():",
        "if False:",
        "store/test_handover.py",
    ),
    Mutation(
        "the lock file doesn't record an import",
        "store/receive.py",
        "files.lock.write(LockRecord(corrupt, older, files.mark))",
        "pass",
        "store/test_handover.py",
    ),
    Mutation(
        "nobody is warned that the exporter still follows the node",
        "store/handover.py",
        "return Exported(export, is_locked(path) and not state.heard.left)",
        "return Exported(export, False)",
        "test_handover.py",
    ),
    Mutation(
        "an export overwrites a file",
        "handover.py",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC",
        "os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC",
        "test_handover.py",
    ),
    Mutation(
        "half an export is left on a full disk",
        "handover.py",
        "        with suppress(OSError):\n            path.unlink()",
        "        with suppress(OSError):\n            pass",
        "test_handover.py",
    ),
    Mutation(
        "a wrong password pushes out who was right",
        "web/passwords.py",
        "        self._wrong[digest] = None\n",
        "        self._wrong[digest] = None\n        self._right.clear()\n",
        "web/test_passwords.py",
    ),
    Mutation(
        "a password is compared for each request",
        "web/passwords.py",
        'hmac.compare_digest(self._right.get(name, b""), digest)',
        "False",
        "web/test_passwords.py",
    ),
    Mutation(
        "equal passwords are compared one by one",
        "web/passwords.py",
        "comparison = self._waiting.get(digest)",
        "comparison = None",
        "web/test_passwords.py",
    ),
    Mutation(
        "a user's old password stays right",
        "web/passwords.py",
        "self._digest(name, stored.salt, stored.digest, password)",
        "self._digest(name, password)",
        "web/test_passwords.py",
    ),
    Mutation(
        "any certificate of the authority is allowed",
        "web/security.py",
        "if not _has_allowed_name(file, request):",
        "if False:",
        "web/test_security.py",
    ),
    Mutation(
        "a broken web file ends the protection",
        "web/watchedfile.py",
        "if weaker := file.weaker_than(self.file):",
        'if weaker := "":',
        "web/test_security.py",
    ),
    Mutation(
        "a web file is trusted to keep its time",
        "web/watchedfile.py",
        "if abs(time.time_ns() - status.st_mtime_ns) < UNSETTLED_NS:",
        "if False:",
        "web/test_security.py",
    ),
    Mutation(
        "a renewed certificate is not noticed",
        "web/watchedfile.py",
        "found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))",
        "found.append(file)",
        "web/test_security.py",
    ),
    Mutation(
        "a key of another certificate is served",
        "config/webtls.py",
        "if ours != theirs:",
        "if False:",
        "config/test_web_file.py",
    ),
    Mutation(
        "why keeps the invoice",
        "why/asker.py",
        'replace(detail, payment_request="")',
        "detail",
        "why/test_asker.py",
    ),
    Mutation(
        "why reads the preimage with the invoice",
        "lnd/details.py",
        'preimage=_preimage(message.payment_preimage) if secrets else "",',
        'preimage=_preimage(message.payment_preimage) if secrets or request else "",',
        "lnd/test_details.py",
    ),
    Mutation(
        "why sends invoices in URLs",
        "lnd/rest.py",
        '"""`DecodePayReq`, which isn\'t called."""\n        raise NotOverRest',
        'return await self._call(f"/v1/payreq/{payment_request}", {}, Invoice, ANSWER_S)',
        "why/test_asker.py",
    ),
    Mutation(
        "why calls a guess a fact",
        "why/verdict.py",
        "return Judgement(Verdict.FEE_LIMIT, guess=True)",
        "return Judgement(Verdict.FEE_LIMIT)",
        "why/test_verdict.py",
    ),
    Mutation(
        "why believes in a route that has just failed",
        "payments/findings.py",
        "return self.probability >= UNLIKELY",
        "return True",
        "why/test_verdict.py",
    ),
    Mutation(
        "why asks for routes only without regard to failures",
        "lnd/findings.py",
        "request.use_mission_control = query.learned",
        "request.use_mission_control = False",
        "why/test_asker.py",
    ),
    Mutation(
        "why asks within lnd's own fee limit",
        "lnd/findings.py",
        "request.fee_limit.fixed_msat = ANY_FEE_MSAT",
        "pass",
        "lnd/test_findings.py",
    ),
    Mutation(
        "why forgets the hints of an invoice",
        "lnd/findings.py",
        "route_hints=message.route_hints,",
        "",
        "lnd/test_findings.py",
    ),
    Mutation(
        "why takes what was counted of another run of the hash",
        "why/counted.py",
        "if entry.run == run)",
        "if entry.run.payment_hash == run.payment_hash)",
        "why/test_counted.py",
    ),
    Mutation(
        "why guesses although the exporter has counted the cause",
        "why/verdict.py",
        "if counted and not payment.attempts and",
        "if False and",
        "why/test_counted.py",
    ),
    Mutation(
        "why asks again what lnd refuses",
        "why/asker.py",
        'if "QueryRoutes" in self._not_answered:',
        "if False:",
        "why/test_asker.py",
    ),
    Mutation(
        "what came during a write is taken for written",
        "payments/ended.py",
        "while self._unwritten and self._unwritten[0].number <= number:",
        "while self._unwritten:",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "the list of ended payments is one too long",
        "store/ended.py",
        "(node, entries[-1].number - length))",
        "(node, entries[-1].number - length - 1))",
        "store/test_ended.py",
    ),
    Mutation(
        "more ended payments than the list holds are written at once",
        "store/ended.py",
        "kept = entries[max(0, len(entries) - length) :]",
        "kept = entries[:length]",
        "store/test_ended.py",
    ),
    Mutation(
        "ended payments are written after the transaction",
        "store/store.py",
        "ended.write(connection, node, encoded.newly_ended, self.ended_length)",
        "pass",
        "store/test_ended.py",
    ),
    Mutation(
        "a list that is no longer wanted stays",
        "store/ended.py",
        'return "DELETE FROM ended"',
        'return ""',
        "store/test_ended.py",
    ),
    Mutation(
        "recipients that are no longer wanted stay in the list",
        "store/ended.py",
        'return "" if destinations else',
        'return "" if True else',
        "store/test_ended.py",
    ),
    Mutation(
        "recipients that aren't wanted are remembered",
        "payments/tracker.py",
        "payment = payment.without_destination()",
        "pass",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "recipients of payments in flight stay on disk",
        "payments/tracker.py",
        "run.drop_destination()",
        "pass",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "ended payments are numbered anew after a restart",
        "follow/account.py",
        "self.newly_ended.counted = self.ledger.ended",
        "pass",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "ended payments stay in memory after a write",
        "checkpoint.py",
        "account.newly_ended.written(encoded.newly_ended[-1].number)",
        "pass",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "the blinded key of a recipient is taken for a node",
        "lnd/decode.py",
        "if last.encrypted_data:",
        "if False:",
        "lnd/test_decode.py",
    ),
    Mutation(
        "an export loses the list of ended payments",
        "store/rows.py",
        '"listed", "ended")',
        '"listed")',
        "store/test_handover.py",
    ),
    Mutation(
        "an export of before the list is taken for damaged",
        "store/handover.py",
        'left_out = {"listed"} if export.content["ended"] else {"listed", "ended"}',
        'left_out = {"listed"}',
        "store/test_handover.py",
    ),
    Mutation(
        "hashes are logged although they must not be",
        "follow/ended_log.py",
        "ended.run.payment_hash if self.hashes else None",
        "ended.run.payment_hash",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "late successes are logged although hashes must not be",
        "follow/ended_log.py",
        "warns = ended.late and self.hashes",
        "warns = ended.late",
        "follow/test_ended_log.py",
    ),
    Mutation(
        "the attempt that failed first counts as the last",
        "payments/attempts.py",
        "attempt.resolve_ns >= self.last_failure.resolve_ns",
        "attempt.resolve_ns < self.last_failure.resolve_ns",
        "payments/test_ended.py",
    ),
    Mutation(
        "ended payments are chosen by when they were created",
        "store/ended.py",
        "AND counted_us >= ? ORDER",
        "AND created_us >= ? ORDER",
        "store/test_ended.py",
    ),
)


class Copies:
    """Copies of the project, one for each thread: a mutation breaks the copy that its tests run in."""

    def __init__(self, home: Path, number: int) -> None:
        """Copy what the tests need `number` times into the directory `home`."""
        self._free = SimpleQueue[Path]()
        for copy in (home / str(place) for place in range(number)):
            for name in ("exporter", "tests", "docs", "protos"):
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            for name in ("pyproject.toml", "README.md"):
                shutil.copy(ROOT / name, copy / name)
            self._free.put(copy)

    def fail(self, tests: str) -> bool:
        """Return whether these tests run and fail without a mutation."""
        with self._taken() as copy:
            return _fail(tests, copy)

    def notice(self, mutation: Mutation) -> bool:
        """Return whether the tests fail with the mutation."""
        with self._taken() as copy:
            path = copy / "exporter" / mutation.file
            content = path.read_text()
            path.write_text(content.replace(mutation.right, mutation.wrong))
            try:
                return _fail(mutation.tests, copy)
            finally:
                path.write_text(content)

    @contextmanager
    def _taken(self) -> Iterator[Path]:
        """Wait for a copy that no other thread uses."""
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)


def _fail(tests: str, copy: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout=60", f"tests/{tests}"],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    return done.returncode == 1


def main(words: list[str]) -> int:
    """Try the mutations whose names contain one of `words`, or all; return how many no test noticed, at most 99."""
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.name for word in words)]
    if not chosen:
        print(f"no mutation has a name with {' or '.join(map(repr, words))}", file=sys.stderr)
        return 2
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="mutations-") as home, ThreadPoolExecutor(threads) as pool:
        copies = Copies(Path(home), threads)
        files = sorted({mutation.tests for mutation in chosen})
        if failing := [tests for tests, fails in zip(files, pool.map(copies.fail, files), strict=True) if fails]:
            print(f"{', '.join(failing)} fail without a mutation: fix that first")
            return 1
        missed = 0
        for mutation, noticed in zip(chosen, pool.map(copies.notice, chosen), strict=True):
            print(f"{mutation.name}: {'caught' if noticed else 'NOT CAUGHT'}", flush=True)
            missed += not noticed
    return min(missed, 99)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
