# SPDX-License-Identifier: Apache-2.0
"""The server's life: before there is anything to serve, certificates that change under it, and its end."""

import shutil
import signal
import ssl
import subprocess
import time

import pytest

from harness import cluster as clusters
from harness import server as servers
from harness.basics import binary, free_port, until
from test_webhook import review, route


@pytest.fixture
def started(cluster, tmp_path):
    """started(*flags): a server of the test's own, without leadership, ended with the test."""
    running = []

    def start(*flags, wait=True, on=cluster, certificates=None):
        server = servers.Server(on, tmp_path, ["--disable-leader-election", "--disable", "status", *flags], certificates)
        running.append(server)
        return server.start(wait)
    yield start
    for server in running:
        server.kill()


def served_certificate(server):
    return ssl.get_server_certificate(("127.0.0.1", server.webhook_port))


def test_sigterm__delay__not_ready_but_answering_then_exit_0(started):
    server = started("--shutdown-delay", "2s")
    server.process.send(signal.SIGTERM)
    until(lambda: server.http("/readyz")[0] == 503, "readiness to go")
    assert server.post(review(route()))[0] == 200
    assert server.http("/healthz")[0] == 200
    assert server.process.child.wait(15) == 0


def test_sigterm__twice__exits_at_once(started):
    server = started("--shutdown-delay", "60s")
    server.process.send(signal.SIGTERM)
    until(lambda: server.http("/readyz")[0] == 503, "readiness to go")
    started_at = time.monotonic()
    server.process.send(signal.SIGTERM)
    server.process.child.wait(10)
    assert time.monotonic() - started_at < 5


def test_certificates__replaced_on_disk__served_without_restart(started, tmp_path):
    server = started()
    before = served_certificate(server)
    renewed = servers.issue_certificates(tmp_path / "renewed")
    for name in ("tls.key", "tls.crt", "ca.crt"):
        shutil.copy(renewed / name, server.certificates / name)
    until(lambda: served_certificate(server) != before, "the new certificate", 30)
    assert server.post(review(route()))[0] == 200
    until(lambda: server.metric("gatehouse_certificate_reloads_total", name="webhook") >= 1, "the reload to be counted")


def test_certificates__near_their_end__ready_with_a_warning_and_metrics(started, tmp_path):
    pem = tmp_path / "short" / "gatehouse-webhook-tls"
    subprocess.run([binary("gatehouse"), "certgen", "--pem", pem.parent, "--ip", "127.0.0.1", "--certificate-lifetime", "240h",
                    "--ca-lifetime", "480h"], check=True, capture_output=True)
    server = started("--webhook-client-ca-file", pem / "ca.crt", certificates=pem)
    status, text = server.http("/readyz")
    lines = {line.partition(":")[0]: line for line in text.splitlines()}
    assert status == 200, text
    assert "warning: good until" in lines["certificate webhook"] and "CA until" in lines["certificate webhook"], text
    days = {name: server.metric("gatehouse_certificate_expiry_seconds", name=name) / 86400
            for name in ("webhook", "webhook-client-ca", "xds", "xds-ca")}
    assert 9 < days["webhook"] <= 10 and 9 < days["xds"] <= 10, days
    assert 19 < days["webhook-client-ca"] <= 20 and 19 < days["xds-ca"] <= 20, days


def test_certificates__spoiled_on_disk__the_old_ones_stay(started):
    server = started()
    before = served_certificate(server)
    (server.certificates / "tls.crt").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    until(lambda: "webhook" in server.http("/readyz")[1] and "not used" in server.http("/readyz")[1],
          "the warning in /readyz", 30)
    assert server.http("/readyz")[0] == 200, "a certificate does not empty the Service"
    assert (server.metric("gatehouse_certificate_refused", name="webhook"), server.metric("gatehouse_certificate_refused")) == (1, 1)
    assert served_certificate(server) == before
    assert server.post(review(route()))[0] == 200


