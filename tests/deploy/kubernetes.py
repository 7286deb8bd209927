"""The manifests for Kubernetes as kustomize builds them, and what of them a test asks for."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.network.build import tool

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("one-node", "several-nodes", "shards")
NAME = "lnd-payments-exporter"
PORT = 10019

Manifest = dict[str, Any]


def built(folder: Path) -> dict[str, Manifest]:
    """Return the manifests of a kustomization, by kind and name."""
    command = [str(tool("kustomize")), "build", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {f"{each['kind']} {each['metadata']['name']}": each for each in yaml.safe_load_all(done.stdout)}


def stateful_set(manifests: dict[str, Manifest]) -> Manifest:
    """Return what the StatefulSet specifies."""
    spec: Manifest = manifests[f"StatefulSet {NAME}"]["spec"]
    return spec


def container(manifests: dict[str, Manifest]) -> Manifest:
    """Return the only container."""
    (only,) = stateful_set(manifests)["template"]["spec"]["containers"]
    result: Manifest = only
    return result


def exporter_yml(manifests: dict[str, Manifest]) -> str:
    """Return the file that the pod mounts; the name of its ConfigMap has the hash of its content."""
    (volume,) = (each for each in stateful_set(manifests)["template"]["spec"]["volumes"] if each["name"] == "config")
    config, _ = volume["projected"]["sources"]
    data: dict[str, str] = manifests[f"ConfigMap {config['configMap']['name']}"]["data"]
    assert [*data] == ["exporter.yml"]
    return data["exporter.yml"]
