# SPDX-License-Identifier: Apache-2.0
"""Events: what turns invalid or valid again is said on the object, where `kubectl describe` shows it."""

import pytest

from harness.basics import until
from test_status import await_state, root, service


@pytest.fixture
def team(kube):
    name = "events"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for kind in ("IngressRoute", "Service", "Event"):
        for obj in kube.list(kind, name):
            kube.delete(kind, name, obj["metadata"]["name"])


def events(kube, team, name):
    found = [e for e in kube.list("Event", team) if e["involvedObject"]["name"] == name]
    return sorted(found, key=lambda e: int(e["metadata"]["resourceVersion"]))


def test_route__invalid_then_valid__one_event_each(server, kube, team, kubectl):
    kube.apply(root(team, "shop"))
    await_state(kube, team, "shop", "invalid")
    warning = until(lambda: events(kube, team, "shop"), "the event")[0]
    assert (warning["type"], warning["reason"]) == ("Warning", "ServiceNotFound")
    assert "spec.routes[0].services[0].name" in warning["message"]
    assert warning["involvedObject"]["kind"] == "IngressRoute"
    assert warning["involvedObject"]["uid"] == kube.get("IngressRoute", team, "shop")["metadata"]["uid"]
    kube.apply(service(team))
    await_state(kube, team, "shop", "valid")
    normal = until(lambda: len(events(kube, team, "shop")) == 2 and events(kube, team, "shop")[1], "the second event")
    assert (normal["type"], normal["reason"]) == ("Normal", "Valid")
    _, shown, _ = kubectl("get", "events", "-n", team)
    assert "ServiceNotFound" in shown and "ingressroute/shop" in shown


def test_route__valid_from_the_start__no_event(server, kube, team):
    kube.apply(service(team))
    kube.apply(root(team, "fine"))
    await_state(kube, team, "fine", "valid")
    kube.apply(root(team, "later", [{"match": "/", "services": [{"name": "none", "port": 80}]}]))
    await_state(kube, team, "later", "invalid")
    until(lambda: events(kube, team, "later"), "the event of what was written afterwards")
    assert events(kube, team, "fine") == []
