"""Rules of the house that a machine can check: who imports whom, where await may stand, what happens at import."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "exporter").rglob("*.py"))
    if "rpc" not in path.parts
}

MAY_IMPORT: dict[str, set[str]] = {
    # the leaves
    "exporter.payments": set(),
    "exporter.redact": set(),
    "exporter.macaroon": set(),
    "exporter.output": set(),
    # the rooms around the core; never each other
    "exporter.lnd": {"exporter.macaroon", "exporter.payments", "exporter.redact"},
    "exporter.metrics": {"exporter", "exporter.payments", "exporter.redact"},
    "exporter.store": {"exporter.payments"},
    "exporter.simulator": {"exporter.payments", "exporter.lnd.rpc"},
    "exporter.config": {"exporter.macaroon", "exporter.payments.labels", "exporter.redact"},
    "exporter.log": {"exporter.redact"},
    "exporter.healthcheck": {"exporter.config"},
    "exporter.track": {
        "exporter.config",
        "exporter.follow.backoff",
        "exporter.listing.table",
        "exporter.lnd.client",
        "exporter.metrics.foreign",
        "exporter.payments",
    },
    "exporter.listing": {"exporter.config", "exporter.metrics.foreign", "exporter.payments", "exporter.store"},
    # what joins them
    "exporter.follow": {"exporter.payments", "exporter.lnd.client"},
    "exporter.checkpoint": {"exporter.follow", "exporter.metrics", "exporter.payments", "exporter.store"},
    "exporter.progress": {"exporter.follow", "exporter.payments"},
    "exporter.app": {
        "exporter",
        "exporter.checkpoint",
        "exporter.config",
        "exporter.follow",
        "exporter.lnd",
        "exporter.metrics",
        "exporter.payments",
        "exporter.progress",
        "exporter.store",
    },
    "exporter.demo": {"exporter.app", "exporter.config", "exporter.simulator"},
    "exporter.__main__": {
        "exporter",
        "exporter.app",
        "exporter.config",
        "exporter.demo",
        "exporter.healthcheck",
        "exporter.listing",
        "exporter.log",
        "exporter.output",
        "exporter.track",
    },
    "exporter": set(),
}
"""Who may import what of ours, itself aside. `exporter` alone is its version."""

ONLY_ROOM_WITH = {
    "grpc": {"exporter.lnd", "exporter.simulator"},
    "google": {"exporter.lnd", "exporter.simulator"},
    "aiohttp": {"exporter.lnd", "exporter.metrics", "exporter.simulator"},
    "aiohttp_socks": {"exporter.lnd"},
    "prometheus_client": {"exporter.metrics"},
    "yaml": {"exporter.config"},
    "sqlite3": {"exporter.store", "exporter.checkpoint"},
    "msgspec": {"exporter.lnd", "exporter.store"},
    "rich": {"exporter.listing", "exporter.progress", "exporter.track"},
}
"""Foreign libraries that stay in their room."""

MAY_AWAIT = (
    "exporter.__main__",
    "exporter.app",
    "exporter.checkpoint",
    "exporter.demo",
    "exporter.follow",
    "exporter.lnd",
    "exporter.metrics.server",
    "exporter.progress",
    "exporter.simulator",
    "exporter.track",
)

IMPURE = {
    "asyncio",
    "datetime",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
}
"""The part of the standard library with which one could look at the world."""

ACTS = ("open", "read_text", "read_bytes", "write_text", "getenv", "time", "time_ns", "run", "get_event_loop")
"""Calls that ask or change the world."""
LONGEST = 280
"""Lines of a file: about 250."""

LISTS = {"exporter.payments.labels"}
"""Nothing but words, one after the other."""


def within(module: str, package: str) -> bool:
    """Tell whether the module is this package or inside it."""
    return module == package or module.startswith(f"{package}.")


def room(module: str) -> str:
    """The longest entry of the table that this module belongs to."""
    return max((name for name in MAY_IMPORT if within(module, name)), key=len)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room they come from"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in names if name in FILES or name.startswith("exporter.lnd.rpc")]
            yield from submodules or [node.module]


def test_imports_point_inwards() -> None:
    """Each room imports only what the table allows."""
    wrong = [
        f"{module} imports {name}"
        for module, path in FILES.items()
        for name in imports(path)
        if within(name, "exporter")
        and not within(name, room(module))
        and not any(
            name == allowed or (allowed != "exporter" and within(name, allowed)) for allowed in MAY_IMPORT[room(module)]
        )
    ]
    assert wrong == []


def test_foreign_libraries_stay_in_their_room() -> None:
    """Nobody but lnd knows grpc and REST, nobody but metrics serves HTTP; the simulator is both for others."""
    wrong = [
        f"{module} imports {name}"
        for module, path in FILES.items()
        for name in imports(path)
        for library, rooms in ONLY_ROOM_WITH.items()
        if within(name, library) and not any(within(module, allowed) for allowed in rooms)
    ]
    assert wrong == []


def test_the_core_is_pure() -> None:
    """`payments` imports the standard library only, and nothing of it that sees the world."""
    wrong = [
        f"{module} imports {name}"
        for module, path in FILES.items()
        if within(module, "exporter.payments")
        for name in imports(path)
        if not within(name, "exporter.payments")
        and (name.partition(".")[0] not in sys.stdlib_module_names or name.partition(".")[0] in IMPURE)
    ]
    assert wrong == []


def test_await_has_its_places() -> None:
    """Everything else is plain functions, so that most tests are too."""
    asynchronous = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    wrong = [
        f"{module}:{node.lineno}"
        for module, path in FILES.items()
        if not any(within(module, place) for place in MAY_AWAIT)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, asynchronous)
    ]
    assert wrong == []


def test_nothing_happens_at_import() -> None:
    """A module defines; it doesn't act, not even in a loop or a condition, except as the main program."""
    harmless = (
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
    )
    wrong = [
        f"{module}:{node.lineno}: {ast.unparse(node).splitlines()[0]}"
        for module, path in FILES.items()
        for node in ast.parse(path.read_text()).body
        if not isinstance(node, harmless)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not (isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'"))
    ]
    wrong += [
        f"{module}:{call.lineno}: {ast.unparse(call)}"
        for module, path in FILES.items()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in ACTS
    ]
    assert wrong == []


def test_a_file_can_be_read_in_five_minutes() -> None:
    """Its first line says what it is for, and it isn't long; a list of words may be."""
    lengths = {module: len(path.read_text().splitlines()) for module, path in FILES.items() if module not in LISTS}
    assert {module: length for module, length in lengths.items() if length > LONGEST} == {}
    assert [module for module, path in FILES.items() if not ast.get_docstring(ast.parse(path.read_text()))] == []
