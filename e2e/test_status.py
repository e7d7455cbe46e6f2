# SPDX-License-Identifier: Apache-2.0
"""Status as it is written: whole, bounded, in time, and for the right object."""

import itertools
import threading

import pytest

from harness.basics import until

_numbers = itertools.count(1)


@pytest.fixture
def team(kube):
    name = f"status-{next(_numbers)}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for kind in ("IngressRoute", "Service"):
        for obj in kube.list(kind, name):
            kube.delete(kind, name, obj["metadata"]["name"])


def service(team, name="web"):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": team},
            "spec": {"ports": [{"port": 80}]}}


def root(team, name, routes=None, unguarded=False):
    labels = {"gatehouse-e2e": "unguarded"} if unguarded else {}
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": name, "namespace": team, "labels": labels},
            "spec": {"virtualhost": {"fqdn": f"{name}.{team}.test"},
                     "routes": routes or [{"match": "/", "services": [{"name": "web", "port": 80}]}]}}


def status(kube, team, name):
    """The status of the current generation, or None."""
    obj = kube.get("IngressRoute", team, name) or {}
    current = obj.get("status") or {}
    return current if current.get("observedGeneration") == obj.get("metadata", {}).get("generation") else None


def await_state(kube, team, name, state):
    return until(lambda: (s := status(kube, team, name)) and s.get("currentStatus") == state and s, f"{name} {state}", 20)


def condition(s):
    return next(c for c in s["conditions"] if c["type"] == "Valid")


def test_status__hundreds_of_findings__bounded_and_counted(server, kube, team):
    kube.apply(service(team))
    bad = [{"match": f"/{'x' * 300}{n}", "services": [{"name": "web", "port": 0}]} for n in range(300)]
    kube.apply(root(team, "many", bad, unguarded=True))
    s = await_state(kube, team, "many", "invalid")
    message = condition(s)["message"]
    assert len(message.encode()) <= 32 * 1024
    assert 50 <= message.count("[ServicePortInvalid]") <= 100
    assert "\n" not in s["description"] and "299 more" in s["description"]


def test_status__valid_turns_invalid_and_back__transition_time_and_reason(server, kube, team):
    kube.apply(service(team))
    kube.apply(root(team, "site"))
    first = condition(await_state(kube, team, "site", "valid"))
    assert (first["status"], first["reason"]) == ("True", "Valid")
    # Still valid with another generation: nothing has passed over.
    changed = root(team, "site")
    changed["spec"]["routes"][0]["enableWebsockets"] = True
    kube.apply(changed)
    second = condition(await_state(kube, team, "site", "valid"))
    assert second["lastTransitionTime"] == first["lastTransitionTime"]
    assert second["observedGeneration"] > first["observedGeneration"]
    kube.delete("Service", team, "web")
    third = condition(await_state(kube, team, "site", "invalid"))
    assert (third["status"], third["reason"]) == ("False", "ServiceNotFound")


def test_status__service_arrives__hundreds_flip_soon(server, kube, team):
    names = [f"site{n}" for n in range(200)]
    for name in names:
        kube.apply(root(team, name))
    for name in names:
        await_state(kube, team, name, "invalid")
    kube.apply(service(team))
    until(lambda: all(o.get("status", {}).get("currentStatus") == "valid" for o in kube.list("IngressRoute", team)),
          "all to be valid", 15, 0.1)


def test_status__spec_edited_all_the_time__ends_right(server, kube, cluster, team):
    """Our writes meet the editor's: 409 is read again and decided again."""
    kube.apply(service(team))
    kube.apply(root(team, "busy"))

    def edit():
        client = cluster.kube()
        for n in range(60):
            name = ("web", "missing")[n % 2]
            routes = [{"match": "/", "services": [{"name": name, "port": 80}]}]
            assert client.merge_patch("IngressRoute", team, "busy", {"spec": {"routes": routes}}).ok
        client.close()
    threads = [threading.Thread(target=edit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kube.apply(root(team, "busy"))
    await_state(kube, team, "busy", "valid")


def test_status__deleted_and_made_again__is_of_the_new_object(server, kube, team):
    kube.apply(service(team))
    for n in range(10):
        kube.apply(root(team, "again", [{"match": "/", "services": [{"name": ("web", "missing")[n % 2], "port": 80}]}]))
        if n % 3 == 0:
            until(lambda: status(kube, team, "again"), "a status")
        kube.delete("IngressRoute", team, "again")
    kube.apply(root(team, "again"))
    s = await_state(kube, team, "again", "valid")
    assert s["claim"]["fqdn"] == f"again.{team}.test"


def test_status__written_by_somebody_else__put_right(server, kube, team):
    kube.apply(service(team))
    kube.apply(root(team, "site"))
    await_state(kube, team, "site", "valid")
    lie = {"status": {"currentStatus": "invalid", "description": "no"}}
    assert kube.merge_patch("IngressRoute", team, "site", lie, subresource="status").ok
    s = await_state(kube, team, "site", "valid")
    assert s["description"] == "valid IngressRoute"


def test_status__nothing_changes__resource_version_stands(server, kube, team):
    kube.apply(service(team))
    kube.apply(root(team, "still"))
    await_state(kube, team, "still", "valid")
    before = kube.get("IngressRoute", team, "still")["metadata"]["resourceVersion"]
    # Others come and go meanwhile, which is all that the status could have been written again for.
    for n in range(5):
        kube.apply(root(team, f"other{n}"))
        await_state(kube, team, f"other{n}", "valid")
        kube.delete("IngressRoute", team, f"other{n}")
    assert kube.get("IngressRoute", team, "still")["metadata"]["resourceVersion"] == before
