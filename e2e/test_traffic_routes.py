# SPDX-License-Identifier: Apache-2.0
"""Which upstream a request reaches, and as what: prefixes, weights, rewrites, delegation, Ingress."""

import collections
import contextlib

import pytest

from harness.client import Connection, assert_shares
from harness.traffic import route


@pytest.fixture
def web(edge, team):
    """web(name): a Service of that name with one upstream of that name behind it."""
    def make(name, **options):
        upstream = edge.upstreams.http(name)
        (options.pop("team", None) or team).service(name, upstream, **options)
        return upstream
    return make


def who(edge, host, path, **request):
    answer = edge.ask(host, path, **request)
    return answer.who if answer.status == 200 else answer.status


# ---- prefixes ----

def test_prefix__boundaries__longest_first(edge, team, web):
    for name in ("root", "foo", "bar", "slash"):
        web(name)
    # The order in the object is not the order of matching.
    host = team.site("site", route("/", "root"), route("/foo", "foo"), route("/foo/bar", "bar"), route("/slash/", "slash"))
    edge.until_answer(host, "/foo/bar", who="bar")
    assert {path: who(edge, host, path) for path in (
        "/", "/x", "/foo", "/foo/", "/foo?q=1", "/foo/x", "/foobar", "/foo/bar", "/foo/bar/x", "/foo/barx", "/slash",
        "/slash/x", "/slashx")} == {
        "/": "root", "/x": "root", "/foo": "foo", "/foo/": "foo", "/foo?q=1": "foo", "/foo/x": "foo", "/foobar": "root",
        "/foo/bar": "bar", "/foo/bar/x": "bar", "/foo/barx": "foo", "/slash": "slash", "/slash/x": "slash",
        "/slashx": "root"}


def test_prefix__nothing_matches__404(edge, team, web):
    web("web")
    host = team.site("site", route("/only", "web"))
    edge.until_answer(host, "/only", who="web")
    assert who(edge, host, "/") == 404
    assert who(edge, "nobody." + host, "/only") == 404


def test_host__port_case_and_trailing_dot__are_no_part_of_it(edge, team, web):
    web("web")
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    assert [who(edge, name, "/") for name in (f"{host}:80", f"{host}:8080", host.upper(), f"{host}.")] == ["web"] * 4


def test_path__encoded_tricks__reach_no_other_route(edge, team, web):
    """What a rule of one prefix guards cannot be reached under another's name: the path is normalized before it is matched."""
    web("open")
    web("closed")
    host = team.site("site", route("/open", "open"), route("/closed", "closed"))
    edge.until_answer(host, "/closed", who="closed")
    asked = {path: who(edge, host, path) for path in (
        "/open/../closed", "//closed", "/open/..//closed", "/open/%2e%2e/closed", "/./closed")}
    assert asked == dict.fromkeys(asked, "closed")
    assert edge.ask(host, "/open/..%2fclosed").status in (301, 302, 307, 308), "an escaped slash is told to be unescaped"


# ---- weights ----

def shares(edge, host, count=1000):
    """{upstream or status: answers} of so many requests."""
    with contextlib.closing(Connection(edge.ports.http)) as connection:
        answers = [connection.ask(host) for _ in range(count)]
    return collections.Counter(a.who if a.status == 200 else a.status for a in answers)


@pytest.mark.parametrize("weights, expected", [
    ((None, None), {"a": 0.5, "b": 0.5}), ((90, 10), {"a": 0.9, "b": 0.1}), ((5, None), {"a": 1}),
    ((0, 0), {"a": 0.5, "b": 0.5})], ids=["unset", "90-10", "one-unset", "all-zero"])
def test_weights__share_requests(edge, team, web, weights, expected):
    services = []
    for name, weight in zip("ab", weights):
        web(name)
        services.append({"name": name, **({} if weight is None else {"weight": weight})})
    host = team.site("site", route("/", *services))
    edge.until_answer(host)
    assert_shares(shares(edge, host), expected)


def test_weights__a_service_is_missing__its_share_answers_503(edge, team, web):
    web("a")
    host = team.site("site", route("/", {"name": "a", "weight": 3}, {"name": "missing", "weight": 1}))
    edge.until_answer(host, who="a")
    assert_shares(shares(edge, host), {"a": 0.75, 503: 0.25})


# ---- rewrites ----

@pytest.mark.parametrize("match, rewrite, paths", [
    ("/root", "/", {"/root": "/", "/root/": "/", "/root/x": "/x", "/root/x?q=%20": "/x?q=%20"}),
    ("/old", "/new/one", {"/old": "/new/one", "/old/x": "/new/one/x"}),
    ("/", "/below", {"/": "/below/", "/x": "/below/x"})], ids=["to-root", "longer", "from-root"])
