# SPDX-License-Identifier: Apache-2.0
"""gatehouse bootstrap: what it writes makes a real Envoy start, find its server and trust no other."""

import shutil
import socket
import subprocess

import pytest

from harness import traffic
from harness.basics import binary, until
from harness.client import ask
from harness.envoy import Envoy
from harness.server import issue_certificates


def bootstrap(directory, *flags, certificates=None):
    """The path of what `gatehouse bootstrap` wrote."""
    path = directory / "bootstrap.json"
    if certificates:
        pair = certificates.parent / "envoy-xds-tls"
        flags = ["--xds-cafile", pair / "ca.crt", "--xds-cert-file", pair / "tls.crt", "--xds-key-file",
                 pair / "tls.key", *flags]
    done = subprocess.run([binary("gatehouse"), "bootstrap", path, *map(str, flags)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return issue_certificates(tmp_path_factory.mktemp("pem"))


@pytest.mark.parametrize("flags", [
    [], ["--xds-address", "::1"], ["--xds-address", "gatehouse-xds.gatehouse-system.svc"],
    ["--overload-max-heap", str(1 << 30)], ["--overload-max-connections", "1", "--node-id", 'a "quoted" name'],
], ids=lambda flags: flags[-1] if flags else "defaults")
def test_envoy__mode_validate__takes_it(envoy_binary, certificates, tmp_path, flags):
    path = bootstrap(tmp_path, *flags, certificates=certificates)
    done = subprocess.run([envoy_binary, "--mode", "validate", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr


def test_envoy__mode_validate__takes_it_without_certificates(envoy_binary, tmp_path):
    done = subprocess.run([envoy_binary, "--mode", "validate", "-c", bootstrap(tmp_path, "--insecure")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- with a server ----

@pytest.fixture(scope="module")
def server_edge(cluster, envoy_binary, tmp_path_factory):
    """A gatehouse; each test brings its own Envoy."""
    edge = traffic.Edge(cluster, tmp_path_factory.mktemp("edge"), envoy_binary)
    try:
        edge.server()
        yield edge
    finally:
        edge.close()


@pytest.fixture
def start_envoy(server_edge, tmp_path):
    """Starts an Envoy whose bootstrap has these flags; it ends with the test."""
    started = []

    def start(*flags, certificates=server_edge.certificates, wait=True):
        def text(admin):
            return bootstrap(tmp_path, "--xds-port", server_edge.servers[0].xds_port, "--admin-address", admin, *flags,
                             certificates=certificates).read_text()
        started.append(Envoy(server_edge.envoy_path, tmp_path, text))
        envoy = started[-1].start(wait)
        until(lambda: envoy.admin("/server_info")[0] == 200, "an answer of Envoy's admin interface")
        return envoy
    yield start
    for envoy in started:
        envoy.kill()


def test_envoy__server_there__ready_and_its_admin_only_on_the_socket(server_edge, start_envoy):
    envoy = start_envoy()
    stats = server_edge.ports.stats
    until(lambda: ask(stats, "any", "/ready").status == 200, "Envoy to be ready")
    assert "envoy_server_live" in ask(stats, "any", "/stats/prometheus").body
    for path in ("/", "/config_dump", "/certs"):
        assert ask(stats, "any", path).status == 404, path
    assert ask(stats, "any", "/ready", method="POST").status == 404
    assert envoy.admin("/config_dump")[0] == 200


def test_envoy__name_of_the_server_is_another__never_talks_to_it(start_envoy):
    envoy = start_envoy("--xds-server-name", "gatehouse.elsewhere", wait=False)
    until(lambda: envoy.stat("cluster.gatehouse.ssl.fail_verify_san") > 0, "Envoy to refuse the server")
    assert not envoy.ready() and envoy.stat("control_plane.connected_state") == 0


def test_envoy__server_of_another_authority__never_talks_to_it(start_envoy, certificates):
    envoy = start_envoy(certificates=certificates, wait=False)
    until(lambda: envoy.stat("cluster.gatehouse.ssl.fail_verify_error") > 0, "Envoy to refuse the server")
    assert not envoy.ready() and envoy.stat("control_plane.connected_state") == 0


def test_envoy__its_pair_is_renewed__loaded_without_restart(server_edge, start_envoy, tmp_path):
    pem = tmp_path / "pem"
    shutil.copytree(server_edge.certificates.parent, pem)
    envoy = start_envoy(certificates=pem / "gatehouse-webhook-tls")
    serials = lambda: {line for line in envoy.admin("/certs")[1].splitlines() if "serial_number" in line}
    before = until(serials, "Envoy to tell its certificates")
    (pem / "envoy-xds-tls" / "tls.crt").unlink()
    done = subprocess.run([binary("gatehouse"), "certgen", "--pem", pem], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    until(lambda: serials() - before, "the new certificate in Envoy")
    server_edge.servers[0].stop()
    server_edge.servers[0].start()
    until(lambda: envoy.stat("control_plane.connected_state") == 1, "Envoy to come back with it", 20)


def test_envoy__all_connections_taken__one_more_is_closed_and_the_probe_answers(server_edge, start_envoy):
    start_envoy("--overload-max-connections", "2")
    until(lambda: ask(server_edge.ports.stats, "any", "/ready").status == 200, "Envoy to be ready")
    held = [socket.create_connection(("127.0.0.1", server_edge.ports.http), 5) for _ in range(2)]
    try:
        def closed():
            with socket.create_connection(("127.0.0.1", server_edge.ports.http), 5) as more:
                more.settimeout(1)
                try:
                    return more.recv(1) == b""
                except ConnectionResetError:
                    return True
                except TimeoutError:
                    return False
        until(closed, "Envoy to close what is too much")
        assert ask(server_edge.ports.stats, "any", "/ready").status == 200
    finally:
        for connection in held:
            connection.close()
