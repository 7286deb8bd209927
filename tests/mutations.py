"""`make mutations`: breaks the code on purpose, one promise at a time; a test must notice each."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
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
        "self._on_time = await self._write(self._store, changed)",
        "self._slow = asyncio.create_task(self._write(self._store, changed))",
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
        "[views[name] for name in dict.fromkeys(names)]",
        "[*views.values()]",
        "web/test_pages.py",
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
        "tracker.survivors.update(dict.fromkeys(state.survivors))",
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
        "a hold doesn't notice that the process stood still",
        "follow/account.py",
        "self.tracker.postpone(int(stalled_s * 1e9))",
        "pass",
        "follow/test_account.py",
    ),
    Mutation(
        "a payment that the stream doesn't show is not requested",
        "follow/catch_up.py",
        "await self._calls.fetch(self._tracker.hashes_to_ask_for())\n        self._calls.not_found_cause = ",
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
        "(self._listed_from_us,))\n        self._write_resets(connection, self.resets)",
        "(self._listed_from_us,))",
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
        "(_counted_key(node, run) for run in new.ended)",
        "()",
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
        "another name in the certificate is accepted although the certificate lacks the IP address",
        "lnd/server_name.py",
        " and address in addresses",
        "",
        "lnd/test_in_between.py",
    ),
    Mutation(
        "a dead connection looks quiet",
        "lnd/liveness.py",
        "asyncio.wait({waiting}, timeout=PING_S)",
        "asyncio.wait({waiting})",
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
        'payment_request=message.payment_request if secrets else "",',
        "payment_request=message.payment_request,",
        "lnd/test_details.py",
    ),
)


def fails(tests: str, copy: Path) -> bool:
    """Return whether these tests run and fail."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout=60", f"tests/{tests}"],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": ""},
        capture_output=True,
        check=False,
    )
    return done.returncode == 1


def caught(mutation: Mutation, copy: Path) -> bool:
    """Return whether the tests fail with the mutation."""
    path = copy / "exporter" / mutation.file
    content = path.read_text()
    path.write_text(content.replace(mutation.right, mutation.wrong))
    try:
        return fails(mutation.tests, copy)
    finally:
        path.write_text(content)


def main() -> int:
    """Try all mutations; the exit code is the number that no test noticed."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as home:
        copy = Path(home)
        for name in ("exporter", "tests", "docs", "protos"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        for tests in sorted({mutation.tests for mutation in MUTATIONS}):
            if fails(tests, copy):
                print(f"{tests} fails without a mutation: fix that first")
                return 1
        for mutation in MUTATIONS:
            print(f"{mutation.name}: ", end="", flush=True)
            noticed = caught(mutation, copy)
            missed += not noticed
            print("caught" if noticed else "NOT CAUGHT")
    return missed


if __name__ == "__main__":
    sys.exit(main())
