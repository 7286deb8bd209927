"""Architecture rules that a test can check: imports between packages, places of `await`, no actions at import."""

import ast
import sys
from collections.abc import Iterator, Mapping
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
    "exporter.certificate": set(),
    "exporter.macaroon": set(),
    "exporter.garbage": set(),
    "exporter.lean": set(),
    "exporter.notify": set(),
    "exporter.output": set(),
    "exporter.text": {"exporter.payments"},
    "exporter.page": {"exporter.payments"},
    # the packages around the core; they never import each other
    "exporter.lnd": {"exporter.certificate", "exporter.macaroon", "exporter.payments", "exporter.redact"},
    "exporter.metrics": {"exporter", "exporter.page", "exporter.payments", "exporter.text"},
    "exporter.store": {"exporter.payments"},
    "exporter.web": {
        "exporter.certificate",
        "exporter.config",
        "exporter.metrics",
        "exporter.page",
        "exporter.payments",
        "exporter.text",
    },
    "exporter.simulator": {"exporter.payments", "exporter.lnd.rpc"},
    "exporter.backfill": {
        "exporter",
        "exporter.config",
        "exporter.follow",
        "exporter.lnd.client",
        "exporter.log",
        "exporter.metrics",
        "exporter.payments",
        "exporter.progress",
        "exporter.redact",
        "exporter.store",
        "exporter.text",
    },
    "exporter.config": {
        "exporter.certificate",
        "exporter.macaroon",
        "exporter.metrics.groups",
        "exporter.payments.labels",
        "exporter.redact",
    },
    "exporter.log": {"exporter.redact"},
    "exporter.report": {
        "exporter.backfill.reader",
        "exporter.config",
        "exporter.listing.lines",
        "exporter.lnd.client",
        "exporter.log",
        "exporter.payments",
        "exporter.progress",
        "exporter.text",
    },
    "exporter.rules": {"exporter.metrics", "exporter.payments", "exporter.text"},
    "exporter.assets": {"exporter", "exporter.config", "exporter.rules"},
    "exporter.stopping": {"exporter.config", "exporter.log", "exporter.output"},
    "exporter.healthcheck": {"exporter.config"},
    "exporter.summary": {"exporter.config", "exporter.text"},
    "exporter.track": {
        "exporter.config",
        "exporter.follow.backoff",
        "exporter.lnd.client",
        "exporter.payments",
        "exporter.text",
    },
    "exporter.explain": {"exporter.lnd.client", "exporter.payments"},
    "exporter.why": {
        "exporter.config",
        "exporter.explain",
        "exporter.listing.lines",
        "exporter.lnd.client",
        "exporter.payments",
        "exporter.store",
        "exporter.text",
        "exporter.track",
    },
    "exporter.doctor": {
        "exporter.certificate",
        "exporter.config",
        "exporter.healthcheck",
        "exporter.lnd.client",
        "exporter.lnd.reach",
        "exporter.macaroon",
        "exporter.payments",
        "exporter.redact",
        "exporter.store",
        "exporter.text",
        "exporter.web.sockets",
    },
    "exporter.listing": {"exporter.config", "exporter.payments", "exporter.store", "exporter.text"},
    "exporter.handover": {"exporter.config", "exporter.store"},
    # the modules that join them
    "exporter.follow": {"exporter.explain", "exporter.payments", "exporter.lnd.client"},
    "exporter.checkpoint": {"exporter.follow", "exporter.page", "exporter.payments", "exporter.store"},
    "exporter.bars": {"exporter.payments"},
    "exporter.progress": {"exporter.bars", "exporter.follow", "exporter.payments"},
    "exporter.nodes": {
        "exporter.checkpoint",
        "exporter.config",
        "exporter.follow",
        "exporter.payments",
        "exporter.store",
    },
    "exporter.reload": {
        "exporter.config",
        "exporter.log",
        "exporter.nodes",
        "exporter.page",
        "exporter.payments",
        "exporter.web",
    },
    "exporter.app": {
        "exporter",
        "exporter.checkpoint",
        "exporter.config",
        "exporter.follow",
        "exporter.lnd",
        "exporter.nodes",
        "exporter.payments",
        "exporter.progress",
        "exporter.reload",
        "exporter.store",
        "exporter.web",
    },
    "exporter.demo": {"exporter.app", "exporter.config", "exporter.simulator"},
    "exporter.__main__": {
        "exporter",
        "exporter.app",
        "exporter.assets",
        "exporter.backfill",
        "exporter.config",
        "exporter.demo",
        "exporter.doctor",
        "exporter.garbage",
        "exporter.handover",
        "exporter.healthcheck",
        "exporter.lean",
        "exporter.listing",
        "exporter.log",
        "exporter.notify",
        "exporter.output",
        "exporter.reload",
        "exporter.report",
        "exporter.stopping",
        "exporter.summary",
        "exporter.track",
        "exporter.why",
    },
    "exporter": set(),
}
"""Modules of the exporter that each package may import, besides itself. `exporter` alone is the version."""

