# SPDX-License-Identifier: Apache-2.0
"""What the API server offers changes while gatehouse runs: another release of Kubernetes, a CRD deleted and applied again."""

import pytest

from harness import cluster as clusters
from harness import server as servers
from harness.basics import until

TEAM = "feeds"
SLICES_V1, SLICES_V1BETA1 = "discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"


@pytest.fixture
def devkube(request, tmp_path):
    if request.config.getoption("--cluster") != "devkube":
        pytest.skip("the API server's release is changed: only devkube can")
    running = clusters.Devkube(tmp_path / "devkube")
    yield running
    running.stop()


@pytest.fixture
def server(devkube, tmp_path):
    running = servers.Server(devkube, tmp_path)
    yield running
    running.kill()


def restart(devkube, *disabled):
    """As another release: of what it held it has only the CRDs and a Service with endpoints of both kinds, as it has them."""
    devkube.process.kill()
    devkube.start(*(flag for version in disabled for flag in ("--disable-api", version)))
    devkube.install_crds()
    fill(devkube, disabled)


def fill(devkube, disabled=()):
    kube = devkube.kube(patience=10)
    meta = {"name": "web", "namespace": TEAM}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}]}})
    kube.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta,
                "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]})
    offered = [version for version in (SLICES_V1, SLICES_V1BETA1) if version not in disabled]
    for version in offered[:1]:
        answer = kube.request("POST", f"/apis/{version}/namespaces/{TEAM}/endpointslices", {
            "apiVersion": version, "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-1", "namespace": TEAM, "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]})
        assert answer.ok, answer
    kube.close()


def stored(server):
    return {kind: server.metric("gatehouse_dag_objects", kind=kind) for kind in ("EndpointSlice", "Endpoints")}


def await_stored(devkube, server, slices, endpoints):
    """Each release counts its own requests: what is stored was listed there."""
    listed = "list endpointslices" if slices else "list endpoints"
    until(lambda: listed in devkube.requests(), listed, 40)
    until(lambda: stored(server) == {"EndpointSlice": slices, "Endpoints": endpoints},
          f"{slices} slices and {endpoints} Endpoints to be stored", 40)
    assert server.ready()


def test_endpoints__other_releases__the_best_form_that_is_served_is_stored_and_only_that(devkube, server):
    fill(devkube)
    server.start()
    await_stored(devkube, server, 1, 0)
    restart(devkube, SLICES_V1)
    await_stored(devkube, server, 1, 0)
    restart(devkube, SLICES_V1, SLICES_V1BETA1)
    await_stored(devkube, server, 0, 1)
    restart(devkube)
    await_stored(devkube, server, 1, 0)


def test_endpoints__no_slices_at_the_start__holds_nothing_up(devkube, server):
    restart(devkube, SLICES_V1, SLICES_V1BETA1)
    server.start()
    await_stored(devkube, server, 0, 1)


def test_endpoints__xds_disabled__are_not_asked_for(devkube, server):
    fill(devkube)
    server.flags = ["--disable", "xds"]
    server.start()
    requests = devkube.requests()
    assert "list services" in requests
    assert not {"list endpointslices", "list endpoints"} & set(requests)


def test_crd__deleted_and_applied_again__what_is_new_is_judged(devkube, server):
    fill(devkube)
    server.start()
    kube = devkube.kube(patience=10)
    assert kube.delete("CustomResourceDefinition", None, "ingressroutes.contour.heptio.com").ok
    until(lambda: "does not offer" in server.process.output(), "the absence to be noticed", 40)
    assert server.ready()
    devkube.install_crds()
    kube.apply({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute", "metadata": {"name": "site", "namespace": TEAM},
                "spec": {"virtualhost": {"fqdn": "site.feeds.test"},
                         "routes": [{"match": "/", "services": [{"name": "web", "port": 80}]}]}})
    until(lambda: (kube.get("IngressRoute", TEAM, "site") or {}).get("status", {}).get("currentStatus") == "valid",
          "the new object to be judged", 40)
    kube.close()
