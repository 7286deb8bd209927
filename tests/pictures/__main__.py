"""`make pictures`: draws each dashboard with Grafana's own components over a real Prometheus."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from dashboards.board import TAG
from tests.network.build import binaries
from tests.network.process import Program, free_port, until
from tests.pictures.data import FROM_S, TO_S, exposition
from tests.stack.programs import Running, listens

ROOT = Path(__file__).parents[2]
RENDERER = Path(__file__).parent / "render"
PICTURES = ROOT / "docs" / "pictures"


class Picture(NamedTuple):
    """One of them."""

    name: str
    board: str
    node: str
    theme: str = "light"


SHOWN = (
    Picture("overview", "overview", "alice"),
    Picture("overview-dark", "overview", "alice", "dark"),
    Picture("overview-drained", "overview", "bob"),
    Picture("failures", "failures", "alice"),
    Picture("failures-drained", "failures", "bob"),
    Picture("failures-drained-dark", "failures", "bob", "dark"),
    Picture("flight", "flight", "alice"),
    Picture("flight-down", "flight", "carol"),
    Picture("flight-down-dark", "flight", "carol", "dark"),
    Picture("node", "node", "alice"),
    Picture("node-down", "node", "carol"),
    Picture("node-down-dark", "node", "carol", "dark"),
    Picture("fleet", "fleet", "$__all"),
    Picture("fleet-dark", "fleet", "$__all", "dark"),
)


def main() -> int:
    """Draw those that are named, or all."""
    asyncio.run(_draw({*sys.argv[1:]}))
    return 0


async def _draw(names: set[str]) -> None:
    if not (RENDERER / "dist").is_dir():
        for command in (["npm", "ci", "--ignore-scripts"], ["npm", "run", "build"]):
            subprocess.run(command, cwd=RENDERER, check=True)
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name:
        home = Path(name)
        print("pictures: six hours of three nodes", flush=True)
        with (home / "metrics").open("w") as file:
            file.writelines(exposition())
        blocks = [str(binaries() / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q"]
        subprocess.run([*blocks, str(home / "metrics"), str(home / "data")], check=True, capture_output=True)
        (home / "prometheus.yml").write_text(json.dumps({}))
        port = free_port()
        flags = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
        retention = "--storage.tsdb.retention.time=100y"
        program = Program(
            "prometheus",
            [str(binaries() / "prometheus"), *flags, retention, f"--web.listen-address=127.0.0.1:{port}"],
            home,
        )
        await program.start()
        try:
            await until("Prometheus listens", listens(Running(program, port)))
            for picture in SHOWN:
                if not names or picture.name in names:
                    await _render(picture, port)
        finally:
            await program.stop()


async def _render(picture: Picture, port: int) -> None:
    out = PICTURES / f"{picture.name}.png"
    process = await asyncio.create_subprocess_exec(
        "node",
        str(RENDERER / "render.mjs"),
        f"--prometheus=http://127.0.0.1:{port}",
        f"--dashboard={ROOT / 'dashboards' / f'{TAG}-{picture.board}.json'}",
        f"--out={out}",
        f"--theme={picture.theme}",
        f"--from={FROM_S}",
        f"--to={TO_S}",
        f"--var=node={picture.node}",
    )
    assert await process.wait() == 0, picture
    print(f"pictures: {out}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
