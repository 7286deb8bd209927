"""The manifests for Kubernetes: they build, satisfy the published schemas, and agree with the program and its image."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import kubernetes_validate
import pytest
import yaml

from exporter import __version__
from exporter.assets import manifests as printed
from exporter.assets.carried import DASHBOARDS, dashboard
from exporter.config import Config, ListenAddress, load
from exporter.config.shard import shard_of
from exporter.rules.values import read
from exporter.simulator.credentials import certificate, macaroon
from tests.deploy.kubernetes import (
    FOLDER,
    NAME,
    OVERLAYS,
    PORT,
    ROOT,
    Manifest,
    built,
    container,
    exporter_yml,
    stateful_set,
)
from tests.web.serving import serving

pytestmark = pytest.mark.usefixtures("kustomize")

NEWEST, OLDEST = "1.37", "1.27"
"""Versions of Kubernetes whose schemas are compared."""
IMAGE = re.findall(r"^(USER|ENV STATE_DIRECTORY=|EXPOSE) ?(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
PAGE = (ROOT / "docs" / "install" / "kubernetes.md").read_text()
MOUNTED = "/etc/lnd-payments-exporter"


@pytest.fixture(params=OVERLAYS)
def manifests(kustomize: Path, request: pytest.FixtureRequest) -> dict[str, Manifest]:
    """Return those of an overlay."""
    return built(FOLDER / request.param)


def validate(manifest: Manifest) -> None:
    """Raise an error if Kubernetes, or the Prometheus Operator, wouldn't know something in a manifest."""
    if "monitoring.coreos.com" in manifest["apiVersion"]:
        schema = Path(__file__).parent / "crds" / f"{manifest['kind']}.json"
        jsonschema.validate(manifest, json.loads(schema.read_text()))
        return
    for version in (NEWEST, OLDEST):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_schemas(manifests: dict[str, Manifest]) -> None:
    """Every property has its name and type."""
    for manifest in manifests.values():
        validate(manifest)


def test_printed_rules_satisfy_the_schema() -> None:
    """Of each profile."""
    for profile, values in read().items():
        validate(yaml.safe_load(printed.prometheus_rule(profile, values)))


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("StatefulSet", "spec template spec containers 0 livenesProbe", {}),
        ("NetworkPolicy", "spec egress 0 ports 0 port", True),
        ("PodMonitor", "spec podMetricsEndpoints 0 relabelings 0 target", "job"),
        ("PodMonitor", "spec podMetricsEndpoints 0 relabelings 0 action", "drip"),
    ],
)
def test_schemas_notice(kind: str, path: str, wrong: object) -> None:
    """An unknown property, a wrong type, an unknown word."""
    manifest = built(FOLDER / "one-node")[f"{kind} {NAME}"]
    *parents, last = path.split()
    place: Any = manifest
    for step in parents:
        place = place[int(step) if step.isdigit() else step]
    place[last] = wrong
    with pytest.raises(jsonschema.ValidationError):
        validate(manifest)


def test_dashboards_are_those_that_the_program_prints() -> None:
    """`kubectl apply -k dashboards` and `dashboards --format=kubernetes` are two ways to the same ConfigMaps."""
    expected = [yaml.safe_load(printed.config_map(uid, dashboard(uid))) for uid in DASHBOARDS]
    assert built(ROOT / "dashboards") == {f"ConfigMap {each['metadata']['name']}": each for each in expected}


