# SPDX-License-Identifier: Apache-2.0
"""Everything that is sent to Envoy, decoded with Envoy's own descriptors."""

import os
import subprocess

import pytest

from harness import basics
from harness.venv import Missing, virtual_environment

REQUIREMENTS = basics.ROOT / "e2e" / "xds-requirements.txt"
CHECK = basics.ROOT / "e2e" / "harness" / "xds_check.py"


@pytest.fixture(scope="module")
def official():
    """The Python of a virtual environment that has the official descriptors, as pinned."""
    try:
        return virtual_environment("venv-xds", REQUIREMENTS) / "bin" / "python"
    except Missing as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    """Files with what the golden tests pack, one Any each."""
    test = basics.BUILD / "test" / "xds" / "golden_test"
    if not test.exists():
        pytest.skip(f"{test} is not built (make test builds it)")
    folder = tmp_path_factory.mktemp("xds")
    ran = subprocess.run([test], cwd=basics.ROOT, env={**os.environ, "GATEHOUSE_XDS_DUMP": str(folder)},
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    files = sorted(folder.iterdir())
    assert len(files) > 90
    return files


def check(official, *files):
    # -I: the folder of the script, with our envoy.py, is not on the path: "envoy" are the official descriptors.
    return subprocess.run([official, "-I", CHECK, *files], capture_output=True, text=True)


def test_all_that_is_sent__official_descriptors__know_every_field_and_break_no_rule(official, emitted):
    checked = check(official, *emitted)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(emitted)} messages" in checked.stdout


def test_all_that_all_tests_sent__official_descriptors__know_every_field_and_break_no_rule(official):
    """Of the tests that ran before this one: nearly all, by the order of names."""
    folder = basics.xds_dump
    if not folder:
        pytest.skip("only test builds keep what they make: --sanitized, as in make test")
    # Made by tests that need what Envoy refuses.
    for file in folder.iterdir():
        if b"refused-by-envoy" in file.read_bytes():
            file.unlink()
    count = len(list(folder.iterdir()))
    if not count:
        pytest.skip("no server has served xDS in this run")
    checked = check(official, folder)
    assert checked.returncode == 0, checked.stdout[-3000:] + checked.stderr
    print(checked.stdout)
    assert f"{count} messages" in checked.stdout


def first_with(emitted, text):
    return next(file for file in emitted if text in file.read_bytes())


def packed(name, value):
    """An Any of less than 128 bytes in each part."""
    url = b"type.googleapis.com/" + name
    return b"\x0a" + bytes([len(url)]) + url + b"\x12" + bytes([len(value)]) + value


@pytest.mark.parametrize("value, complaint", [
    (b"\x0a\x01n\xf8\x7f\x01", "unknown field 2047"),
    (b"\x22\x00\x0a\x00", ".name: is shorter than 1"),
    (b"\x0a\x01n\x22\x02\x08\x00", ".connect_timeout: 0 ns is not gt 0"),
    (b"\x0a\x01n\x30\x63", ".lb_policy: 99 is not in the enum"),
])
def test_a_bad_cluster__official_descriptors__complain(official, tmp_path, value, complaint):
    bad = tmp_path / "bad.any"
    bad.write_bytes(packed(b"envoy.config.cluster.v3.Cluster", value))
    checked = check(official, bad)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert complaint in checked.stdout


def test_a_field_hidden_in_an_any__official_descriptors__find_it(official, emitted, tmp_path):
    good = first_with(emitted, b"http.grpc_stats.v3.FilterConfig")
    bad = tmp_path / "bad.any"
    # The empty FilterConfig becomes another message of the same length of name, whose rules it breaks.
    bad.write_bytes(good.read_bytes().replace(b"http.grpc_stats.v3.FilterConfig", b"http.grpc_stats.v3.FilterConfix"))
    checked = check(official, bad)
    assert checked.returncode == 1
    assert "unknown type type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfix" in checked.stdout