def test_rewrite__replaces_the_prefix(edge, team, web, match, rewrite, paths):
    web("web")
    host = team.site("site", route(match, "web", prefixRewrite=rewrite))
    edge.until_answer(host, match)
    assert {path: edge.ask(host, path).told["path"] for path in paths} == paths


def test_request__has_its_start_time_and_the_clients_address(edge, team, web):
    web("web")
    host = team.site("site", route("/", "web"))
    headers = edge.until_answer(host).told["headers"]
    assert headers["x-request-start"].startswith("t=")
    assert headers["x-forwarded-for"]
    forged = edge.ask(host, headers={"x-forwarded-for": "1.2.3.4", "x-envoy-original-path": "/"}).told["headers"]
    assert forged["x-forwarded-for"] == "1.2.3.4," + headers["x-forwarded-for"]


# ---- what is cut off ----

def test_service__missing__503_then_served_when_it_appears(edge, team, web):
    web("web")
    host = team.site("site", route("/", "web"), route("/later", "later"))
    edge.until_answer(host, who="web")
    edge.until_answer(host, "/later", 503)
    web("later")
    edge.until_answer(host, "/later", who="later")


def test_service__without_endpoints__503_then_served_when_one_is_ready(edge, team):
    team.service("web")
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, status=503)
    team.endpoints("web", edge.upstreams.http("first"))
    edge.until_answer(host, who="first")


def test_delegation__over_three_namespaces__the_last_one_serves(edge, web):
    top, middle, bottom = (edge.team(f"delegation-{name}") for name in ("top", "middle", "bottom"))
    for team in (top, middle, bottom):
        web(team.namespace, team=team)
    bottom.apply(bottom.route("child", routes=[route("/a/b", bottom.namespace)]))
    middle.apply(middle.route("child", routes=[
        route("/a", middle.namespace), route("/a/b", delegate={"name": "child", "namespace": bottom.namespace})]))
    host = top.site("site", route("/", top.namespace),
                    route("/a", delegate={"name": "child", "namespace": middle.namespace}))
    edge.until_answer(host, "/a/b", who=bottom.namespace)
    assert who(edge, host, "/a/x") == middle.namespace
    assert who(edge, host, "/ab") == top.namespace


def test_delegation__cut_off__503_and_the_rest_serves_then_all_when_it_is_mended(edge, team, web):
    web("web")
    web("child")
    host = team.site("site", route("/", "web"), route("/cut", delegate={"name": "child"}))
    edge.until_answer(host, who="web")
    assert who(edge, host, "/cut/off") == 503, "what is cut off is nobody else's"
    assert who(edge, host, "/cutter") == "web"
    team.apply(team.route("child", routes=[route("/cut/off", "child")]))
    edge.until_answer(host, "/cut/off", who="child")
    assert who(edge, host, "/cut/on") == "web", "what the child does not serve is its parent's"
    team.delete("IngressRoute", "child")
    edge.until_answer(host, "/cut/off", 503)


# ---- Ingress ----

def test_ingress__exact_before_prefix(edge, team, web):
    for name in ("root", "exact", "prefix"):
        web(name)
    host = team.host("ingress")
    team.apply(team.ingress("site", host, ("/", "Prefix", "root"), ("/foo", "Prefix", "prefix"), ("/foo", "Exact", "exact")))
    edge.until_answer(host, "/foo", who="exact")
    assert {path: who(edge, host, path) for path in ("/", "/foo", "/foo?q", "/foo/", "/foo/x", "/foobar")} == {
        "/": "root", "/foo": "exact", "/foo?q": "exact", "/foo/": "prefix", "/foo/x": "prefix", "/foobar": "root"}


def test_ingress_and_root__of_one_namespace__merge_and_the_root_wins_equal_paths(edge, team, web):
    web("ingress")
    web("root")
    host = team.site("site", route("/", "root"), route("/both", "root"))
    team.apply(team.ingress("beside", host, ("/both", "Prefix", "ingress"), ("/own", "Prefix", "ingress")))
    edge.until_answer(host, "/own", who="ingress")
    assert [who(edge, host, path) for path in ("/", "/both")] == ["root", "root"]
    team.delete("IngressRoute", "site")
    edge.until_answer(host, "/both", who="ingress")
    assert who(edge, host, "/") == 404


def test_ingress_and_root__of_two_namespaces__the_newcomer_serves_nothing(edge, team, web):
    other = edge.team("newcomer")
    web("owner")
    web("thief", team=other)
    host = team.site("site", route("/", "owner"))
    edge.until_answer(host, who="owner")
    other.apply(other.ingress("thief", host, ("/stolen", "Prefix", "thief")),
                other.ingress("own", other.host("own"), ("/", "Prefix", "thief")))
    edge.until_answer(other.host("own"), who="thief")  # so the other one has been read, too
    assert who(edge, host, "/stolen") == "owner"