def configured(manifests: dict[str, Manifest], home: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return what the program reads in a pod with this host name; its files are in `home`."""
    text = exporter_yml(manifests)
    (home / "exporter.yml").write_text(text)
    for node in yaml.safe_load(text)["nodes"]:
        (home / node["tls_cert"]).write_bytes(certificate().certificate)
        (home / node["macaroon"]).write_bytes(macaroon(b"key", 0, ["/lnrpc.Lightning/GetInfo"]))
    state = dict(IMAGE)["ENV STATE_DIRECTORY="]
    environ = {each["name"]: each["value"].replace(MOUNTED, str(home)) for each in container(manifests)["env"]}
    monkeypatch.setattr("socket.gethostname", lambda: host)
    return load([], environ | {"STATE_DIRECTORY": state}, "run")


@pytest.mark.parametrize(
    ("overlay", "hosts"),
    [
        ("one-node", [["alice"]]),
        ("several-nodes", [["alice", "bob"]]),
        ("shards", [[name for name in ("alice", "bob") if shard_of(name, 3) == shard] for shard in range(3)]),
    ],
)
def test_program_reads_what_the_pod_mounts(
    overlay: str, hosts: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each replica follows its nodes, listens on the port, and has its state file in the volume."""
    manifests = built(FOLDER / overlay)
    mounts = {each["name"]: each["mountPath"] for each in container(manifests)["volumeMounts"]}
    assert stateful_set(manifests)["replicas"] == len(hosts)
    for number, nodes in enumerate(hosts):
        config = configured(manifests, tmp_path, f"{NAME}-{number}", monkeypatch)
        assert [node.name for node in config.nodes] == nodes
        assert config.web.addresses == (ListenAddress("", PORT),)
        assert config.storage.path == Path(mounts["state"]) / "state.sqlite"
    assert mounts["config"] == MOUNTED


def test_the_documented_secret_has_the_files_of_the_node() -> None:
    """The names that `kubectl create secret` of the page gives are those in exporter.yml."""
    (node,) = yaml.safe_load(exporter_yml(built(FOLDER / "one-node")))["nodes"]
    commands = re.findall(r"create secret generic (\S+).*?(--from-file.*?)(?: \| .*)?$", PAGE, re.MULTILINE | re.DOTALL)
    files = [(name, re.findall(r"--from-file=(\S+?)=", flags)) for name, flags in commands]
    assert files == [(NAME, [node["tls_cert"], node["macaroon"]])] * 2


async def test_probes_ask_pages_that_there_are(manifests: dict[str, Manifest]) -> None:
    """Each is answered with 200, on the port that all manifests mean."""
    names = {"startupProbe": "/-/ready", "readinessProbe": "/-/ready", "livenessProbe": "/-/healthy"}
    probes = {name: container(manifests)[name]["httpGet"] for name in names}
    assert probes == {name: {"path": path, "port": "metrics"} for name, path in names.items()}
    async with serving() as server, aiohttp.ClientSession() as session:
        for path in names.values():
            async with session.get(f"http://{server.addresses[0]}{path}") as answer:
                assert answer.status == 200


def test_ports_agree(manifests: dict[str, Manifest]) -> None:
    """The port of the image has one name, and all others use it."""
    assert container(manifests)["ports"] == [{"name": "metrics", "containerPort": PORT}]
    assert dict(IMAGE)["EXPOSE"] == str(PORT)
    assert manifests[f"Service {NAME}"]["spec"]["ports"] == [{"name": "metrics", "port": PORT, "targetPort": "metrics"}]
    assert manifests[f"NetworkPolicy {NAME}"]["spec"]["ingress"][0]["ports"] == [{"port": "metrics"}]


def test_image_and_its_user(manifests: dict[str, Manifest]) -> None:
    """The image of this version; its user, to whose group volume and secret belong, can be seen not to be root."""
    assert container(manifests)["image"] == f"ghcr.io/lnd-payments-exporter/lnd-payments-exporter:{__version__}"
    security = stateful_set(manifests)["template"]["spec"]["securityContext"]
    assert dict(IMAGE)["USER"] == f"{security['runAsUser']}:{security['runAsGroup']}" == "10019:10019"
    assert (security["fsGroup"], security["runAsNonRoot"]) == (10019, True)


def test_selectors_find_the_pod(manifests: dict[str, Manifest]) -> None:
    """Service, NetworkPolicy and PodMonitor select the labels of the pod."""
    labels = stateful_set(manifests)["template"]["metadata"]["labels"]
    selectors = [
        stateful_set(manifests)["selector"]["matchLabels"],
        manifests[f"Service {NAME}"]["spec"]["selector"],
        manifests[f"NetworkPolicy {NAME}"]["spec"]["podSelector"]["matchLabels"],
        *(each["spec"]["selector"]["matchLabels"] for key, each in manifests.items() if key.startswith("PodMonitor")),
    ]
    assert all(selector == labels for selector in selectors)


def test_documented_folder_of_ones_own(tmp_path: Path) -> None:
    """The kustomization of the page builds; the addresses are replaced by the files of this version."""
    (text,) = re.findall(r"```yaml\n# kustomization.yaml\n(.*?)```", PAGE, re.DOTALL)
    own = tmp_path / "own"
    own.mkdir()
    remote = re.compile(r"https://github.com/lnd-payments-exporter/lnd-payments-exporter//(\S+)\?ref=v(\S+)")
    assert {version for _, version in remote.findall(text)} == {__version__}
    (tmp_path / "repository").symlink_to(ROOT)
    (own / "kustomization.yaml").write_text(remote.sub(r"../repository/\1", text))
    (own / "exporter.yml").write_text((FOLDER / "one-node" / "exporter.yml").read_text())
    (own / "rules.yaml").write_text(printed.prometheus_rule("home", read()["home"]))
    manifests = built(own)
    one = built(FOLDER / "one-node")
    assert {*manifests} - {*one} == {*(f"ConfigMap {uid}" for uid in DASHBOARDS), "PrometheusRule lnd-payments-home"}
    for key, manifest in manifests.items():
        validate(manifest)
        assert manifest["metadata"]["labels"]["release"] == "kube-prometheus-stack"
        assert manifest["metadata"]["namespace"] == "lightning"
        assert key not in one or one[key].get("spec") == manifest.get("spec")
