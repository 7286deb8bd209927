"""The text and the JSON document, of the same findings."""

import json
import re
from pathlib import Path

from exporter.doctor.document import section, title_of, to_json, total
from exporter.doctor.finding import Area, Finding, NodeReport, Verdict

MACAROON_HEX = "0201036c6e6402f801030a10" + "ab" * 40
HERE = [Finding(Area.PORT, Verdict.OK, ":10019 is free")]
NODE = NodeReport(
    "alice\x1b[2J",
    "10.0.0.2:10009",
    "grpc",
    (
        Finding(Area.ADDRESS, Verdict.OK, "it is", values={"names": ("a", "b"), "seconds": 0.5}),
        Finding(
            Area.MACAROON,
            Verdict.WARNING,
            "it allows more than reading, and this sentence is so long that it needs a second line",
            "bake another one, which is as long a sentence as the one above it, so that it is broken\n"
            "lncli one \\\n  two",
        ),
        Finding(Area.CERTIFICATE, Verdict.PROBLEM, f"a secret {MACAROON_HEX} never gets out", "x" * 70),
        Finding(Area.CLOCK, Verdict.UNKNOWN, "nobody knows"),
    ),
)
TEXT = f"""\
alice\N{REPLACEMENT CHARACTER}[2J: 10.0.0.2:10009 (grpc)
  ok       address     it is
  warning  macaroon    it allows more than reading, and this sentence is so long
                       that it needs a second line
                       -> bake another one, which is as long a sentence as the
                          one above it, so that it is broken
                          lncli one \\
                            two
  problem  certificate a secret [redacted] never gets out
                       -> {"x" * 70}
  unknown  clock       nobody knows
"""


def test_text() -> None:
    """80 columns, except for long words; commands aren't broken; no control characters, no secrets."""
    assert section(title_of(NODE), NODE.findings) == TEXT
    assert total(HERE) == "All is well."
    assert total(NODE.findings) == "1 problem, 1 warning."
    assert total(NODE.findings[1:2] * 10) == "No problems, 10 warnings."


def test_json() -> None:
    """One line, with everything that the text has, and what was measured."""
    text = to_json(HERE, [NODE], 1)
    assert "\n" not in text
    node = json.loads(text)
    findings = node["nodes"][0].pop("findings")
    assert node == {
        "exit_code": 1,
        "problems": 1,
        "warnings": 1,
        "exporter": [{"area": "port", "verdict": "ok", "what": ":10019 is free", "to_do": None, "values": {}}],
        "nodes": [{"node": "alice\x1b[2J", "address": "10.0.0.2:10009", "transport": "grpc"}],
    }
    assert [each["area"] for each in findings] == ["address", "macaroon", "certificate", "clock"]
    assert findings[0] == {
        "area": "address",
        "verdict": "ok",
        "what": "it is",
        "to_do": None,
        "values": {"names": ["a", "b"], "seconds": 0.5},
    }
    assert findings[1]["to_do"] == NODE.findings[1].to_do
    assert findings[2]["what"] == "a secret [redacted] never gets out"


def test_page_describes_every_line_and_verdict() -> None:
    """And its example is a text of 80 columns, with lines of these names."""
    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text()
    lines = page.partition("\n## The lines\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([^`]+)` \|", lines, re.MULTILINE)) == sorted(Area)
    assert re.findall(r"^\| `(\w+)` \|", page.partition("\n## ")[0], re.MULTILINE) == [*Verdict]
    example = page.partition("\n    exporter\n")[2].partition("\n\nSeveral nodes")[0]
    assert [line for line in example.splitlines() if len(line) > len("    ") + 80] == []
    found = re.findall(r"^ {6}(\w+) +([a-z]+(?: file)?)  ?", example, re.MULTILINE)
    assert {verdict for verdict, _ in found} <= {*Verdict}
    assert {area for _, area in found} <= {*Area}
    assert len(found) > len(Verdict)
