# SPDX-License-Identifier: Apache-2.0
"""serve as an xDS client sees it: Google's gRPC and Envoy's own descriptors instead of Envoy."""

import json
import shutil
import signal
import subprocess
import time

import pytest

from harness import basics
from harness import server as servers
from harness.basics import until
from harness.venv import Missing, virtual_environment
from harness.xds_client import DELTA, SOTW, XdsClient

TEAM, HOST = "xds-server", "www.xds-server.test"
CLUSTER = f"{TEAM}/web/80/"


@pytest.fixture(scope="module")
def python():
    try:
        return virtual_environment("venv-xds", basics.ROOT / "e2e" / "xds-requirements.txt") / "bin" / "python"
    except Missing as e:
        pytest.skip(str(e))


def endpoints(*addresses):
    return {"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-1", "namespace": TEAM, "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}]}


def route(prefix="/"):
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": "www", "namespace": TEAM},
            "spec": {"virtualhost": {"fqdn": HOST}, "routes": [{"match": prefix, "services": [{"name": "web", "port": 80}]}]}}


@pytest.fixture(scope="module")
def objects(kube):
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": TEAM},
                "spec": {"ports": [{"port": 80}]}})
    kube.apply(endpoints("10.0.0.1"))
    yield
    for kind, name in (("IngressRoute", "www"), ("EndpointSlice", "web-1"), ("Service", "web")):
        kube.delete(kind, TEAM, name)


@pytest.fixture
def xds(cluster, kube, objects, tmp_path):
    """A server of the test's own."""
    kube.apply(route())
    server = servers.Server(cluster, tmp_path, ["--disable-leader-election", "--disable", "webhook,status"])
    yield server.start()
    server.stop()


def envoy_pair(server):
    return server.certificates.parent / "envoy-xds-tls"


def connect(python, server, **options):
    return XdsClient(python, server.xds_port, envoy_pair(server), **options)


def streams(server, node):
    status, text = server.debug("/debug/xds")
    assert status == 200, text
    return [s for s in json.loads(text)["streams"] if s["node"] == node]


def routes_of(response):
    return [r["match"] for host in response["content"][0]["virtualHosts"] if HOST in host["domains"] for r in host["routes"]]


def take_all(client):
    """Subscribes as an Envoy does, and acknowledges: type -> response."""
    got = {}
    for kind, names in (("Cluster", ["*"]), ("ClusterLoadAssignment", [f"{TEAM}/web"]), ("Listener", ["*"]),
                        ("RouteConfiguration", ["ingress_http"])):
        client.ask(kind, subscribe=names)
        got[kind] = client.expect(kind)
    return got


def test_delta__everything__is_what_the_objects_say(python, xds):
    with connect(python, xds) as client:
        got = take_all(client)
    assert any(name.startswith(CLUSTER) for name in got["Cluster"]["resources"])
    address = got["ClusterLoadAssignment"]["content"][0]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"]
    assert address["socketAddress"] == {"address": "10.0.0.1", "portValue": 8080}
    assert {"ingress_http", "stats-health"} <= set(got["Listener"]["resources"])
    assert routes_of(got["RouteConfiguration"])


def test_delta__changes__only_what_changed_is_sent(python, xds, kube):
    with connect(python, xds) as client:
        take_all(client)
        kube.apply(endpoints("10.0.0.1", "10.0.0.2"))
        changed = client.expect("ClusterLoadAssignment")
        assert len(changed["content"][0]["endpoints"][0]["lbEndpoints"]) == 2
        kube.apply(route("/other"))
        changed = client.expect("RouteConfiguration")
        assert any("/other" in json.dumps(match) for match in routes_of(changed))
        assert xds.metric("gatehouse_xds_push_latency_seconds_count") >= 2
    kube.apply(endpoints("10.0.0.1"))


def test_sotw__clusters__complete_and_versioned_alike_on_two_replicas(python, xds, cluster, tmp_path):
    other = servers.Server(cluster, tmp_path / "other", xds.flags, xds.certificates).start()
    try:
        versions = []
        for server in (xds, other):
            with connect(python, server, method=SOTW) as client:
                client.ask("Cluster")
                got = client.expect("Cluster")
                versions.append(got["version"])
                assert any(c["name"].startswith(CLUSTER) for c in got["content"])
        assert versions[0] == versions[1]
    finally:
        other.stop()


def test_reconnect__what_the_client_has__is_not_sent_again(python, xds):
    with connect(python, xds) as client:
        known = take_all(client)["Listener"]["resources"]
    xds.stop()
    xds.start()
    with connect(python, xds) as client:
        client.ask("Listener", subscribe=["*"], known=known)
        client.ask("RouteConfiguration", subscribe=["ingress_http"])
        client.expect("RouteConfiguration")  # and no Listener before


