"""Files that aren't a macaroon or a certificate, or can't be read."""

import base64
import json
import os
import shutil
import ssl
import subprocess

import pytest

from exporter.config.macaroons import BAKE
from exporter.config.problems import Problem
from tests.config.conftest import CERTIFICATE, MACAROON, Home, without_root
from tests.config.shortcuts import config_of, problems_of

GIVE_MACAROON = "Give the file that lnd or `lncli bakemacaroon --save_to` wrote, or its hex or base64"
GIVE_CERTIFICATE = "Give lnd's tls.cert, or the word `system` if this system trusts lnd's certificate."
DER = ssl.PEM_cert_to_DER_cert(CERTIFICATE.certificate.decode())


@pytest.mark.parametrize(
    ("content", "what", "fix"),
    [
        pytest.param(b"\n", "is empty.", f"Copy it again from lnd, or bake one:\n{BAKE}", id="empty"),
        pytest.param(
            MACAROON.hex()[:-1].encode() + b"\n",
            "is cut off: its last byte is incomplete.",
            "Copy it again from lnd, as a whole file.",
            id="hex, cut off",
        ),
        pytest.param(
            MACAROON[:20].hex().encode(),
            "is cut off: only 20 bytes.",
            "Copy it again from lnd, as a whole file.",
            id="hex, cut off early",
        ),
        pytest.param(
            json.dumps({"macaroon": MACAROON.hex()}).encode(),
            "is JSON, not a macaroon.",
            "Write only the value of its `macaroon` into a file:\njq -r .macaroon {path} > m.only.macaroon",
            id="answer of REST",
        ),
        pytest.param(
            b"lndconnect://alice:10009?cert=MIIC&macaroon=" + base64.urlsafe_b64encode(MACAROON),
            "is a link for wallets with a macaroon in it (such as lndconnect), not a macaroon.",
            "Write only what follows macaroon= into a file:\n"
            "sed 's/.*macaroon=//; s/[&;].*//' {path} > m.only.macaroon",
            id="lndconnect link",
        ),
        pytest.param(
            CERTIFICATE.certificate,
            "is a certificate or key, not a macaroon.",
            f"Are the two swapped? {GIVE_MACAROON}.",
            id="certificate",
        ),
        pytest.param(
            MACAROON[:20], "is cut off: only 20 bytes.", "Copy it again from lnd, as a whole file.", id="cut off"
        ),
        pytest.param(b"hello", "is not a macaroon.", f"{GIVE_MACAROON}.", id="something else"),
        pytest.param(b"\0" * (1 << 21), "is larger than a mebibyte.", "Give the path of the right file.", id="large"),
    ],
)
def test_other_content_than_a_macaroon_is_named_with_a_way_to_get_one(
    home: Home, content: bytes, what: str, fix: str
) -> None:
    """What operators have instead, and how to make a macaroon from it."""
    path = home.write("m.macaroon", content)
    assert problems_of("--lnd.dir=.lnd --lnd.macaroon=m.macaroon") == [
        Problem("--lnd.macaroon", f"{path} {what}", fix.format(path=path))
    ]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"macaroon": MACAROON.hex()}),
        f"lndconnect://alice:10009?cert=MIIC&macaroon={base64.urlsafe_b64encode(MACAROON).decode()}",
        f"type=lnd-rest;server=https://alice:8080/;macaroon={MACAROON.hex()};certthumbprint=00AB\n",
    ],
    ids=["JSON", "lndconnect", "BTCPay"],
)
def test_suggested_command_writes_a_macaroon(home: Home, content: str) -> None:
    """The new file is accepted."""
    if content.startswith("{") and shutil.which("jq") is None:
        pytest.skip("jq is not installed here")
    home.write("m.macaroon", content)
    [problem] = problems_of("--lnd.dir=.lnd --lnd.macaroon=m.macaroon")
    subprocess.run(problem.fix.partition("\n")[2], shell=True, check=True)
    assert config_of("--lnd.dir=.lnd --lnd.macaroon=m.only.macaroon").nodes[0].macaroon.name == "m.only.macaroon"


