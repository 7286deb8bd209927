"""`make pictures`: draws each dashboard with Grafana's own components over a real Prometheus.

Without arguments it draws the pictures of the documentation, with names only those; `all DIRECTORY` draws every
dashboard of every node in both themes, for a review: one node is healthy, each of the others has an incident.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from dashboards.board import TAG
from dashboards.boards import BOARDS
from tests.network.build import binaries
from tests.network.process import Program, free_port, until
from tests.pictures import data, history
from tests.pictures.alerts import ACCEPTS_THE_PAST, FLAGS, STEP_S, backfill
from tests.pictures.data import NODES, TO_S
from tests.stack.programs import Running, listens

ROOT = Path(__file__).parents[2]
RENDERER = Path(__file__).parent / "render"
PICTURES = ROOT / "docs" / "pictures"
ALL = "$__all"


class Scene(NamedTuple):
    """Nodes and a time until `TO_S` that are drawn together."""

    title: str
    write: Callable[[Path], Iterable[Path]]
    """Writes files of OpenMetrics text to a directory."""
    from_s: int
    step_s: int = STEP_S
    """Between two evaluations of the rules."""
    alerts_from_s: int = 0
    """When an alert can fire first: nobody evaluates them for history."""


INCIDENTS = Scene(f"six hours of {len(NODES)} nodes", data.write, data.FROM_S)
HISTORY = Scene("a week, most of it history", history.write, history.FROM_S, history.STEP_S, history.BEGAN_S)


class Picture(NamedTuple):
    """A picture of the documentation."""

    name: str
    board: str
    node: str
    theme: str = "light"
    scene: Scene = INCIDENTS


SHOWN = (
    Picture("overview", "overview", "alice"),
    Picture("overview-drained", "overview", "bob"),
    Picture("failures-drained", "failures", "bob"),
    Picture("failures-drained-dark", "failures", "bob", "dark"),
    Picture("failures-peer-dark", "failures", "erin", "dark"),
    Picture("flight-down", "flight", "carol"),
    Picture("node-down-dark", "node", "carol", "dark"),
    Picture("fleet", "fleet", ALL),
    Picture("overview-history", "overview", "frank", scene=HISTORY),
)


def everything() -> list[Picture]:
    """Return every dashboard of every node, in both themes."""
    nodes = [make.__name__ for make in NODES]
    made = []
    for make, node, theme in product(BOARDS, [*nodes, ALL], ("light", "dark")):
        board = make().uid
        made.append(Picture(f"{board}-{node.strip('$_')}-{theme}", board, node, theme))
    return made


def main() -> int:
    """Draw the requested pictures; return 2 if there is none of that name."""
    match sys.argv[1:]:
        case ["all", directory]:
            asyncio.run(_draw(everything(), Path(directory)))
        case names:
            if unknown := set(names) - {picture.name for picture in SHOWN}:
                known = ", ".join(picture.name for picture in SHOWN)
                print(f"make pictures: no picture is called {', '.join(sorted(unknown))}: use {known}", file=sys.stderr)
                return 2
            asyncio.run(_draw([picture for picture in SHOWN if not names or picture.name in names], PICTURES))
    return 0


async def _draw(pictures: list[Picture], directory: Path) -> None:
    if not (RENDERER / "dist").is_dir():
        for command in (["npm", "ci", "--ignore-scripts"], ["npm", "run", "build"]):
            subprocess.run(command, cwd=RENDERER, check=True)
    directory.mkdir(exist_ok=True, parents=True)
    for scene in (INCIDENTS, HISTORY):
        if wanted := [picture for picture in pictures if picture.scene is scene]:
            await _draw_scene(scene, wanted, directory)


async def _draw_scene(scene: Scene, pictures: list[Picture], directory: Path) -> None:
    with TemporaryDirectory() as name:
        home = Path(name)
        print(f"pictures: {scene.title}", flush=True)
        blocks = [str(binaries() / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q"]
        for file in await asyncio.to_thread(scene.write, home):
            subprocess.run([*blocks, str(file), str(home / "data")], check=True, capture_output=True)
        (home / "prometheus.yml").write_text(json.dumps(ACCEPTS_THE_PAST))
        address = f"127.0.0.1:{free_port()}"
        flags = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}", *FLAGS]
        flags += ["--storage.tsdb.retention.time=100y", f"--web.listen-address={address}"]
        program = Program("prometheus", [str(binaries() / "prometheus"), *flags], home)
        await program.start()
        try:
            await until("Prometheus listens", listens(Running(program, int(address.rpartition(":")[2]))))
            await until("Prometheus is ready", partial(_is_ready, address))
            print("pictures: the alerts of that time", flush=True)
            await asyncio.to_thread(
                backfill, address, scene.from_s, TO_S, step_s=scene.step_s, alerts_from_s=scene.alerts_from_s
            )
            for picture in pictures:
                await _render(picture, address, directory)
        finally:
            await program.stop()


async def _is_ready(address: str) -> bool:
    """Return False while Prometheus listens, but still reads its data."""
    try:
        with await asyncio.to_thread(urlopen, f"http://{address}/-/ready"):
            return True
    except HTTPError:
        return False


async def _render(picture: Picture, address: str, directory: Path) -> None:
    out = directory / f"{picture.name}.png"
    process = await asyncio.create_subprocess_exec(
        "node",
        str(RENDERER / "render.mjs"),
        f"--prometheus=http://{address}",
        f"--dashboard={ROOT / 'dashboards' / f'{TAG}-{picture.board}.json'}",
        f"--out={out}",
        f"--theme={picture.theme}",
        f"--from={picture.scene.from_s}",
        f"--to={TO_S}",
        f"--var=node={picture.node}",
    )
    assert await process.wait() == 0, picture
    print(f"pictures: {out}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