def test_start__no_api_server_yet__ready_once_it_is_there(request, started, tmp_path):
    if request.config.getoption("--cluster") != "devkube":
        pytest.skip("needs an API server that starts in a moment; make test runs this")
    cluster = clusters.Devkube(tmp_path / "late")
    try:
        cluster.process.kill()
        server = started(wait=False, on=cluster)
        until(lambda: server.http("/healthz")[0] == 200, "liveness")
        assert server.http("/readyz")[0] == 503
        cluster.start()
        # Without the CRDs there is nothing to guard yet: an empty answer would be a wrong one.
        until(lambda: server.http("/readyz")[0] == 503, "an answer")
        cluster.install_crds()
        server.wait_ready(60)
    finally:
        cluster.stop()


def test_start__port_taken__says_so_and_exits_1(cluster, tmp_path):
    first = servers.Server(cluster, tmp_path, ["--disable-leader-election", "--disable", "status"]).start()
    try:
        second = servers.Server(cluster, tmp_path, first.flags, first.certificates, "second", first.webhook_port)
        second.start(wait=False)
        assert second.process.child.wait(10) == 1
        assert str(first.webhook_port) in second.process.output()
    finally:
        first.kill()


@pytest.mark.parametrize("flags, code", [
    (["--no-such-flag"], 2), (["--webhook-port", "99999"], 2), (["--admission-mode", "maybe"], 2),
    (["--kubeconfig", "/nonexistent"], 1), (["--webhook-cert-file", "/nonexistent"], 1)])
def test_start__wrong_options__exit_code_and_a_name(cluster, tmp_path, flags, code):
    server = servers.Server(cluster, tmp_path, flags)
    server.start(wait=False)
    assert server.process.child.wait(10) == code
    output = server.process.output()
    assert flags[0] in output or flags[-1] in output


def test_config_file__flag_wins__unknown_key_is_named(started, cluster, tmp_path):
    (tmp_path / "config.yaml").write_text("admission-mode: warn\n")
    server = started("-c", tmp_path / "config.yaml")
    assert server.post(review(route(match="nope")))[1]["response"]["allowed"] is True
    server.kill()
    server = started("-c", tmp_path / "config.yaml", "--admission-mode", "enforce")
    assert server.post(review(route(match="nope")))[1]["response"]["allowed"] is False
    (tmp_path / "config.yaml").write_text("admission-mode: warn\nadmision: x\n")
    wrong = servers.Server(cluster, tmp_path, ["-c", tmp_path / "config.yaml"], name="wrong")
    wrong.start(wait=False)
    assert wrong.process.child.wait(10) != 0
    assert "admision" in wrong.process.output() and "2" in wrong.process.output()


def test_disable_webhook__status_alone__no_port(cluster, tmp_path):
    server = servers.Server(cluster, tmp_path, ["--disable", "webhook,status,xds", "--disable-leader-election"],
                            webhook_port=free_port())
    server.start()
    try:
        with pytest.raises(ConnectionRefusedError):
            served_certificate(server)
    finally:
        server.kill()


def test_ignore_object__poison__is_as_absent(started, kube):
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lifecycle"}})
    poison = {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
              "metadata": {"name": "poison", "namespace": "lifecycle", "labels": {"gatehouse-e2e": "unguarded"}},
              "spec": {"virtualhost": {"fqdn": "poison.test"},
                       "routes": [{"match": "/", "services": [{"name": "web", "port": 80}]}]}}
    kube.apply(poison)
    try:
        copy = review(route("copy", "lifecycle", "poison.test"))
        server = started()
        assert server.post(copy)[1]["response"]["allowed"] is False
        server.kill()
        server = started("--ignore-object", "IngressRoute/lifecycle/poison")
        assert server.post(copy)[1]["response"]["allowed"] is True
    finally:
        kube.delete("IngressRoute", "lifecycle", "poison")
