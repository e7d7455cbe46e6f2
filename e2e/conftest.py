# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the API server (devkube, or a real one with --cluster=real), and gatehouse on it."""

import os
import pathlib
import shutil
import tempfile

import pytest

from harness import basics
from harness import cluster as clusters
from harness import server as servers
from harness import traffic
from harness.basics import until
from harness.envoy import envoy_binary as find_envoy
from harness.venv import Missing


def pytest_addoption(parser):
    parser.addoption("--cluster", choices=["devkube", "real"], default="devkube",
                     help="devkube: the embedded API server; real: kube-apiserver and etcd (make apiserver)")


    parser.addoption("--kubectl", default="kubectl", help="the kubectl to test with")
    parser.addoption("--sanitized", action="store_true", help="the programs built with AddressSanitizer and UBSan")


def pytest_configure(config):
    basics.sanitized = config.getoption("--sanitized")
    if basics.sanitized:
        basics.xds_dump = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-xds-"))
        os.environ["GATEHOUSE_XDS_DUMP"] = str(basics.xds_dump)
    clusters.Cluster.kubectl_binary = config.getoption("--kubectl")


def pytest_unconfigure():
    if basics.xds_dump:
        shutil.rmtree(basics.xds_dump, ignore_errors=True)


def pytest_report_header(config):
    return f"cluster: {config.getoption('--cluster')}, program: {basics.binary('gatehouse')}"


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster")
    if request.config.getoption("--cluster") == "devkube":
        running = clusters.Devkube(directory)
    else:
        why = clusters.RealKube.missing()
        if why:
            pytest.fail(why)
        running = clusters.RealKube(directory)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def kube(cluster):
    client = cluster.kube()
    yield client
    client.close()


class ServerPool:
    """One server at a time on one webhook port, restarted when another set of flags is asked for."""

    def __init__(self, cluster, kube, directory):
        self.cluster, self.kube, self.directory = cluster, kube, directory
        self.certificates = servers.issue_certificates(directory / "pem")
        self.server = None
        self.port = servers.free_port()

    def with_flags(self, flags):
        if self.server and self.server.process and self.server.flags == list(flags) and self.server.process.running():
            return self.server
        first = self.server is None
        if self.server:
            self.server.stop()
        self.server = servers.Server(self.cluster, self.directory, flags, self.certificates, webhook_port=self.port)
        self.server.start()
        self._await_office()
        if first:
            self.server.install_webhooks(self.kube)
        return self.server

    def _await_office(self):
        """Tests look at statuses within seconds: a predecessor that was killed holds the Lease for longer than that."""
        if "status" in ",".join(map(str, self.server.flags)):
            return
        try:
            until(lambda: self.server.metric("gatehouse_leader") == 1, "the server to lead", 20, 0.05)
        except AssertionError:
            pass  # another test's server leads on purpose

    def stop(self):
        """No server and no webhook configurations, until flags are asked for again."""
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
            self.kube.delete(kind, None, "gatehouse")
        if self.server:
            self.server.stop()
            self.server = None


@pytest.fixture(scope="session")
def pool(cluster, kube, tmp_path_factory):
    pool = ServerPool(cluster, kube, tmp_path_factory.mktemp("server"))
    yield pool
    pool.stop()


@pytest.fixture
def server(pool):
    """gatehouse with default flags."""
    return pool.with_flags([])


@pytest.fixture(scope="session")
def kubectl(cluster):
    if not shutil.which(cluster.kubectl_binary):
        pytest.fail(f"{cluster.kubectl_binary} is not there: run `make deps`")
    return cluster.kubectl


@pytest.fixture(scope="session")
def envoy_binary():
    """The real Envoy; without it the test is skipped, and says why."""
    try:
        return find_envoy()
    except Missing as e:
        pytest.skip(f"no Envoy: {e}")


@pytest.fixture(scope="module")
def edge(cluster, pool, envoy_binary, tmp_path_factory):
    """gatehouse and an Envoy, shared by the tests of a file. The pool's server makes way: only one can lead."""
    pool.stop()
    running = traffic.Edge(cluster, tmp_path_factory.mktemp("edge"), envoy_binary, ["--ingress-status-address", "127.0.0.1"])
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture
def team(edge, request):
    """A namespace of the test's own on the edge."""
    return edge.team(request.node.name.removeprefix("test_"))
