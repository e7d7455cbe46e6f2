# SPDX-License-Identifier: Apache-2.0
"""The rights that the manifests give, beside what gatehouse really asks for: the audit log of a real API server."""

import itertools
import subprocess

import pytest
import yaml

from harness import cluster as clusters
from harness import server as servers
from harness.basics import ROOT, binary, until

NAMESPACE = clusters.NAMESPACE
ACCOUNTS = {"rbac-server.yaml": "gatehouse", "rbac-certgen.yaml": "gatehouse-certgen"}


def rights():
    """{(account, group, resource, verb, name or "")} as the manifests give them."""
    for path, account in ACCOUNTS.items():
        for obj in yaml.safe_load_all((ROOT / "manifests/base" / path).read_text()):
            for rule in obj.get("rules", []) if obj["kind"] in ("Role", "ClusterRole") else []:
                for group, resource, verb, name in itertools.product(
                        rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [""])):
                    yield account, group, resource, verb, name


def requests(cluster):
    """[(account, group, resource, verb, name, code)] of our accounts."""
    prefix = f"system:serviceaccount:{NAMESPACE}:"
    for event in cluster.audit():
        ref, user = event.get("objectRef"), event["user"]["username"]
        if not ref or not ref.get("resource") or not user.startswith(prefix):
            continue
        resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
        yield (user.removeprefix(prefix), ref.get("apiGroup", ""), resource, event["verb"], ref.get("name", ""),
               (event.get("responseStatus") or {}).get("code"))


def covers(right, request):
    return right[:4] == request[:4] and right[4] in ("", request[4])


def certgen(cluster, *flags):
    account = cluster.directory / "certgen-kubeconfig"
    cluster.write_server_kubeconfig(account, "gatehouse-certgen")
    done = subprocess.run([binary("gatehouse"), "certgen", "--kube", "--kubeconfig", account, "--namespace", NAMESPACE, *flags],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def use_everything(cluster, directory):
    """A short life: certificates issued and rotated, a leader elected, objects read, a status and an event written."""
    kube = cluster.kube()
    for obj in clusters.manifest("base/webhooks.yaml"):
        for webhook in obj["webhooks"]:
            webhook["rules"] = []  # nobody would answer
        kube.apply(obj)
    server = servers.Server(cluster, directory, ["--ingress-status-address", "192.0.2.7"])
    try:
        certgen(cluster)
        certgen(cluster, "--rotate-ca")
        server.start()
        kube.apply({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                    "metadata": {"name": "access", "namespace": "default"},
                    "spec": {"virtualhost": {"fqdn": "access.test"},
                             "routes": [{"match": "/", "services": [{"name": "none", "port": 80}]}]}})
        kube.apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                    "metadata": {"name": "access", "namespace": "default",
                                 "annotations": {"kubernetes.io/ingress.class": "contour"}},
                    "spec": {"rules": [{"host": "ingress.access.test"}]}})
        until(lambda: kube.list("Event", "default"), "the event", 30)
        until(lambda: kube.get("Ingress", "default", "access")["status"]["loadBalancer"], "the address", 30)
        until(lambda: "update" in {r[3] for r in requests(cluster) if r[2] == "leases"}, "the lease to be renewed", 30)
    finally:
        server.stop()
        kube.close()


@pytest.fixture(scope="module")
def asked(request, tmp_path_factory):
    """What our accounts asked two API servers for: one with EndpointSlices and one without."""
    if request.config.getoption("--cluster") != "real":
        pytest.skip("only a real API server writes an audit log: make e2e")
    found = []
    for name, flags in (("slices", []), ("endpoints", ["--runtime-config", "discovery.k8s.io/v1beta1=false"])):
        directory = tmp_path_factory.mktemp(name)
        running = clusters.RealKube(directory / "cluster", audited=True, flags=flags)
        try:
            use_everything(running, directory / "server")
            found += requests(running)
        finally:
            running.stop()
    return found


def test_access__no_right_is_missing(asked):
    refused = [r for r in asked if r[5] in (401, 403)]
    assert not refused
    given = list(rights())
    uncovered = sorted({r[:5] for r in asked if not any(covers(right, r) for right in given)})
    assert not uncovered, "asked for without a right of the manifests"


def test_access__no_right_is_unused(asked):
    unused = sorted(right for right in rights() if not any(covers(right, r) for r in asked))
    print(f"{len(asked)} requests, {len(list(rights()))} rights, {len(unused)} of them unused")
    assert not unused, "given, and never asked for"
