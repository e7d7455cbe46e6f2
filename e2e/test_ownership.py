# SPDX-License-Identifier: Apache-2.0
"""Who owns a host, over time: restarts, replicas, forged claims, deletions that take a while."""

import base64
import itertools
import threading

import pytest

from harness import server as servers
from harness.basics import until
from harness.cluster import NAMESPACE

_numbers = itertools.count(1)


@pytest.fixture
def names(kube):
    """Two namespaces of the test's own, each with a Service, and a host name; what was made in them goes at the end."""
    n = next(_numbers)
    teams = (f"own-a{n}", f"own-b{n}")
    for team in teams:
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}})
        kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": team},
                    "spec": {"ports": [{"port": 80}]}})
    yield (*teams, f"own{n}.test")
    for team in teams:
        for kind in ("IngressRoute", "Service"):
            for obj in kube.list(kind, team):
                kube.merge_patch(kind, team, obj["metadata"]["name"], {"metadata": {"finalizers": None}})
                kube.delete(kind, team, obj["metadata"]["name"])


def root(team, name, fqdn, unguarded=False):
    meta = {"name": name, "namespace": team}
    if unguarded:
        meta["labels"] = {"gatehouse-e2e": "unguarded"}
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute", "metadata": meta,
            "spec": {"virtualhost": {"fqdn": fqdn},
                     "routes": [{"match": "/", "services": [{"name": "web", "port": 80}]}]}}


def status(kube, team, name):
    return (kube.get("IngressRoute", team, name) or {}).get("status") or {}


def await_status(kube, team, name, wanted, timeout=20):
    def current():
        obj = kube.get("IngressRoute", team, name) or {}
        s = obj.get("status") or {}
        return s.get("currentStatus") == wanted and s.get("observedGeneration") == obj["metadata"]["generation"]
    until(current, f"{team}/{name} to be {wanted}", timeout)


def reason(kube, team, name):
    return next((c["reason"] for c in status(kube, team, name).get("conditions", [])), None)


def restart(server):
    server.stop()
    server.start()


def test_claim__older_object_moves_to_the_name__owner_keeps_it_over_a_restart(server, kube, names):
    a, b, fqdn = names
    kube.apply(root(a, "older", f"old.{fqdn}", unguarded=True))
    await_status(kube, a, "older", "valid")
    kube.apply(root(b, "owner", fqdn))
    await_status(kube, b, "owner", "valid")
    kube.apply(root(a, "older", fqdn, unguarded=True))
    await_status(kube, a, "older", "invalid")
    claim = status(kube, b, "owner")["claim"]
    restart(server)
    # Something new is judged after the restart, and the old is as it was.
    kube.apply(root(b, "new", f"new.{fqdn}"))
    await_status(kube, b, "new", "valid", 30)
    assert reason(kube, a, "older") == "FQDNConflict" and reason(kube, b, "owner") == "Valid"
    assert status(kube, b, "owner")["claim"] == claim


def test_claim__object_changes__since_never_moves(server, kube, names):
    a, _, fqdn = names
    kube.apply(root(a, "site", fqdn))
    await_status(kube, a, "site", "valid")
    claim = status(kube, a, "site")["claim"]
    changed = root(a, "site", fqdn)
    changed["spec"]["routes"].append({"match": "/more", "services": [{"name": "web", "port": 80}]})
    kube.apply(changed)
    await_status(kube, a, "site", "valid")
    assert status(kube, a, "site")["claim"] == claim


def test_claim__forged_with_another_id__does_not_exist(server, kube, names):
    a, b, fqdn = names
    kube.apply(root(b, "owner", fqdn))
    await_status(kube, b, "owner", "valid")
    kube.apply(root(a, "thief", fqdn, unguarded=True))
    await_status(kube, a, "thief", "invalid")
    forged = {"status": {"claim": {"fqdn": fqdn, "since": "2000-01-01T00:00:00.000000Z", "by": "somebody-else"}}}
    assert kube.merge_patch("IngressRoute", a, "thief", forged, subresource="status").ok
    until(lambda: "claim" not in status(kube, a, "thief")
          or status(kube, a, "thief")["claim"].get("by") != "somebody-else", "the forged claim to be dropped")
    assert reason(kube, b, "owner") == "Valid" and reason(kube, a, "thief") == "FQDNConflict"
    # Nor at admission, where the reviewed object carries what it likes.
    copy = root(a, "copy", fqdn)
    copy["status"] = {"claim": {"fqdn": fqdn, "since": "2000-01-01T00:00:00Z",
                                "by": status(kube, b, "owner")["claim"]["by"]}}
    answer = kube.create(copy, dryRun="All")
    assert not answer.ok and "[FQDNConflict]" in answer.message


def test_claims_id__kept_in_its_secret__and_not_in_the_log(server, kube, names):
    a, _, fqdn = names
    kube.apply(root(a, "site", fqdn))
    await_status(kube, a, "site", "valid")
    secret = kube.get("Secret", NAMESPACE, "gatehouse-claims")
    values = {base64.b64decode(v).decode() for v in secret["data"].values()}
    by = status(kube, a, "site")["claim"]["by"]
    assert by in values and len(by) >= 16


