"""What Prometheus makes of the PodMonitor and the ScrapeConfig, as the Prometheus Operator hands them over."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exporter.rules.values import read
from tests.deploy.kubernetes import FOLDER, NAME, PORT, Manifest, built, stateful_set
from tests.network.build import binaries

pytestmark = pytest.mark.usefixtures("kustomize")

JOB = str(read()["home"].job)


def snake_case(relabelings: list[Manifest]) -> list[Manifest]:
    """Return relabelings in the notation of Prometheus."""
    return [
        {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key): value for key, value in step.items()}
        for step in relabelings
    ]


BEFORE = snake_case(
    [
        {"sourceLabels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)", "action": "drop"},
        {"sourceLabels": ["__meta_kubernetes_pod_container_port_name"], "regex": "metrics", "action": "keep"},
        {"sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "namespace"},
        {"sourceLabels": ["__meta_kubernetes_pod_container_name"], "targetLabel": "container"},
        {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "pod"},
        {"targetLabel": "job", "replacement": f"lightning/{NAME}"},
        {"targetLabel": "endpoint", "replacement": "metrics"},
        # Of a scrape class, which may apply to all monitors of a cluster.
        {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"},
    ]
)
"""What the operator puts before the relabelings of a PodMonitor (v0.85.0, `generatePodMonitorConfig`)."""


def relabelled(home: Path, config: Manifest, targets: list[Manifest]) -> list[dict[str, str]]:
    """Return the labels of targets after relabelling, as promtool tells them; without those that Prometheus hides.

    promtool tells them in any order: here they have that of the targets.
    """
    file = home / "prometheus.yml"
    file.write_text(json.dumps({"scrape_configs": [config | {"static_configs": targets}]}))  # JSON is YAML
    command = [
        str(binaries() / "promtool"),
        "check",
        "service-discovery",
        "--timeout=1s",
        str(file),
        config["job_name"],
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    order = [address for target in targets for address in target["targets"]]
    found: list[dict[str, Any]] = json.loads(output)
    found.sort(key=lambda each: order.index(each["discoveredLabels"]["__address__"]))
    return [{name: value for name, value in each["labels"].items() if name[:2] != "__"} for each in found]


def pod(address: str, machine: str, port: str = "metrics") -> Manifest:
    """Return the target that Prometheus discovers for a port of a pod."""
    labels = {
        "namespace": "lightning",
        "pod_name": f"{NAME}-0",
        "pod_node_name": machine,
        "pod_phase": "Running",
        "pod_container_name": "exporter",
        "pod_container_port_name": port,
    }
    return {"targets": [address], "labels": {f"__meta_kubernetes_{name}": text for name, text in labels.items()}}


def test_labels_of_a_pod(tmp_path: Path) -> None:
    """They stay the same when the pod is replaced on another machine, and leave `node` to the exporter."""
    spec = built(FOLDER / "one-node")[f"PodMonitor {NAME}"]["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["interval"]) == ("metrics", "15s")
    config = {
        "job_name": f"podMonitor/lightning/{NAME}/0",
        "scrape_interval": endpoint["interval"],
        "relabel_configs": BEFORE + snake_case(endpoint["relabelings"]),
    }
    pods = [pod(f"10.0.0.5:{PORT}", "worker-1"), pod(f"10.0.9.7:{PORT}", "worker-2"), pod("10.0.0.5:1", "x", "other")]
    expected = {
        "job": JOB,
        "instance": f"lightning/{NAME}-0",
        "namespace": "lightning",
        "pod": f"{NAME}-0",
        "container": "exporter",
        "endpoint": "metrics",
    }
    assert relabelled(tmp_path, config, pods) == [expected, expected, {}]


def test_labels_of_shards(tmp_path: Path) -> None:
    """Each replica is asked for its list; what it lists keeps its labels but `node` of a scrape class."""
    manifests = built(FOLDER / "shards")
    spec = manifests[f"ScrapeConfig {NAME}"]["spec"]
    replicas, service = stateful_set(manifests)["replicas"], stateful_set(manifests)["serviceName"]
    hosts = [f"{NAME}-{shard}.{service}.lightning.svc:{PORT}" for shard in range(replicas)]
    assert [each["url"] for each in spec["httpSDConfigs"]] == [f"http://{host}/sd" for host in hosts]
    assert manifests[f"Service {service}"]["spec"]["clusterIP"] == "None"
    assert f"PodMonitor {NAME}" not in manifests, "each node would be scraped twice"
    relabelings = [
        {"target_label": "node", "replacement": "worker-1"},  # of a scrape class
        {"target_label": "job", "replacement": spec["jobName"]},  # as the operator hands it over
        *snake_case(spec["relabelings"]),
    ]
    config = {
        "job_name": f"scrapeConfig/lightning/{NAME}",
        "scrape_interval": spec["scrapeInterval"],
        "relabel_configs": relabelings,
    }
    listed = {"exporter": hosts[0], "instance": f"{hosts[0]}/alice", "__param_node": "alice"}
    labels = {"job": JOB, "exporter": hosts[0], "instance": f"{hosts[0]}/alice"}
    assert relabelled(tmp_path, config, [{"targets": [hosts[0]], "labels": listed}]) == [labels]