LIBRARY_USERS = {
    "grpc": {"exporter.lnd", "exporter.simulator"},
    "google": {"exporter.backfill.rpc", "exporter.lnd", "exporter.simulator"},
    "aiohttp": {"exporter.backfill", "exporter.lean", "exporter.lnd", "exporter.simulator", "exporter.web"},
    "aiohttp_socks": {"exporter.lnd"},
    "prometheus_client": {"exporter.metrics", "exporter.web.rendering"},
    "yaml": {"exporter.config", "exporter.rules"},
    "promql_parser": set(),  # only development has it
    "bcrypt": {"exporter.config"},
    "cramjam": {"exporter.backfill"},
    "sqlite3": {"exporter.store", "exporter.checkpoint"},
    "msgspec": {"exporter.backfill", "exporter.lnd", "exporter.rules", "exporter.store"},
    "rich": {"exporter.bars", "exporter.listing", "exporter.report", "exporter.track"},
}
"""Packages that may import each third-party library."""

MAY_AWAIT = (
    "exporter.__main__",
    "exporter.app",
    "exporter.backfill",
    "exporter.checkpoint",
    "exporter.demo",
    "exporter.doctor",
    "exporter.explain",
    "exporter.follow",
    "exporter.lnd",
    "exporter.nodes",
    "exporter.progress",
    "exporter.reload",
    "exporter.report",
    "exporter.simulator",
    "exporter.stopping",
    "exporter.track",
    "exporter.web",
    "exporter.why",
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
"""Modules of the standard library that do I/O or read a clock."""

SIDE_EFFECTS = ("open", "read_text", "read_bytes", "write_text", "getenv", "time", "time_ns", "run", "get_event_loop")
"""Calls with side effects, or with results that depend on the environment."""
MAX_LINES = 280
"""Most lines of a file: about 250."""

LONG_MODULES = {"exporter.payments.labels"}
"""Modules that are only lists of label values, which may be longer."""


def within(module: str, package: str) -> bool:
    """Return whether the module is this package or inside it."""
    return module == package or module.startswith(f"{package}.")


def package_of(module: str) -> str:
    """Return the longest entry of `MAY_IMPORT` that the module belongs to."""
    return max((name for name in MAY_IMPORT if within(module, name)), key=len)


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, anywhere in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide their package"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in names if name in FILES or ".rpc." in name]
            yield from submodules or [node.module]


def test_imports_point_inwards() -> None:
    """Each package imports only the modules that `MAY_IMPORT` allows."""
    wrong = [
        f"{module} imports {name}"
        for module, path in FILES.items()
        for name in imports(path)
        if within(name, "exporter")
        and not within(name, package_of(module))
        and not any(
            name == allowed or (allowed != "exporter" and within(name, allowed))
            for allowed in MAY_IMPORT[package_of(module)]
        )
    ]
    assert wrong == []


def cycles(graph: Mapping[str, set[str]]) -> list[str]:
    """Return every node that reaches itself, with the names on a shortest way back to it."""
    found = []
    for start in graph:
        ways = [[start]]
        seen: set[str] = set()
        for way in ways:  # grows while it is read: breadth first
            following = graph[way[-1]] - seen
            if start in following:
                found.append(" -> ".join([*way, start]))
                break
            seen |= following
            ways += [[*way, name] for name in sorted(following)]
    return found


def test_cycles_are_found() -> None:
    """In a graph with two cycles every node of them is named, but not the node that only leads to one."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}, "e": set[str]()}
    assert cycles(graph) == ["b -> c -> b", "c -> b -> c", "d -> d"]


def test_no_module_is_part_of_an_import_cycle() -> None:
    """Imports inside of functions and for type checkers only (`TYPE_CHECKING`) count as well."""
    graph = {module: {name for name in imports(path) if name in FILES} for module, path in FILES.items()}
    assert cycles(graph) == []


def test_third_party_libraries_stay_in_their_package() -> None:
    """Only lnd and the simulator use grpc and REST, and only metrics and the simulator serve HTTP."""
    wrong = [
        f"{module} imports {name}"
        for module, path in FILES.items()
        for name in imports(path)
        for library, packages in LIBRARY_USERS.items()
        if within(name, library) and not any(within(module, allowed) for allowed in packages)
    ]
    assert wrong == []


def test_the_core_is_pure() -> None:
    """`payments` imports only the pure part of the standard library."""
    wrong = [
        f"{module} imports {name}"
        for module, path in FILES.items()
        if within(module, "exporter.payments")
        for name in imports(path)
        if not within(name, "exporter.payments")
        and (name.partition(".")[0] not in sys.stdlib_module_names or name.partition(".")[0] in IMPURE)
    ]
    assert wrong == []


def test_await_only_in_allowed_modules() -> None:
    """All other modules have plain functions, so that most tests are synchronous, too."""
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
    """A module only contains definitions, except for its `__main__` block."""
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
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in SIDE_EFFECTS
    ]
    assert wrong == []


def test_a_file_can_be_read_in_five_minutes() -> None:
    """It has a docstring, and it isn't longer than `MAX_LINES` lines, except for lists of label values."""
    lengths = {
        module: len(path.read_text().splitlines()) for module, path in FILES.items() if module not in LONG_MODULES
    }
    generators = [path for room in ("dashboards",) for path in (ROOT / room).rglob("*.py")]
    lengths |= {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in generators}
    assert {module: length for module, length in lengths.items() if length > MAX_LINES} == {}
    assert [path for path in (*FILES.values(), *generators) if not ast.get_docstring(ast.parse(path.read_text()))] == []
