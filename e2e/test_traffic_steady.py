# SPDX-License-Identifier: Apache-2.0
"""No failed request: a constant load goes on while the cluster, the configuration and gatehouse itself change."""

import contextlib
import signal

import pytest

from harness import traffic
from harness.client import Connection, trusting
from harness.traffic import route


@pytest.fixture
def web(edge, team):
    upstream = edge.upstreams.http("web")
    team.service("web", upstream)
    return upstream


def served_by(*names):
    return lambda response: response.status == 200 and response.who in names


# ---- changes of the cluster ----

def test_endpoints__churn__no_request_fails(edge, team):
    upstreams = [edge.upstreams.http(name) for name in "abc"]
    team.service("web", *upstreams)
    host = team.site("site", route("/", "web"))
    edge.until(lambda: {edge.ask(host).who for _ in range(9)} == set("abc"), "all three to be asked")
    with edge.load(host, good=served_by(*"abc")) as load:
        for turn in range(6):
            leaves = upstreams[turn % 3]
            team.endpoints("web", *(u for u in upstreams if u is not leaves))

            def left():
                before = len(leaves.seen)
                load.more(12)
                return len(leaves.seen) == before
            edge.until(left, f"{leaves.name} not to be asked any more")
            leaves.stop()  # as a pod that ends after it was taken out
            load.more()
            leaves.start()
            team.endpoints("web", *upstreams)

            def back():
                before = len(leaves.seen)
                load.more(12)
                return len(leaves.seen) > before
            edge.until(back, f"{leaves.name} to be asked again")


def test_routes__edited__no_request_fails(edge, team, web):
    other = edge.upstreams.http("other")
    team.service("other", other)
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    with edge.load(host, "/steady", good=served_by("web", "other")) as load:
        for turn in range(8):
            service = ("other", "web")[turn % 2]
            team.site("site", route("/", service), route(f"/turn-{turn}", service, prefixRewrite="/"))
            edge.until_answer(host, f"/turn-{turn}", who=service)
            team.site(f"neighbour-{turn}", route("/", "other"))
            load.more()
        edge.until_answer(team.host("neighbour-7"), who="other")
        for turn in range(8):
            team.delete("IngressRoute", f"neighbour-{turn}")
        edge.until_answer(team.host("neighbour-7"), status=404)


def test_policies__of_a_service_edited__no_request_fails(edge, team, web):
    """A strategy or a health check is another cluster; a circuit breaker the same one, updated in place."""
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    with edge.load(host, "/steady", good=served_by("web")) as load:
        for strategy in ("Random", "Maglev", "WeightedLeastRequest"):
            team.site("site", route("/", {"name": "web", "strategy": strategy}), route(f"/{strategy}", "web"))
            edge.until_answer(host, f"/{strategy}", who="web")
            load.more()
        team.site("site", route("/", {"name": "web", "healthCheck": {"path": "/healthy", "intervalSeconds": 1}}))
        edge.until(lambda: web.asked("/healthy"), "the health check")
        load.more()
        for limit in ("500", "600"):
            team.service("web", web, annotations={"max-requests": limit})
            load.more(50)


def test_certificate__renewed__no_request_fails(edge, team, web):
    certificates = [team.certificate("site", team.host("site"), serial=n) for n in reversed(range(4))]
    trusted = trusting(*certificates)
    host = team.site("site", route("/", "web"), tls={"secretName": "site"})
    edge.until_tls_answer(host, tls=trusted)

    def served():
        with contextlib.closing(Connection(edge.ports.https, trusted, host)) as connection:
            connection.connect()
            return connection.certificate()
    with edge.load(host, tls=trusted) as load:
        for n in range(4):
            certificate = team.certificate("site", host, serial=n)
            edge.until(lambda c=certificate: served() == c, f"certificate {n}")
            load.more()


def test_tls_hosts__come_and_go__no_request_of_another_fails(edge, team, web):
    certificate = team.certificate("site", team.host("site"))
    tls = trusting(certificate)
    host = team.site("site", route("/", "web"), tls={"secretName": "site"})
    edge.until_tls_answer(host, tls=tls)
    with edge.load(host, tls=tls) as load, contextlib.closing(Connection(edge.ports.https, tls, host)) as live:
        live.ask(host)
        socket = live.sock
        for turn in range(4):
            other = team.certificate(f"other-{turn}", team.host(f"other-{turn}"))
            team.site(f"other-{turn}", route("/", "web"), tls={"secretName": f"other-{turn}"})
            edge.until_tls_answer(team.host(f"other-{turn}"), who="web", tls=trusting(other))
            load.more()
        for turn in range(4):
            team.delete("IngressRoute", f"other-{turn}")
        edge.until_answer(team.host("other-3"), status=404)
        load.more()
        assert live.ask(host).status == 200 and live.sock is socket, "a live connection is not closed for others' sake"


