# SPDX-License-Identifier: Apache-2.0
"""TLS on both sides of Envoy: termination, versions, renewal, passthrough, TCP, verified upstreams."""

import contextlib
import ssl

import pytest

from harness import pki
from harness.client import Connection, serving, trusting
from harness.traffic import API, route


@pytest.fixture
def web(edge, team):
    upstream = edge.upstreams.http("web")
    team.service("web", upstream)
    return upstream


def secure(team, name, *routes, secret=None, **options):
    """A site with TLS and a certificate of its own: (host, certificate)."""
    certificate = team.certificate(secret or name, team.host(name))
    return team.site(name, *routes, tls={"secretName": secret or name}, **options), certificate


def connect(edge, host, tls):
    """A TLS connection to Envoy that asks for this host's chain."""
    connection = Connection(edge.ports.https, tls, host)
    connection.connect()
    return contextlib.closing(connection)


def closed(edge, host, tls):
    """Whether Envoy ends the connection without a handshake; a handshake that the client does not like is none."""
    try:
        with connect(edge, host, tls):
            return False
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError):
        return True


# ---- port 80 ----

def test_plain_http__host_with_tls__301_unless_permitted(edge, team, web):
    host, certificate = secure(team, "site", route("/", "web"), route("/open", "web", permitInsecure=True))
    edge.until_tls_answer(host, who="web", tls=trusting(certificate))
    answer = edge.until_answer(host, "/closed?q=1", 301)
    assert answer.headers["location"] == f"https://{host}/closed?q=1"
    assert edge.ask(host, "/open").who == "web"
    assert edge.ask(host, "/opened").status == 301
    assert not web.asked("/closed?q=1")


# ---- termination ----

def test_termination__each_name_has_its_certificate__others_are_closed(edge, team, web):
    one, first = secure(team, "one", route("/", "web"))
    two, second = secure(team, "two", route("/", "web"))
    edge.until_tls_answer(one, who="web", tls=trusting(first))
    edge.until_tls_answer(two, who="web", tls=trusting(second))
    for host, certificate in ((one, first), (two, second)):
        with connect(edge, host, trusting(certificate)) as connection:
            assert connection.certificate() == certificate
    assert closed(edge, team.host("nobody"), trusting(first))


def test_termination__a_foreign_host_on_the_connection__421(edge, team, web):
    one, certificate = secure(team, "one", route("/", "web"))
    two, other = secure(team, "two", route("/", "web"))
    edge.until_tls_answer(two, who="web", tls=trusting(other))
    edge.until_tls_answer(one, who="web", tls=trusting(certificate))
    with connect(edge, one, trusting(certificate)) as connection:
        assert [connection.ask(host).status for host in (one, two, "nobody.test", one)] == [200, 421, 421, 200]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("minimum, refused, taken", [
    (None, [ssl.TLSVersion.TLSv1_1], [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]),
    ("1.1", [ssl.TLSVersion.TLSv1_1], [ssl.TLSVersion.TLSv1_2]),
    ("1.3", [ssl.TLSVersion.TLSv1_2], [ssl.TLSVersion.TLSv1_3])], ids=["default", "below-the-floor", "1.3"])
def test_termination__older_than_the_minimum__refused(edge, team, web, minimum, refused, taken):
    certificate = team.certificate("cert", team.host("site"))
    tls = {"secretName": "cert", **({"minimumProtocolVersion": minimum} if minimum else {})}
    host = team.site("site", route("/", "web"), tls=tls)
    for version in taken:
        edge.until_tls_answer(host, who="web", tls=trusting(certificate, version=version))
    for version in refused:
        assert closed(edge, host, trusting(certificate, version=version))


def test_termination__http_2_is_offered(edge, team, web):
    host, certificate = secure(team, "site", route("/", "web"))
    edge.until_tls_answer(host, tls=trusting(certificate))
    for offered, agreed in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        with connect(edge, host, trusting(certificate, alpn=offered)) as connection:
            assert connection.sock.selected_alpn_protocol() == agreed


def test_certificate__renewed__new_connections_have_it_and_live_ones_go_on(edge, team, web):
    host, old = secure(team, "site", route("/", "web"))
    edge.until_tls_answer(host, tls=trusting(old))
    with connect(edge, host, trusting(old)) as live:
        assert live.ask(host).status == 200
        socket = live.sock
        new = team.certificate("site", host, serial=1)
        edge.until_tls_answer(host, who="web", tls=trusting(new))
        assert live.ask(host).status == 200
        assert live.sock is socket, "it is the same connection"


def test_certificate__turns_bad__the_last_good_one_serves(edge, team, web):
    host, good = secure(team, "site", route("/", "web"))
    edge.until_tls_answer(host, tls=trusting(good))
    team.put("v1", "Secret", "site", {"type": "kubernetes.io/tls", "data": pki.tls_data([host], garbage=True)})
    # Something that comes after it has arrived: so has it.
    team.service("later", edge.upstreams.http("later"))
    team.apply(team.route("site", host, [route("/", "web"), route("/later", "later")], tls={"secretName": "site"}))
    edge.until_tls_answer(host, "/later", who="later", tls=trusting(good))
    assert edge.ask_tls(host, tls=trusting(good)).who == "web"


def test_certificate__deleted_and_made_anew__no_request_fails(edge, team, web):
    host, certificate = secure(team, "site", route("/", "web"))
    edge.until_tls_answer(host, tls=trusting(certificate))
    with edge.load(host, tls=trusting(certificate)) as load:
        team.delete("Secret", "site")
        load.more(50)
        team.certificate("site", host)
        load.more(50)


