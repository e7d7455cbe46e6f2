# SPDX-License-Identifier: Apache-2.0
"""Where Envoy is reached, in the status of Ingresses: what external-dns reads."""

import pytest

from harness.basics import until


@pytest.fixture
def team(kube):
    name = "addresses"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for kind in ("Ingress", "Service"):
        for obj in kube.list(kind, name):
            kube.delete(kind, name, obj["metadata"]["name"])


def ingress(team, name, host, ingress_class="contour"):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": team, "annotations": {"kubernetes.io/ingress.class": ingress_class}},
            "spec": {"rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {
                "service": {"name": "web", "port": {"number": 80}}}}]}}]}}


def addresses(kube, team, name):
    return kube.get("Ingress", team, name).get("status", {}).get("loadBalancer", {}).get("ingress") or []


def test_ingress_status_address__ours_gets_it__others_do_not(pool, kube, team, kubectl):
    pool.with_flags(["--ingress-status-address", "192.0.2.7"])
    kube.apply(ingress(team, "theirs", "theirs.addresses.test", "nginx"))
    kube.apply(ingress(team, "ours", "ours.addresses.test"))
    until(lambda: addresses(kube, team, "ours") == [{"ip": "192.0.2.7"}], "the address", 20)
    assert addresses(kube, team, "theirs") == []
    assert "192.0.2.7" in kubectl("get", "ingress", "-n", team, "ours")[1]


def test_envoy_service__its_addresses__are_followed(pool, kube, team):
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "envoy", "namespace": team},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    pool.with_flags(["--envoy-service", f"{team}/envoy"])
    kube.apply(ingress(team, "web", "web.addresses.test"))
    for address in ({"hostname": "lb.example.com"}, {"ip": "192.0.2.9"}):
        answer = kube.request("PATCH", kube.path("Service", team, "envoy", "status"),
                              {"status": {"loadBalancer": {"ingress": [address]}}}, content_type="application/merge-patch+json")
        assert answer.ok, answer
        until(lambda: addresses(kube, team, "web") == [address], f"{address}", 20)