def test_conflicting_fqdn__the_owner_keeps_serving(edge, team, web):
    rival = edge.team("rival")
    rival.service("rival", edge.upstreams.http("rival"))
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")

    def copy(name, *routes):
        rival.apply(rival.route(name, host, routes), rival.route("own", rival.host(name), [route("/", "rival")]))
        edge.until_answer(rival.host(name), who="rival")  # so the copy has been read, too
    with edge.load(host, "/steady", good=served_by("web")) as load:
        copy("a-copy", route("/", "rival"))
        load.more()
        copy("a-copy", route("/", "rival"), route("/steady", "rival", prefixRewrite="/"))
        copy("b-copy", route("/steady", "rival"))
        load.more()
        for name in ("a-copy", "b-copy"):
            rival.delete("IngressRoute", name)
        rival.delete("IngressRoute", "own")
        edge.until_answer(rival.host("b-copy"), status=404)
        load.more()


# ---- gatehouse itself ----

def test_gatehouse__killed_and_started_again__no_request_fails(edge, team, web):
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    server = edge.servers[0]
    with edge.load(host, "/steady", good=served_by("web")) as load:
        for turn in range(2):
            server.kill()
            load.more()
            team.site("site", route("/", "web"), route(f"/turn-{turn}", "web"))  # while nobody looks
            server.start()
            edge.until_answer(host, f"/turn-{turn}", who="web", timeout=40)
            load.more()


def test_gatehouse__restarted_without_a_change__envoy_is_sent_nothing_anew(edge, team, web):
    """Versions are hashes of content: Envoy tells what it has, and has it all."""
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    envoy, server = edge.envoys[0], edge.servers[0]

    def updates():
        return {name: value for name, value in envoy.stats(
            r"^(listener_manager[.]lds|cluster_manager[.]cds|http[.].*[.]rds[.].*)[.](update_success|config_reload)$").items()}
    before = updates()
    assert before
    server.stop()
    server.start()
    edge.until(lambda: envoy.stat("control_plane.connected_state") == 1, "Envoy to be connected again", 40)
    team.site("later", route("/", "web"))
    edge.until_answer(team.host("later"), who="web")
    after = updates()
    reloaded = {name: after[name] - before.get(name, 0) for name in after if name.endswith("config_reload")}
    assert sum(reloaded.values()) == 1, f"one RouteConfiguration has changed, these were loaded: {reloaded}"


def vain_attempts(envoy):
    return sum(envoy.stats(r"^cluster[.].*[.]upstream_cx_connect_fail$").values())


def test_gatehouse__down__no_request_fails_and_it_catches_up(edge, team, web):
    """Envoy has no clock on what it was given; it tries to reconnect, less and less often. Five vain attempts (a few
    seconds) stand for a minute: nothing else happens in it."""
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    server, envoy = edge.servers[0], edge.envoys[0]

    before = vain_attempts(envoy)
    with edge.load(host, "/steady", good=served_by("web")) as load:
        server.kill()
        edge.until(lambda: vain_attempts(envoy) >= before + 5, "Envoy to try in vain five times", 60)
        load.more()
        server.start()
        team.site("site", route("/", "web"), route("/caught-up", "web"))
        edge.until_answer(host, "/caught-up", who="web", timeout=60)
        load.more()


@pytest.fixture
def own_edge(cluster, envoy_binary, tmp_path):
    """An edge of the test's own, nothing started yet."""
    running = traffic.Edge(cluster, tmp_path, envoy_binary)
    yield running
    running.close()


def test_two_replicas__one_dies__the_other_takes_over_and_no_request_fails(own_edge):
    edge = own_edge
    first, second = edge.server("first"), edge.server("second")
    service = edge.upstreams.forwarder(first.xds_port, second.xds_port)  # as the Service in front of both
    edge.envoy(service.port)
    team = edge.team("replicas")
    team.service("web", edge.upstreams.http("web"))
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    with edge.load(host, "/steady", good=served_by("web")) as load:
        for turn, dies in enumerate((first, second)):
            dies.kill()
            team.site("site", route("/", "web"), route(f"/turn-{turn}", "web"))
            edge.until_answer(host, f"/turn-{turn}", who="web", timeout=40)
            dies.start()
            load.more()


def test_envoy__started_before_the_first_build__its_first_answer_is_right(request, own_edge):
    edge = own_edge
    team = edge.team("early")
    team.service("web", edge.upstreams.http("web"))
    host = team.site("site", route("/", "web"))
    server = edge.server(wait=False)
    server.kill()
    envoy = edge.envoy(server.xds_port, wait=False)
    edge.until(lambda: envoy.admin("/stats")[0] and vain_attempts(envoy), "Envoy to look for gatehouse")
    if edge.cluster.name == "devkube":
        edge.cluster.faults({"fault": "slow", "verbs": ["list"], "resource": "endpointslices", "milliseconds": 1500})
    server.start(wait=False)
    statuses = []

    def answered():
        statuses.append(edge.ask(host).status)
        return True
    edge.until(answered, "an answer", 40)
    assert edge.ask(host).who == "web"
    assert statuses == [200]


def test_gatehouse__ends_gracefully__no_request_fails(edge, team, web):
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    server = edge.servers[0]
    with edge.load(host, good=served_by("web")) as load:
        server.process.send(signal.SIGTERM)
        assert server.process.child.wait(20) == 0
        load.more()
        server.start()
        load.more()