def test_owner__deleted_and_made_again__is_a_new_claimant(server, kube, names):
    a, b, fqdn = names
    kube.apply(root(a, "site", fqdn))
    await_status(kube, a, "site", "valid")
    kube.apply(root(b, "waiting", fqdn, unguarded=True))
    await_status(kube, b, "waiting", "invalid")
    kube.delete("IngressRoute", a, "site")
    await_status(kube, b, "waiting", "valid")
    answer = kube.create(root(a, "site", fqdn))
    assert not answer.ok and "[FQDNConflict]" in answer.message and f"{b}/waiting" in answer.message


def test_owner__with_a_finalizer__counts_until_it_is_gone(server, kube, cluster, names):
    if cluster.name == "devkube":
        pytest.skip("devkube has no finalizers; make e2e runs this")
    a, b, fqdn = names
    leaving = root(a, "leaving", fqdn)
    leaving["metadata"]["finalizers"] = ["e2e.test/hold"]
    kube.apply(leaving)
    await_status(kube, a, "leaving", "valid")
    assert kube.delete("IngressRoute", a, "leaving").ok
    assert kube.get("IngressRoute", a, "leaving")["metadata"]["deletionTimestamp"]
    answer = kube.create(root(b, "next", fqdn), dryRun="All")
    assert not answer.ok and "[FQDNConflict]" in answer.message
    assert kube.merge_patch("IngressRoute", a, "leaving", {"metadata": {"finalizers": None}}).ok
    until(lambda: kube.get("IngressRoute", a, "leaving") is None, "the object to be gone")
    # The name is free at once: the webhook waits for the deletion that it may not have seen.
    answer = kube.create(root(b, "next", fqdn))
    assert answer.ok, answer
    await_status(kube, b, "next", "valid")


def test_heir__not_named_any_more__waits_like_everybody_else(server, kube, names):
    a, b, fqdn = names
    heir = f"{b}/heir"
    owner = root(a, "owner", fqdn)
    kube.apply(owner)
    await_status(kube, a, "owner", "valid")
    kube.apply(root(b, "waiting", fqdn, unguarded=True))
    await_status(kube, b, "waiting", "invalid")
    named = {**owner, "metadata": {**owner["metadata"], "annotations": {"contour.heptio.com/fqdn-handover": heir}}}
    kube.apply(named)
    kube.apply(root(b, "heir", fqdn))
    await_status(kube, b, "heir", "invalid")

    def since(name):
        return status(kube, b, name)["claim"]["since"]
    assert since("heir") < since("waiting")
    kube.apply(owner)
    until(lambda: since("heir") > since("waiting"), "the heir to lose its place")
    kube.delete("IngressRoute", a, "owner")
    await_status(kube, b, "waiting", "valid")
    assert reason(kube, b, "heir") == "FQDNConflict"


def test_delete_and_create__in_a_row__goes_through(server, kube, names):
    a, b, fqdn = names
    for n in range(5):
        team = (a, b)[n % 2]
        answer = kube.create(root(team, f"site{n}", fqdn))
        assert answer.ok, answer
        await_status(kube, team, f"site{n}", "valid")
        assert kube.delete("IngressRoute", team, f"site{n}").ok


def test_collision__at_the_same_moment_past_two_webhooks__one_owner_and_it_stays(server, kube, cluster, names):
    a, b, fqdn = names
    clients = [cluster.kube(), cluster.kube()]
    objects = [root(a, "one", fqdn, unguarded=True), root(b, "two", fqdn, unguarded=True)]
    threads = [threading.Thread(target=c.create, args=(o,)) for c, o in zip(clients, objects)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()

    def decided():
        reasons = (reason(kube, a, "one"), reason(kube, b, "two"))
        return reasons if sorted(map(str, reasons)) == ["FQDNConflict", "Valid"] else None
    first = until(decided, "one owner and one loser")
    restart(server)
    kube.apply(root(a, "after", f"after.{fqdn}"))
    await_status(kube, a, "after", "valid", 30)
    assert (reason(kube, a, "one"), reason(kube, b, "two")) == first


def test_two_replicas__asked_alike__answer_alike(server, kube, cluster, names, tmp_path):
    a, b, fqdn = names
    other = servers.Server(cluster, tmp_path, [], server.certificates, "other")
    other.start()
    try:
        kube.apply(root(a, "owner", fqdn))
        await_status(kube, a, "owner", "valid")
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "namespace": b, "name": "copy",
            "kind": {"group": "contour.heptio.com", "version": "v1beta1", "kind": "IngressRoute"},
            "resource": {"group": "contour.heptio.com", "version": "v1beta1", "resource": "ingressroutes"},
            "object": root(b, "copy", fqdn)}}
        until(lambda: not other.post(review)[1]["response"]["allowed"], "the other replica to know the owner")
        assert server.post(review) == other.post(review)
    finally:
        other.stop()