@pytest.mark.parametrize(
    ("content", "what", "fix"),
    [
        pytest.param(b"", "is empty.", "Copy it again from lnd, or restart lnd: it writes a new one.", id="empty"),
        pytest.param(
            MACAROON,
            "is a macaroon, not a certificate.",
            f"Are the two swapped? {GIVE_CERTIFICATE}",
            id="macaroon",
        ),
        pytest.param(
            MACAROON.hex().encode(),
            "is a macaroon, not a certificate.",
            f"Are the two swapped? {GIVE_CERTIFICATE}",
            id="hex",
        ),
        pytest.param(CERTIFICATE.key, "is a private key, not a certificate.", GIVE_CERTIFICATE, id="key"),
        pytest.param(
            DER,
            "is a DER certificate; PEM is needed.",
            "Convert it: openssl x509 -inform DER -in {path} -out tls.cert",
            id="DER",
        ),
        pytest.param(
            base64.b64encode(DER),
            "is not a PEM certificate.",
            f"It begins with -----BEGIN CERTIFICATE-----. {GIVE_CERTIFICATE}",
            id="base64 as in an lndconnect link",
        ),
        pytest.param(
            CERTIFICATE.certificate[:200] + b"\n-----END CERTIFICATE-----\n",
            "is a damaged certificate.",
            "Copy it again from lnd, as a whole file.",
            id="cut off",
        ),
    ],
)
def test_other_content_than_a_certificate_is_named(home: Home, content: bytes, what: str, fix: str) -> None:
    """What operators have instead."""
    path = home.write("c.cert", content)
    assert problems_of("--lnd.dir=.lnd --lnd.tls-cert=c.cert") == [
        Problem("--lnd.tls-cert", f"{path} {what}", fix.format(path=path))
    ]


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("{home}/.lnd/tls.crt", "{home}/.lnd/tls.crt does not exist.", "Did you mean {home}/.lnd/tls.cert?"),
        (
            "{home}/.lnd/readonly.macaroon",
            "{home}/.lnd/readonly.macaroon does not exist.",
            "Did you mean {home}/.lnd/data/chain/bitcoin/mainnet/readonly.macaroon?",
        ),
        (
            "/nowhere/m.macaroon",
            "/nowhere/m.macaroon does not exist.",
            "There is /, but no nowhere in it. ",
        ),
        (
            "{home}/.lnd",
            "{home}/.lnd is a directory, not a file.",
            "It contains tls.cert, data, tls.key.",
        ),
        (
            "{home}/.lnd/tls.cert/x",
            "{home}/.lnd/tls.cert/x does not exist.",
            "Did you mean {home}/.lnd/tls.cert?",
        ),
        (
            "'m.macaroon'",
            "{home}/'m.macaroon' does not exist.",
            "Leave out the quotation marks: here they are part of the name.",
        ),
        (
            MACAROON.hex(),
            "holds a secret where the path of a file is expected.",
            "Write it to a file and give the path of that: everybody on the machine can read a command line.",
        ),
    ],
)
def test_missing_file_is_reported_with_the_nearest_one(home: Home, text: str, what: str, fix: str) -> None:
    """The fix names the nearest file that exists; a macaroon that is given as a path is not repeated."""
    (problem,) = problems_of(f"--lnd.dir=.lnd --lnd.macaroon={text.format(home=home.path)}")
    assert problem.what == what.format(home=home.path)
    assert problem.fix.startswith(fix.format(home=home.path))


def test_missing_file_in_a_full_directory_lists_similar_names_only(home: Home) -> None:
    """The fix names only files that may be meant, or none."""
    for number in range(140):
        home.write(f"full/log.{number}", "")
    (missing,) = problems_of("--lnd.dir=.lnd --lnd.macaroon=full/m.macaroon")
    home.write("full/read-only-macaroon", MACAROON)
    (similar,) = problems_of("--lnd.dir=.lnd --lnd.macaroon=full/readonly.mac")
    home.write("full/b.macaroon", MACAROON)
    (likely,) = problems_of("--lnd.dir=.lnd --lnd.macaroon=full/m")
    (directory,) = problems_of("--lnd.dir=.lnd --lnd.macaroon=full")
    there = f"There is {home.path}/full, but no"
    assert [missing.fix, similar.fix, likely.fix, directory.fix] == [
        f"{there} m.macaroon in it. Give the path of the file.",
        f"{there} readonly.mac in it. It contains, among others, read-only-macaroon.",
        f"{there} m in it. It contains, among others, b.macaroon.",
        "It contains, among others, b.macaroon.",
    ]


def test_unreadable_file_is_reported_with_the_closed_part_of_its_path(home: Home) -> None:
    """The message names the file, or the directory that is closed."""
    macaroon, certificate = home.macaroon("readonly"), home.lnd / "tls.cert"
    for path in (home.path, *home.path.parents):
        if path.name.startswith(("pytest-", "popen-", "test_")):  # pytest's own directories are closed
            path.chmod(0o755)
    certificate.chmod(0)
    macaroon.parent.chmod(0)
    with without_root():
        problems = problems_of(f"--lnd.address=localhost --lnd.tls-cert={certificate} --lnd.macaroon={macaroon}")
    macaroon.parent.chmod(0o755)
    ((_, first, _), (_, second, _)) = problems
    assert first.startswith(f"{certificate} may not be read by user ")
    assert second.startswith(f"{macaroon} can't be reached: user ")
    assert second.endswith(f" may not enter {macaroon.parent}.")


def test_named_pipe(home: Home) -> None:
    """It is refused, because a reload would wait for somebody who writes to it; the output of a command is read."""
    pipe = home.path / "exporter.yml"
    os.mkfifo(pipe)
    assert problems_of(f"--config.file={pipe}") == [
        Problem("--config.file", f"{pipe} is a named pipe: reading it could wait for ever.", "Give a regular file.")
    ]
    reading, writing = os.pipe()
    os.write(writing, f"nodes: [{{name: alice, dir: {home.lnd}}}]\n".encode())
    os.close(writing)
    try:
        assert [node.name for node in config_of(f"--config.file=/dev/fd/{reading}").nodes] == ["alice"]
    finally:
        os.close(reading)
