# SPDX-License-Identifier: Apache-2.0
"""A real Envoy refuses what it was sent: one bad host is held out, and holds back no other.

The sanitized build, and no other, makes bytes that Envoy refuses of a route for /refused-by-envoy.
"""

import pytest

from harness import basics
from harness.client import trusting
from harness.traffic import route


@pytest.fixture(autouse=True)
def test_build():
    if not basics.sanitized:
        pytest.skip("bytes that Envoy refuses are made by the test build only: --sanitized, as in make test")


@pytest.fixture
def web(edge, team):
    upstream = edge.upstreams.http("web")
    team.service("web", upstream)
    return upstream


def refused():
    return route("/refused-by-envoy", "web")


def condition(team, name):
    obj = team.kube.get("IngressRoute", team.namespace, name)
    conditions = obj.get("status", {}).get("conditions") or [{}]
    return obj.get("status", {}).get("currentStatus"), conditions[0].get("message", "")


def await_rejection(edge, team, name):
    edge.until(lambda: "EnvoyRejected" in str(team.kube.get("IngressRoute", team.namespace, name).get("status")),
               f"the status of {name} to say it")
    assert condition(team, name)[0] == "valid"


def test_bad_change__the_host_keeps_what_was_accepted__others_change(edge, team, web):
    good, bad = team.site("good", route("/", "web")), team.site("bad", route("/old", "web"))
    edge.until_answer(good)
    edge.until_answer(bad, "/old")
    with edge.load(bad, "/old") as load:
        team.apply(team.route("bad", bad, [route("/new", "web"), refused()]),
                   team.route("good", good, [route("/", "web"), route("/new", "web", prefixRewrite="/seen")]))
        edge.until(lambda: edge.ask(good, "/new").told.get("path") == "/seen", "the good change to be served")
        await_rejection(edge, team, "bad")
        assert edge.ask(bad, "/new").status == 404
        load.more()
    assert edge.servers[0].metric("gatehouse_xds_nacks_total") > 0
    assert "Proto constraint validation failed" in edge.servers[0].debug("/debug/xds")[1]
    team.site("bad", route("/mended", "web"))
    edge.until_answer(bad, "/mended")
    edge.until(lambda: "EnvoyRejected" not in str(team.kube.get("IngressRoute", team.namespace, "bad").get("status")),
               "the status to be clean again")


def test_bad_newcomer__is_not_served__all_others_are(edge, team, web):
    good = team.site("good", route("/", "web"))
    edge.until_answer(good)
    bad = team.site("bad", route("/", "web"), refused())
    await_rejection(edge, team, "bad")
    assert edge.ask(bad).status == 503, "nobody else gets its requests: not a wildcard's owner either"
    for turn in range(3):
        edge.until_answer(team.site(f"later-{turn}", route("/", "web")))
    assert edge.ask(good).status == 200


def test_two_bad_ones__of_many_changes_at_once__the_good_ones_are_all_served(edge, team, web):
    names = [f"site-{n}" for n in range(12)]
    team.apply(*(team.route(name, team.host(name), [route("/", "web"), *([refused()] if n in (3, 8) else [])])
                 for n, name in enumerate(names)))
    for n, name in enumerate(names):
        if n in (3, 8):
            await_rejection(edge, team, name)
        else:
            edge.until_answer(team.host(name))
    assert [edge.ask(team.host(names[n])).status for n in (3, 8)] == [503, 503]


def test_restart__with_a_bad_host_in_the_cluster__all_others_are_served(edge, team, web):
    good, bad = team.site("good", route("/", "web")), team.site("bad", route("/", "web"), refused())
    edge.until_answer(good)
    await_rejection(edge, team, "bad")
    server = edge.servers[0]
    with edge.load(good) as load:
        server.stop()
        server.start()
        team.site("good", route("/", "web"), route("/after", "web", prefixRewrite="/seen"))
        edge.until(lambda: edge.ask(good, "/after").told.get("path") == "/seen", "a change after the restart", 40)
        load.more()
    await_rejection(edge, team, "bad")
    edge.envoys[0].restart()  # and an Envoy that has accepted nothing yet
    edge.until_answer(good, "/after")
    assert edge.ask(bad).status == 503


def test_bad_tls_hosts__among_others_at_once__the_good_ones_are_served(edge, team, web):
    names = [f"site-{n}" for n in range(8)]
    certificate = team.certificate("cert", *(team.host(name) for name in names))
    tls = {"secretName": "cert"}

    def objects(path):
        return [team.route(name, team.host(name), [route(path, "web"), *([refused()] if n in (2, 5) else [])], tls=tls)
                for n, name in enumerate(names)]
    for path in ("/", "/changed"):
        team.apply(*objects(path))
        for n, name in enumerate(names):
            if n not in (2, 5):
                edge.until_tls_answer(team.host(name), path, tls=trusting(certificate))
        assert [edge.ask(team.host(names[n])).status for n in (2, 5)] == [503, 503]
