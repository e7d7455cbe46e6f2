# SPDX-License-Identifier: Apache-2.0
"""What the platform team's options do to traffic."""

import contextlib
import json
import ssl

import pytest

from harness import traffic
from harness.client import Connection, trusting
from harness.traffic import route

FLAGS = ["--allow-wildcard-hosts", "--use-proxy-protocol", "--disable-permit-insecure",
         "--tls-minimum-protocol-version", "1.3", "--accesslog-format", "json"]
FROM = b"PROXY TCP4 198.51.100.7 198.51.100.1 40000 80\r\n"  # PROXY protocol, version 1, section 2.1


class ProxiedConnection(Connection):
    """As a load balancer opens it that says for whom."""

    def connect(self):
        tls, self.tls = self.tls, None
        super().connect()
        self.sock.sendall(FROM)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=self.sni)


class ProxiedEdge(traffic.Edge):
    def ask(self, host, path="/", **request):
        with contextlib.closing(ProxiedConnection(self.ports.http)) as connection:
            return connection.ask(host, path, **request)

    def ask_tls(self, host, path="/", tls=None, **request):
        with contextlib.closing(ProxiedConnection(self.ports.https, tls, host)) as connection:
            return connection.ask(host, path, **request)


@pytest.fixture(scope="module")
def edge(cluster, envoy_binary, tmp_path_factory):
    running = ProxiedEdge(cluster, tmp_path_factory.mktemp("edge"), envoy_binary, FLAGS)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture
def web(edge, team):
    upstream = edge.upstreams.http("web")
    team.service("web", upstream)
    return upstream


def test_proxy_protocol__the_upstream_is_told_who_asks(edge, team, web):
    host = team.site("site", route("/", "web"))
    assert edge.until_answer(host).told["headers"]["x-forwarded-for"] == "198.51.100.7"


def test_proxy_protocol__a_connection_without_it__is_closed(edge, team, web):
    host = team.site("site", route("/", "web"))
    edge.until_answer(host)
    with contextlib.closing(Connection(edge.ports.http)) as connection, pytest.raises(ConnectionError):
        connection.ask(host)


def test_access_log__json__has_a_line_for_each_request(edge, team, web):
    host = team.site("site", route("/", "web"))
    edge.until_answer(host)
    edge.ask(host, "/logged")

    def logged():
        lines = [line for line in edge.envoys[0].process.output().splitlines() if "/logged" in line]
        return json.loads(lines[0]) if lines else None
    line = edge.until(logged, "the line in Envoy's output", timeout=30)  # Envoy flushes it every ten seconds
    assert host in line.values() and "/logged" in line.values()


def test_permit_insecure__disabled__301_everywhere(edge, team, web):
    certificate = team.certificate("cert", team.host("site"))
    host = team.site("site", route("/", "web", permitInsecure=True), tls={"secretName": "cert"})
    edge.until_tls_answer(host, who="web", tls=trusting(certificate))
    assert edge.ask(host).status == 301


def test_tls_floor__raised__older_versions_are_refused(edge, team, web):
    certificate = team.certificate("cert", team.host("site"))
    host = team.site("site", route("/", "web"), tls={"secretName": "cert", "minimumProtocolVersion": "1.2"})
    edge.until_tls_answer(host, who="web", tls=trusting(certificate, version=ssl.TLSVersion.TLSv1_3))
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION|protocol version"):
        edge.ask_tls(host, tls=trusting(certificate, version=ssl.TLSVersion.TLSv1_2))


# ---- hosts that are wildcards ----

@pytest.fixture
def catch_all(edge):
    """Another team's Ingress that takes every host below .test, and every host."""
    other = edge.team("catch-all")
    other.service("greedy", edge.upstreams.http("greedy"))
    other.apply(other.ingress("below", "*.test", ("/", "Prefix", "greedy")),
                other.ingress("all", None, ("/", "Prefix", "greedy")))
    edge.until_answer("any.test", who="greedy")
    edge.until_answer("any.other", who="greedy")
    yield other
    other.close()


def test_wildcard__an_owned_host__is_its_owners_alone(edge, team, web, catch_all):
    host = team.site("site", route("/only", "web"))
    edge.until_answer(host, "/only", who="web")
    assert edge.ask(host, "/else").status == 404
    assert edge.ask(f"deeper.{host}").who == "greedy"


@pytest.mark.parametrize("broken", ["service", "empty", "cut-off"])
def test_wildcard__an_owned_host_is_broken__503_and_nobody_elses(edge, team, web, catch_all, broken):
    routes = {"service": [route("/", "missing")], "empty": [],
              "cut-off": [route("/", delegate={"name": "missing"})]}[broken]
    host = team.site("site", *routes)
    edge.until_answer(host, status=503)
    assert edge.ask(host, "/x").status == 503


def test_wildcard__an_owned_host_has_no_certificate__closed_and_nobody_elses(edge, team, web, catch_all):
    wildcard = f"*.{team.namespace}.test"
    certificate = catch_all.certificate("wild", wildcard)
    catch_all.apply(catch_all.ingress("wild", wildcard, ("/", "Prefix", "greedy"),
                                      tls=[{"hosts": [wildcard], "secretName": "wild"}]))
    edge.until_tls_answer(team.host("any"), who="greedy", tls=trusting(certificate))
    host = team.site("site", route("/", "web"), tls={"secretName": "missing"})
    edge.until_answer(host, status=503)
    edge.until(lambda: closed(edge, host, trusting(certificate)), "the connection to be closed")
    assert edge.ask_tls(team.host("any"), tls=trusting(certificate)).who == "greedy"


def closed(edge, host, tls):
    try:
        edge.ask_tls(host, tls=tls)
        return False
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError):
        return True