def test_clients__who_may_come_in(python, xds, tmp_path):
    """The order of a handshake in TLS 1.3 makes a refused certificate look like a lost connection to the client."""
    def end(pair):
        with XdsClient(python, xds.xds_port, pair) as client:
            client.ask("Cluster", subscribe=["*"])
            return client.next().get("end")
    servers.issue_certificates(tmp_path / "strangers")
    stranger = tmp_path / "strangers" / "envoy-xds-tls"
    shutil.copy(envoy_pair(xds) / "ca.crt", stranger / "ca.crt")  # it believes us; we do not believe it
    assert end(stranger) == "UNAVAILABLE"
    assert end(xds.xds_certificates) == "UNAVAILABLE", "a server's certificate is not a client's"
    assert end(None) == "UNAVAILABLE", "plain HTTP/2"
    assert end(envoy_pair(xds)) is None


def test_certificates__ca_and_pair_replaced__new_connections_use_them_and_old_ones_go_on(python, xds, kube, tmp_path):
    servers.issue_certificates(tmp_path / "renewed")
    renewed = tmp_path / "renewed"
    with connect(python, xds) as client:
        take_all(client)
        for name in ("ca.crt", "tls.crt", "tls.key"):
            shutil.copy(renewed / "gatehouse-xds-tls" / name, xds.xds_certificates / name)

        def comes_in():
            with XdsClient(python, xds.xds_port, renewed / "envoy-xds-tls") as other:
                other.ask("Cluster", subscribe=["*"])
                return other.next().get("type") == "Cluster"
        until(comes_in, "the renewed certificate to be taken", 30, 0.2)
        with connect(python, xds) as old:
            old.ask("Cluster", subscribe=["*"])
            assert old.next().get("end") == "UNAVAILABLE", "the old CA is gone"
        kube.apply(route("/renewed"))
        client.expect("RouteConfiguration")
    assert xds.metrics()['gatehouse_certificate_expiry_seconds{name="xds"}'] > 0
    assert "certificate xds" in xds.http("/readyz")[1]


def test_nack__is_logged_counted_and_shown(python, xds):
    with connect(python, xds, node="edge-7") as client:
        client.ask("Cluster", subscribe=["*"])
        first = client.next()
        client.answer(first, refused='no "such" cluster')
        until(lambda: xds.metric("gatehouse_xds_nacks_total", type="Cluster") == 1, "the NACK to be counted")
        shown = streams(xds, "edge-7")[0]
        assert (shown["service"], shown["variant"]) == ("aggregated", "delta")
        assert shown["peer"].startswith("127.0.0.1:")
        about = shown["types"]["Cluster"]
        assert about["nacks"] == 1 and about["lastNack"]["message"] == 'no "such" cluster'
        assert about["sent"] == first["version"] and about["acknowledged"] == ""
        assert xds.metric("gatehouse_xds_streams") == 1
    lines = [json.loads(line) for line in xds.process.output().splitlines() if "edge-7" in line and "refuses" in line]
    assert [line["reason"] for line in lines] == ['no "such" cluster'], lines
    until(lambda: xds.metric("gatehouse_xds_streams") == 0, "the stream to go")


def test_debug_page__acknowledged_version__follows(python, xds):
    with connect(python, xds, node="edge-8") as client:
        client.ask("Listener", subscribe=["*"])
        version = client.expect("Listener")["version"]
        until(lambda: streams(xds, "edge-8")[0]["types"]["Listener"]["acknowledged"] == version, "the ACK to be shown")


def test_sigterm__streams__end_gracefully_and_the_exit_code_is_0(python, xds):
    with connect(python, xds) as client:
        take_all(client)
        xds.stop()
        assert client.next()["end"] == "UNAVAILABLE"
    xds.start()


def test_sigterm__twice_while_streams_drain__exits_at_once(python, xds):
    with connect(python, xds) as client:
        take_all(client)
        xds.process.send(signal.SIGTERM)
        until(lambda: "stopping" in xds.process.output(), "the first to be noticed")
        begun = time.monotonic()
        xds.process.send(signal.SIGTERM)
        assert xds.process.child.wait(10) == 0
        assert time.monotonic() - begun < 1, "draining takes longer"
    xds.start()


def test_insecure__loopback_only__serves_plain_http2(python, cluster, objects, tmp_path, kube):
    kube.apply(route())
    server = servers.Server(cluster, tmp_path, ["--insecure", "--disable-leader-election", "--disable", "webhook,status"])
    server.start()
    try:
        with XdsClient(python, server.xds_port) as client:
            client.ask("Cluster", subscribe=["*"])
            client.expect("Cluster")
    finally:
        server.stop()
    refused = subprocess.run([basics.binary("gatehouse"), "serve", "--disable", "webhook", "--insecure", "--xds-address",
                              "0.0.0.0"], capture_output=True, text=True)
    assert refused.returncode == 2 and "loopback" in refused.stderr


def test_port_taken__serve__says_which_flag(xds, cluster, tmp_path):
    other = servers.Server(cluster, tmp_path / "other", xds.flags, xds.certificates)
    other.xds_port = xds.xds_port
    other.start(wait=False)
    until(lambda: not other.running(), "it to give up")
    assert "--xds-port" in other.process.output()
    other.kill()
