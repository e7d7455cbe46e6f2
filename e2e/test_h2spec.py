# SPDX-License-Identifier: Apache-2.0
"""The xDS server's HTTP/2, asked by h2spec: every case, the strict one too; none is skipped."""

import re
import subprocess

import pytest

from harness.h2spec import h2spec_binary
from harness.server import Server
from harness.venv import Missing

CASES = 146  # a server that keeps something back is asked less


@pytest.fixture(scope="module")
def h2spec():
    try:
        return h2spec_binary()
    except Missing as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def server(cluster, tmp_path_factory):
    running = Server(cluster, tmp_path_factory.mktemp("h2spec"), ["--insecure", "--disable-leader-election"])
    running.start()
    yield running
    running.stop()


def test_http2__asked_by_h2spec__passes_all_of_it(h2spec, server):
    ran = subprocess.run([h2spec, "--strict", "-h", "127.0.0.1", "-p", str(server.xds_port)], capture_output=True,
                         text=True, timeout=300)
    counts = re.search(r"^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed$", ran.stdout, re.MULTILINE)
    assert counts, ran.stdout + ran.stderr
    print(f"h2spec: {counts[0]}")
    assert counts.groups() == (str(CASES), str(CASES), "0", "0"), ran.stdout[ran.stdout.find("Failures:"):]
    assert ran.returncode == 0
    assert server.ready()
