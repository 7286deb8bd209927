"""Where the state may lie: directories and files of other users, single files that are mounted, and rehearsals."""

import os
from pathlib import Path

import pytest

from exporter.store import Locked, Store, StoreError, encode, place, rehearse
from tests.store.another_user import ANOTHER, GROUP, ROOT, USER, Owner, attempt, give, owner_of, volume
from tests.store.test_reader import file_stats
from tests.store.test_store import busy_node, reload, saved_node, write_state

FS_GROUP = Owner(0, GROUP, 0o2770)
"""A volume as Kubernetes hands it over, where `fsGroup` is set."""
OF_ROOT = Owner(0, GROUP, 0o660)
STATE = "state.sqlite"


def test_state_of_another_user_in_a_volume_of_the_group() -> None:
    """The group may write: neither the owner nor the mode of a file has to be changed, and nothing fails."""
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        write_state(path, {})
        for beside in directory.iterdir():
            give(beside, OF_ROOT)
        assert attempt("look", path, USER) == ""
        assert attempt("run", path, USER) == ""
        assert owner_of(path).mode == 0o660
        assert reload(path) == saved_node(busy_node())


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_next_container_runs_as_another_user(umask: int) -> None:
    """What one user of the group makes in such a volume the next one can use, whatever the umask; nobody else can."""
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        assert attempt("run", path, USER, umask=umask) == ""
        made = {beside.name: owner_of(beside) for beside in directory.iterdir()}
        assert {owner.mode for owner in made.values()} == {0o660}
        if ROOT:
            assert {owner.group for owner in made.values()} == {GROUP}
        assert attempt("look", path, ANOTHER, umask=umask) == ""
        assert attempt("run", path, ANOTHER, umask=umask) == ""
        assert reload(path) == saved_node(busy_node())


def test_directory_that_is_not_meant_for_the_group(tmp_path: Path) -> None:
    """A group may write to it, but it does not hand its group on: what is made there is the owner's alone."""
    tmp_path.chmod(0o770)
    write_state(tmp_path / STATE, {})
    assert {owner_of(beside).mode for beside in tmp_path.iterdir()} == {0o600}


def test_volume_of_the_group_closes_a_file_to_others() -> None:
    """What others may do is taken away, what the group may do stays."""
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        assert attempt("run", path, USER) == ""
        path.chmod(0o666)
        assert attempt("run", path, USER) == ""
        assert owner_of(path).mode == 0o660


def test_lock_that_root_makes_belongs_to_the_owner_of_the_state() -> None:
    """Root may have forgotten a node (`--storage.reset`): afterwards the exporter must be able to start."""
    with volume(Owner(USER, USER, 0o755)) as directory:
        path = directory / STATE
        assert attempt("run", path, USER) == ""
        path.with_name(STATE + ".lock").unlink()
        Store(path).close()
        assert attempt("run", path, USER) == ""


REFUSED = {
    "the directory": ("", Owner(0, GROUP, 0o2550 if not ROOT else 0o2750)),
    "the file": (STATE, Owner(0, GROUP, 0o440 if not ROOT else 0o640)),
    "the log": (STATE + "-wal", Owner(0, 0, 0o400 if not ROOT else 0o600)),
    "the index of the log": (STATE + "-shm", Owner(0, 0, 0o400 if not ROOT else 0o600)),
    "the lock": (STATE + ".lock", Owner(0, 0, 0o400 if not ROOT else 0o644)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_check_finds_what_would_keep_it_from_starting(what: str) -> None:
    """A file or a directory that may not be written: `check` names it, and so does the start."""
    name, owner = REFUSED[what]
    with volume(FS_GROUP) as directory:
        path = directory / STATE
        write_state(path, {})
        give(path, OF_ROOT)
        path.with_name(STATE + ".lock").unlink()
        if name and name != STATE:
            (directory / name).touch()
        give(directory / name, owner)
        said = attempt("look", path, USER)
        assert said == f"{directory / name} can't be written (Permission denied).".replace("/ can't", " can't")
        if what == "the directory":  # the first that is made there is the lock
            said = f"{path}.lock can't be written (Permission denied)."
        assert attempt("run", path, USER) == said


def test_every_user_may_read_it_and_that_can_not_be_changed() -> None:
    """It is no reason to stop, but a person is told."""
    with volume(Owner(0, 0, 0o777)) as directory:
        path = directory / STATE
        write_state(path, {})
        path.chmod(0o666)
        (warning,) = place.warnings(path)
        assert warning == f"every user can read {path}, and this one is not allowed to change that: chmod o= {path}"
        for beside in directory.glob("*.lock"):
            beside.chmod(0o666)
        assert attempt("run", path, USER) == ""


@pytest.mark.parametrize("there", ["nothing", "a state", "a running exporter"])
def test_rehearsal_leaves_everything_as_it_was(tmp_path: Path, there: str) -> None:
    """No file is made, none is changed, and an exporter that runs goes on."""
    path = tmp_path / "deep" / STATE if there == "nothing" else tmp_path / STATE
    store = None
    if there != "nothing":
        write_state(path, {"alice": encode(saved_node(busy_node()))})
    if there == "a running exporter":
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


def test_single_file_that_is_mounted(tmp_path: Path) -> None:
    """Its log would lie beside it in the container, and be lost with it: refused, with what to mount instead."""
    path, mounts = tmp_path / "my state.sqlite", tmp_path / "mountinfo"
    write_state(path, {})
    mounts.write_text(MOUNTS.format(path=str(path).replace(" ", "\\040")).lstrip())
    with pytest.raises(StoreError, match=r"my state\.sqlite is mounted by itself") as error:
        place.refuse_unusable(path, mounts)
    assert "Mount its directory" in error.value.fix
    place.refuse_unusable(tmp_path / STATE, mounts)


def test_list_of_mounts_of_this_machine() -> None:
    """The kernel's list can be read: the file system of `/proc` is in it."""
    if place.MOUNTS.exists():
        assert place._mount_of(Path("/proc/self/nothing")).file_system == "proc"
    assert os.sep in {mount.point for mount in place._mounts(place.MOUNTS)} or not place.MOUNTS.exists()
