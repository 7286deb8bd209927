"""Directories and files of other users, single files that are mounted, and the rehearsal of `check`."""

import os
from pathlib import Path

import pytest

from exporter.store import Locked, Store, StoreError, encode, place, rehearse
from tests.store.another_user import ANOTHER, GROUP, ROOT, USER, Owner, change_owner, owner_of, run_as, volume
from tests.store.test_reader import file_stats
from tests.store.test_store import busy_node, reload, saved_node, write_state

FS_GROUP = Owner(0, GROUP, 0o2770)
"""A volume as Kubernetes prepares it with `fsGroup`."""
OF_ROOT = Owner(0, GROUP, 0o660)
STATE = "state.sqlite"


def test_state_of_another_user_in_a_shared_volume() -> None:
    """The group may write: no owner or mode has to be changed, and nothing fails."""
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        write_state(path, {})
        for beside in directory.iterdir():
            change_owner(beside, OF_ROOT)
        assert run_as("check", path, USER) == ""
        assert run_as("run", path, USER) == ""
        assert owner_of(path).mode == 0o660
        assert reload(path) == saved_node(busy_node())


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_next_container_runs_as_another_user(umask: int) -> None:
    """The next user of the group can use the files of the first one, whatever the umask; nobody else can."""
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        assert run_as("run", path, USER, umask=umask) == ""
        made = {beside.name: owner_of(beside) for beside in directory.iterdir()}
        assert {owner.mode for owner in made.values()} == {0o660}
        if ROOT:
            assert {owner.group for owner in made.values()} == {GROUP}
        assert run_as("check", path, ANOTHER, umask=umask) == ""
        assert run_as("run", path, ANOTHER, umask=umask) == ""
        assert reload(path) == saved_node(busy_node())


def test_group_gets_no_access_without_setgid(tmp_path: Path) -> None:
    """The group may write to the directory, but new files don't get its group: they are for the owner alone."""
    tmp_path.chmod(0o770)
    write_state(tmp_path / STATE, {})
    assert {owner_of(beside).mode for beside in tmp_path.iterdir()} == {0o600}


def test_other_users_lose_access_in_a_shared_volume() -> None:
    """The access of the group stays."""
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        assert run_as("run", path, USER) == ""
        path.chmod(0o666)
        assert run_as("run", path, USER) == ""
        assert owner_of(path).mode == 0o660


def test_lock_file_created_by_root_gets_the_owner_of_the_state() -> None:
    """After `--storage.reset` by root the exporter must be able to start."""
    with volume(Owner(USER, USER, 0o755)) as directory:
        path = directory / STATE
        assert run_as("run", path, USER) == ""
        path.with_name(STATE + ".lock").unlink()
        Store(path).close()
        assert run_as("run", path, USER) == ""


REFUSED = {
    "the directory": ("", Owner(0, GROUP, 0o2550 if not ROOT else 0o2750)),
    "the file": (STATE, Owner(0, GROUP, 0o440 if not ROOT else 0o640)),
    "the log": (STATE + "-wal", Owner(0, 0, 0o400 if not ROOT else 0o600)),
    "the index of the log": (STATE + "-shm", Owner(0, 0, 0o400 if not ROOT else 0o600)),
    "the lock": (STATE + ".lock", Owner(0, 0, 0o400 if not ROOT else 0o644)),
}


@pytest.mark.parametrize("unwritable", REFUSED)
def test_check_reports_the_same_error_as_a_start(unwritable: str) -> None:
    """One file or the directory is not writable."""
    name, owner = REFUSED[unwritable]
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        write_state(path, {})
        change_owner(path, OF_ROOT)
        path.with_name(STATE + ".lock").unlink()
        if name and name != STATE:
            (directory / name).touch()
        change_owner(directory / name, owner)
        error = run_as("check", path, USER)
        assert error == f"{directory / name} can't be written (Permission denied).".replace("/ can't", " can't")
        if unwritable == "the directory":  # the lock is the first file that is created
            error = f"{path}.lock can't be written (Permission denied)."
        assert run_as("run", path, USER) == error


def test_mode_of_another_users_file_is_only_a_warning() -> None:
    """Every user can read the state, and the mode can't be changed: the exporter starts nevertheless."""
    with volume(Owner(0, 0, 0o777)) as directory:
        path = directory / STATE
        write_state(path, {})
        path.chmod(0o666)
        (warning,) = place.warnings(path)
        assert warning == f"every user can read {path}, and this one is not allowed to change that: chmod o= {path}"
        for beside in directory.glob("*.lock"):
            beside.chmod(0o666)
        assert run_as("run", path, USER) == ""


@pytest.mark.parametrize("existing", ["nothing", "a state", "a running exporter"])
def test_rehearsal_changes_nothing(tmp_path: Path, existing: str) -> None:
    """No file is created or changed, and a running exporter can still write."""
    path = tmp_path / "deep" / STATE if existing == "nothing" else tmp_path / STATE
    store = None
    if existing != "nothing":
        write_state(path, {"alice": encode(saved_node(busy_node()))})
    if existing == "a running exporter":
        store = Store(path)
        store.save({"alice": encode(saved_node(busy_node(), 10))})
    before = file_stats(tmp_path)
    assert rehearse(path) == []
    assert file_stats(tmp_path) == before
    if store is not None:
        with pytest.raises(Locked):
            Store(path)
        store.save({"alice": encode(saved_node(busy_node(), 11))})
        store.close()
        assert reload(path) == saved_node(busy_node(), 11)


MOUNTS = """
21 1 254:0 / / rw,relatime - ext4 /dev/root rw
35 21 254:0 /home/user/state.sqlite {path} rw,relatime shared:1 - ext4 /dev/root rw
36 21 0:40 / /data rw - tmpfs tmpfs rw
"""


def test_file_mounted_by_itself_is_refused(tmp_path: Path) -> None:
    """Its log would be lost with the container; the advice is to mount the directory."""
    path, mounts = tmp_path / "my state.sqlite", tmp_path / "mountinfo"
    write_state(path, {})
    mounts.write_text(MOUNTS.format(path=str(path).replace(" ", "\\040")).lstrip())
    with pytest.raises(StoreError, match=r"my state\.sqlite is mounted by itself") as error:
        place.refuse_unusable(path, mounts)
    assert "Mount its directory" in error.value.fix
    place.refuse_unusable(tmp_path / STATE, mounts)


def test_mounts_of_this_machine_can_be_read() -> None:
    """The file system of `/proc` is in the kernel's list."""
    if place.MOUNTS.exists():
        assert place._mount_of(Path("/proc/self/nothing")).file_system == "proc"
    assert os.sep in {mount.point for mount in place._mounts(place.MOUNTS)} or not place.MOUNTS.exists()