def test_certificate__missing__closed_and_503_then_served_when_it_appears(edge, team, web):
    host = team.site("site", route("/", "web"), route("/open", "web", permitInsecure=True), tls={"secretName": "late"})
    edge.until_answer(host, "/open", who="web")
    assert edge.ask(host).status == 503, "not in plain HTTP, and nowhere to redirect to"
    other = team.certificate("any", host)
    assert closed(edge, host, trusting(other))
    certificate = team.certificate("late", host, serial=3)
    edge.until_tls_answer(host, who="web", tls=trusting(certificate))
    edge.until_answer(host, status=301)


def test_certificate__of_another_namespace__only_while_it_is_granted(edge, team, web):
    vault = edge.team("vault")
    host = team.host("site")
    certificate = vault.certificate("wild", host)
    vault.apply(vault.object(API, "TLSCertificateDelegation", "grant", {
        "spec": {"delegations": [{"secretName": "wild", "targetNamespaces": [team.namespace]}]}}))
    team.site("site", route("/", "web"), tls={"secretName": f"{vault.namespace}/wild"})
    edge.until_tls_answer(host, who="web", tls=trusting(certificate))
    vault.delete("TLSCertificateDelegation", "grant")
    edge.until(lambda: closed(edge, host, trusting(certificate)), "new connections to be closed")
    edge.until_answer(host, status=503)


def test_ingress__tls__is_terminated(edge, team, web):
    host = team.host("ingress")
    certificate = team.certificate("cert", host)
    team.apply(team.ingress("site", host, ("/", "Prefix", "web"), tls=[{"hosts": [host], "secretName": "cert"}]))
    edge.until_tls_answer(host, who="web", tls=trusting(certificate))


# ---- TCP ----

def line(connection, text):
    connection.sock.sendall(text)
    return connection.sock.recv(100)


def test_tcpproxy__tls_ends_at_envoy__lines_go_on(edge, team):
    team.service("echo", edge.upstreams.tcp("echo"))
    certificate = team.certificate("cert", team.host("site"))
    host = team.site("site", tls={"secretName": "cert"}, tcpproxy={"services": [{"name": "echo", "port": 80}]})

    def echoes():
        with connect(edge, host, trusting(certificate)) as connection:
            return line(connection, b"hello\n") == b"echo: hello\n"
    edge.until(echoes, "the line to come back")
    with connect(edge, host, trusting(certificate)) as connection:
        assert [line(connection, b"%d\n" % n) for n in range(3)] == [b"echo: %d\n" % n for n in range(3)]


def test_passthrough__tls_ends_at_the_upstream(edge, team):
    host = team.host("site")
    certificate, key = pki.pair((host,), 365, 5)
    own = edge.upstreams.http("own", tls=serving(certificate, key))
    team.service("own", own)
    team.site("site", tls={"passthrough": True}, tcpproxy={"services": [{"name": "own", "port": 80}]})
    edge.until_tls_answer(host, who="own", tls=trusting(certificate))
    with connect(edge, host, trusting(certificate)) as connection:
        assert connection.certificate() == certificate
        assert connection.ask("any.test").told["headers"]["host"] == "any.test", "nobody looked into it"
    assert edge.ask(host).status == 503, "there is nothing for plain HTTP"


def test_passthrough__delegated_tcpproxy__reaches_the_delegates_service(edge, team):
    child = edge.team("passthrough-child")
    host = team.host("site")
    certificate, key = pki.pair((host,), 365, 6)
    child.service("own", edge.upstreams.http("own", tls=serving(certificate, key)))
    child.apply(child.route("child", tcpproxy={"services": [{"name": "own", "port": 80}]}))
    team.site("site", tls={"passthrough": True}, tcpproxy={"delegate": {"name": "child", "namespace": child.namespace}})
    edge.until_tls_answer(host, who="own", tls=trusting(certificate))


# ---- towards upstreams ----

def upstream_with(edge, team, *names):
    certificate, key = pki.pair(names, 365, 7)
    team.service("own", edge.upstreams.http("own", tls=serving(certificate, key)),
                 annotations={"upstream-protocol.tls": "80"})
    return certificate


def verified(subject):
    return {"name": "own", "validation": {"caSecret": "authority", "subjectName": subject}}


def test_upstream_tls__no_validation__is_encrypted(edge, team):
    upstream_with(edge, team, "own.test")
    edge.until_answer(team.site("site", route("/", "own")), who="own")


def test_upstream_tls__authority_and_name_are_right__served(edge, team):
    team.authority("authority", upstream_with(edge, team, "own.test", "other.test"))
    edge.until_answer(team.site("site", route("/", verified("own.test"))), who="own")


@pytest.mark.parametrize("subject, authority, counted", [
    ("wrong.test", None, "fail_verify_san"), ("own.tes", None, "fail_verify_san"),
    ("own.test", ("stranger.test",), "fail_verify_error")], ids=["name", "part-of-the-name", "authority"])
def test_upstream_tls__not_as_asked_for__503_never_unverified(edge, team, subject, authority, counted):
    certificate = upstream_with(edge, team, "own.test")
    team.authority("authority", pki.pair(authority, 365, 8)[0] if authority else certificate)
    host = team.site("site", route("/", verified(subject)), route("/unverified", "own"))
    edge.until_answer(host, "/unverified", who="own")
    edge.until(lambda: edge.ask(host).status == 503 and any(edge.envoys[0].stats(
        f"^cluster[.]{team.namespace}.*[.]ssl[.]{counted}$").values()), "the handshake to fail for the right reason")


def test_upstream_tls__authority_renewed__the_new_one_counts(edge, team):
    certificate = upstream_with(edge, team, "own.test")
    team.authority("authority", pki.pair(("stranger.test",), 365, 8)[0])
    host = team.site("site", route("/", verified("own.test")))
    edge.until_answer(host, status=503)
    team.authority("authority", certificate)
    edge.until_answer(host, who="own")
