# SPDX-License-Identifier: Apache-2.0
"""An Envoy refuses what one host says: the others are served on, and the host's owner is told (rule EnvoyRejected).

The Envoy is an xDS client that takes no path /refused: no object makes a real one refuse what gatehouse sends."""

import pytest

from harness import basics
from harness import pki
from harness import server as servers
from harness.basics import until
from harness.venv import Missing, virtual_environment
from harness.xds_client import DELTA, SOTW, XdsClient

TEAM = "rejected"


@pytest.fixture(scope="module")
def python():
    try:
        return virtual_environment("venv-xds", basics.ROOT / "e2e" / "xds-requirements.txt") / "bin" / "python"
    except Missing as e:
        pytest.skip(str(e))


@pytest.fixture
def server(cluster, kube, pool, tmp_path):
    pool.stop()
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": TEAM},
                "spec": {"ports": [{"port": 80}]}})
    running = servers.Server(cluster, tmp_path).start()
    yield running
    running.stop()
    for name in ("good", "bad"):
        kube.delete("IngressRoute", TEAM, name)
    kube.delete("Service", TEAM, "web")


def site(kube, name, match="/", tls=None):
    kube.apply({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                "metadata": {"name": name, "namespace": TEAM},
                "spec": {"virtualhost": {"fqdn": f"{name}.rejected.test", **({"tls": {"secretName": tls}} if tls else {})},
                         "routes": [{"match": match, "services": [{"name": "web", "port": 80}]}]}})


def status(kube, name):
    obj = kube.get("IngressRoute", TEAM, name)
    said = obj.get("status", {})
    current = said.get("observedGeneration") == obj["metadata"]["generation"]
    return (said["currentStatus"], said["description"]) if current else (None, "")


def take(client):
    """The next RouteConfiguration, answered as that Envoy does: name of host -> its matches as text."""
    while True:
        response = client.next()
        if response["type"] != "RouteConfiguration":
            continue
        hosts = {h["name"]: str(h["routes"]) for h in response["content"][0].get("virtualHosts", ())
                 if h["name"].endswith(".rejected.test")}
        refused = any("/refused" in routes for routes in hosts.values())
        # State of the World repeats its names each time; Delta has none of that field.
        client.ask("RouteConfiguration", nonce=response["nonce"], names=["ingress_http"],
                   refused="Envoy has no /refused" if refused else "")
        return hosts, refused


@pytest.mark.parametrize("method", [DELTA, SOTW])
def test_route__refused_by_an_envoy__goes_back_alone_and_its_root_says_so(python, server, kube, method):
    site(kube, "good")
    site(kube, "bad")
    until(lambda: status(kube, "bad")[0] == "valid", "both to be served", 20)
    with XdsClient(python, server.xds_port, server.certificates.parent / "envoy-xds-tls", method=method) as client:
        names = {"subscribe": ["ingress_http"]} if method == DELTA else {"names": ["ingress_http"]}
        client.ask("RouteConfiguration", **names)
        assert not take(client)[1]
        site(kube, "bad", "/refused")
        assert take(client)[1]
        hosts, refused = take(client)
        assert not refused
        assert set(hosts) == {"good.rejected.test", "bad.rejected.test"}  # with what it said before
        until(lambda: "EnvoyRejected" in status(kube, "bad")[1], "the owner to be told", 20)
        assert status(kube, "bad")[0] == "valid"
        assert "EnvoyRejected" not in status(kube, "good")[1]
        site(kube, "good", "/more")  # the other one is not held back
        hosts, refused = take(client)
        assert "/more" in hosts["good.rejected.test"] and not refused
        site(kube, "bad", "/repaired")
        hosts, refused = take(client)
        assert "/repaired" in hosts["bad.rejected.test"] and not refused
        until(lambda: status(kube, "bad")[0] == "valid" and "EnvoyRejected" not in status(kube, "bad")[1],
              "the status to be good again", 20)


def test_route_on_tls__refused_by_an_envoy__its_root_says_so(python, server, kube):
    """Each host's routes on TLS are a resource of their own; the client answers for all of a response, as Envoy does."""
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert", "namespace": TEAM},
                "type": "kubernetes.io/tls", "data": pki.tls_data(["*.rejected.test"])})
    names = [f"https/{name}.rejected.test" for name in ("bad", "good")]
    try:
        site(kube, "good", tls="cert")
        site(kube, "bad", "/refused", tls="cert")
        until(lambda: status(kube, "bad")[0] == "valid" and status(kube, "good")[0] == "valid", "both to be served", 20)
        with XdsClient(python, server.xds_port, server.certificates.parent / "envoy-xds-tls") as client:
            client.ask("RouteConfiguration", subscribe=names)
            taken, alone = set(), set()
            while taken | alone != set(names):
                response = client.next()
                refused = "/refused" in str(response["content"])
                client.answer(response, refused="Envoy has no /refused" if refused else None)
                if not refused:
                    taken.update(response["resources"])
                elif response["count"] == 1:
                    alone.update(response["resources"])
            assert taken == {names[1]}
            until(lambda: "EnvoyRejected" in status(kube, "bad")[1], "the owner to be told", 20)
            assert "EnvoyRejected" not in status(kube, "good")[1]
            site(kube, "bad", "/repaired", tls="cert")
            until(lambda: status(kube, "bad")[0] == "valid" and "EnvoyRejected" not in status(kube, "bad")[1],
                  "the status to be good again", 20)
    finally:
        kube.delete("Secret", TEAM, "cert")
