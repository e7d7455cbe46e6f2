# SPDX-License-Identifier: Apache-2.0
"""From release to release and back, on a real API server: CRDs, rights, Secrets, Lease and claims go on working.

The older release is a commit of this repository, built beside this one."""

import base64
import subprocess

import pytest
import yaml

from harness import cluster as clusters
from harness import server as servers
from harness.basics import BUILD, ROOT, binary, until
from test_status import await_state
from test_webhook import review

OLDER = "4032577"  # the gate alone: no xDS yet
NAMESPACE = clusters.NAMESPACE
PAIRS = ("gatehouse-webhook-tls", "gatehouse-xds-tls", "envoy-xds-tls")


class Release:
    """A tree with its program and its manifests."""

    def __init__(self, root, program, serves_xds):
        self.root, self.program, self.serves_xds = root, program, serves_xds

    def apply(self, kube):
        """As `kubectl apply` of its manifests, as far as an API server without a kubelet goes."""
        for path in ("crds/ingressroutes.yaml", "crds/tlscertificatedelegations.yaml", "base/serviceaccounts.yaml",
                     "base/rbac-server.yaml", "base/rbac-certgen.yaml"):
            for obj in yaml.safe_load_all((self.root / "manifests" / path).read_text()):
                if obj:
                    kube.apply(obj)

    def certgen(self, cluster, *flags):
        account = cluster.directory / "certgen-kubeconfig"
        cluster.write_server_kubeconfig(account, "gatehouse-certgen")
        done = subprocess.run([self.program, "certgen", "--kube", "--kubeconfig", account, "--namespace", NAMESPACE,
                               "--ip", "127.0.0.1", *flags], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def replica(self, world, name):
        """A replica with the key pairs that the cluster's Secrets hold."""
        directory = world.directory / name
        for pair in PAIRS:
            (directory / "pem" / pair).mkdir(parents=True)
            for key, value in world.kube.get("Secret", NAMESPACE, pair)["data"].items():
                (directory / "pem" / pair / key).write_bytes(base64.b64decode(value))
        server = servers.Server(world.cluster, directory, name=name, certificates=directory / "pem" / "gatehouse-webhook-tls")
        server.program = self.program
        if not self.serves_xds:
            server.xds_flags = list
        world.replicas.append(server)
        return server.start()


class World:
    def __init__(self, cluster, directory):
        self.cluster, self.directory, self.kube, self.replicas = cluster, directory, cluster.kube(), []

    def route(self, namespace, name, fqdn, service="web"):
        self.kube.apply({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                         "metadata": {"name": name, "namespace": namespace},
                         "spec": {"virtualhost": {"fqdn": fqdn},
                                  "routes": [{"match": "/", "services": [{"name": service, "port": 80}]}]}})

    def leader(self):
        return (self.kube.get("Lease", NAMESPACE, "gatehouse") or {}).get("spec", {}).get("holderIdentity", "")

    def versions(self):
        return {f"{o['metadata']['namespace']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"]
                for o in self.kube.list("IngressRoute")}

    def denies_the_copy(self, replica):
        """The claim on upgrade.test is honoured: a newcomer elsewhere is refused."""
        copy = {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                "metadata": {"name": "copy", "namespace": "other"},
                "spec": {"virtualhost": {"fqdn": "upgrade.test"},
                         "routes": [{"match": "/", "services": [{"name": "web", "port": 80}]}]}}
        answer = replica.post(review(copy))[1]["response"]
        return not answer["allowed"] and "FQDNConflict" in answer["status"]["message"]


@pytest.fixture(scope="module")
def releases(request):
    if request.config.getoption("--cluster") != "real":
        pytest.skip("upgrades are tried on a real API server: make e2e")
    if subprocess.run(["git", "-C", ROOT, "cat-file", "-e", f"{OLDER}^{{commit}}"], capture_output=True).returncode:
        pytest.skip(f"the clone does not reach back to {OLDER}")
    tree = BUILD / f"older-{OLDER}"
    if not (tree / "build/gatehouse").exists():
        tree.mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(["git", "-C", ROOT, "archive", OLDER], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        built = subprocess.run(["make", "-C", tree, "-j2", f"VERSION={OLDER}", "release"], capture_output=True, text=True)
        assert built.returncode == 0, built.stderr[-3000:]
    return Release(tree, tree / "build/gatehouse", False), Release(ROOT, binary("gatehouse"), True)


@pytest.fixture
def world(releases, tmp_path):
    cluster = clusters.RealKube(tmp_path / "cluster")
    world = World(cluster, tmp_path)
    for name in ("team", "other"):
        world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        world.kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": name},
                          "spec": {"ports": [{"port": 80}]}})
    for configuration in clusters.manifest("base/webhooks.yaml"):
        for webhook in configuration["webhooks"]:
            webhook["rules"] = []  # each replica is asked directly
        world.kube.apply(configuration)
    yield world
    for replica in world.replicas:
        replica.kill()
    world.kube.close()
    cluster.stop()


def live_with(first, second, world):
    """`first` serves, `second` is applied over it, both run together, `first` goes; what was there stays as it was."""
    first.apply(world.kube)
    first.certgen(world.cluster)
    before = first.replica(world, "before")
    world.route("team", "shop", "upgrade.test")
    world.route("team", "broken", "broken.test", service="none")
    await_state(world.kube, "team", "shop", "valid")
    await_state(world.kube, "team", "broken", "invalid")
    until(lambda: world.kube.get("IngressRoute", "team", "shop")["status"].get("claim"), "the claim")
    secrets = {name: world.kube.get("Secret", NAMESPACE, name)["data"] for name in PAIRS}
    held = world.leader()

    second.apply(world.kube)
    second.certgen(world.cluster)
    assert {name: world.kube.get("Secret", NAMESPACE, name)["data"] for name in PAIRS} == secrets
    after = second.replica(world, "after")
    assert world.denies_the_copy(before) and world.denies_the_copy(after)
    assert world.leader() == held
    versions = world.versions()

    before.stop()
    until(lambda: world.leader() not in ("", held), "the new release to lead", 30)
    world.route("team", "later", "later.test")
    await_state(world.kube, "team", "later", "valid")
    kept = {name: version for name, version in world.versions().items() if name in versions}
    assert kept == versions, "statuses that were right are not written again"
    assert world.denies_the_copy(after)
    return after


def test_upgrade__old_and_new_replica_together__nothing_is_lost(releases, world):
    older, newer = releases
    live_with(older, newer, world)


def test_rollback__after_a_ca_rotation__the_older_release_goes_on(releases, world):
    older, newer = releases
    newer.apply(world.kube)
    newer.certgen(world.cluster)
    for _ in range(3):
        newer.certgen(world.cluster, "--rotate-ca", "--ca-overlap", "0s")
    live_with(newer, older, world)
