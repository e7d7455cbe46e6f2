# SPDX-License-Identifier: Apache-2.0
"""The examples are right: through lint, in a cluster, and with traffic."""

import json
import ssl
import subprocess

import pytest
import yaml

from harness import pki
from harness.basics import ROOT, binary, until
from harness.client import serving, trusting, websocket
from harness.kube import KINDS
from harness.traffic import Team

EXAMPLES = ROOT / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))
WAITING = {"TLSSecretNotFound", "UpstreamCANotFound"}  # certificates are not kept in files
OBJECTS = [o for path in FILES for o in yaml.safe_load_all(path.read_text()) if o["kind"] in KINDS]


def test_examples__through_lint__only_certificates_are_missing():
    done = subprocess.run([binary("gatehouse"), "lint", "--partial", "-o", "json", *FILES], capture_output=True, text=True)
    findings = json.loads(done.stdout)["findings"]
    assert {f["rule"] for f in findings} == WAITING, findings
    assert done.returncode == 0, "what is not in the files is a notice"


def test_examples__services__select_a_workload_that_has_the_port():
    workloads = [o for path in FILES for o in yaml.safe_load_all(path.read_text()) if o["kind"] == "Deployment"]
    for service in (o for o in OBJECTS if o["kind"] == "Service"):
        namespace, selector = service["metadata"]["namespace"], service["spec"]["selector"].items()
        templates = [w["spec"]["template"] for w in workloads if w["metadata"]["namespace"] == namespace]
        selected = [t for t in templates if selector <= t["metadata"]["labels"].items()]
        ports = [{p["name"] for c in t["spec"]["containers"] for p in c["ports"]} for t in selected]
        assert len(ports) == 1 and {p["targetPort"] for p in service["spec"]["ports"]} <= ports[0], service["metadata"]


@pytest.fixture(scope="module")
def applied(pool, kube):
    """All of them in the cluster, except for the workloads."""
    pool.with_flags([])
    try:
        for obj in OBJECTS:
            kube.apply(obj)
        yield [o for o in OBJECTS if o["kind"] == "IngressRoute"]
    finally:
        for obj in reversed(OBJECTS):
            kube.delete(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])


def test_examples__applied__valid_but_for_certificates(applied, kube):
    def judged():
        stored = [kube.get("IngressRoute", o["metadata"]["namespace"], o["metadata"]["name"]) for o in applied]
        reasons = {o["metadata"]["name"]: next((c["reason"] for c in o.get("status", {}).get("conditions", [])), None)
                   for o in stored}
        wrong = {name: reason for name, reason in reasons.items() if reason not in WAITING | {"Valid"}}
        return None if wrong else reasons
    reasons = until(judged, "every example to be valid")
    with_secrets = {o["metadata"]["name"] for o in applied if "ecret" in json.dumps(o["spec"])}
    assert {name for name, reason in reasons.items() if reason in WAITING} == with_secrets


# ---- traffic ----

class Site:
    """The examples on an edge: an upstream for each Service, and the certificates that their comments ask for."""

    def __init__(self, edge):
        self.edge = edge
        self.teams = {o["metadata"]["name"]: Team(edge, o["metadata"]["name"]) for o in OBJECTS if o["kind"] == "Namespace"}
        edge.teams.extend(self.teams.values())
        for obj in OBJECTS:
            if obj["kind"] == "Namespace":
                edge.kube.apply(obj)  # with its annotations again
        self.upstreams = {}
        for name in ("web", "web-next"):
            self.answer("shop", name, edge.upstreams.http(name))
        self.answer("shop", "reports", self.upstreams["web"])
        self.answer("marketing", "blog", edge.upstreams.http("blog"))
        self.answer("tenant", "web", edge.upstreams.http("tenant"))
        self.answer("shop", "grpc", edge.upstreams.h2c("grpc"), "grpc")

    def answer(self, namespace, service, upstream, port_name="http"):
        self.upstreams[upstream.name] = upstream
        self.teams[namespace].endpoints(service, upstream, port_name=port_name)

    def issue(self):
        """What the comments say with `kubectl create secret`."""
        shop, upstreams = self.teams["shop"], self.edge.upstreams
        names = [f"{n}.example.com" for n in ("secure", "telnet", "docs", "grpc")]
        self.shop = trusting(shop.certificate("shop-cert", *names))
        self.wildcard = trusting(self.teams["platform-certs"].certificate("wildcard", "*.example.com"))
        certificate, key = pki.pair(("broker.example.com",), 365, 1)
        self.broker = trusting(certificate)
        self.answer("shop", "broker", upstreams.http("broker", tls=serving(certificate, key)), "tls")
        certificate, key = pki.pair(("payments.shop.svc",), 365, 2)
        shop.authority("payments-ca", certificate)
        self.answer("shop", "payments", upstreams.http("payments", tls=serving(certificate, key)), "https")


@pytest.fixture(scope="module")
def site(edge, applied):
    return Site(edge)


def test_traffic__examples_without_certificates__answer_as_they_say(edge, site):
    answer = edge.until_answer
    answer("shop.example.com", who="web")
    answer("portal.example.com", who="web")
    answer("portal.example.com", "/blog/feed", who="blog")
    assert edge.ask("portal.example.com", "/blogs").who == "web"
    edge.until(lambda: {edge.ask("canary.example.com").who for _ in range(50)} == {"web", "web-next"}, "both versions")
    answer("options.example.com", "/api/v1/hostname", who="web")
    assert edge.ask("options.example.com", "/api/v1/hostname").told["path"] == "/hostname"
    assert [websocket(edge.ports.http, "options.example.com", path)[0] for path in ("/events", "/eventsource")] == [101, 403]
    answer("balanced.example.com", who="web")
    assert "X-Contour-Session-Affinity=" in answer("balanced.example.com", "/cart").headers["set-cookie"]
    until(lambda: site.upstreams["web"].asked("/search/health"), "Envoy's own check")
    answer("www.tenant.example.com", who="tenant")
    answer("reports.example.com", who="web")


def test_traffic__certificates_missing__nothing_is_sent(edge, site):
    edge.until_answer("payments.example.com", status=503)
    with pytest.raises((OSError, ssl.SSLError)):
        edge.ask_tls("secure.example.com", tls=ssl._create_unverified_context())


def test_traffic__certificates_given__answer_as_they_say(edge, site):
    site.issue()
    tls = edge.until_tls_answer
    tls("secure.example.com", tls=site.shop, who="web")
    assert edge.ask("secure.example.com").status == 301
    assert edge.ask("secure.example.com", "/.well-known/x").who == "web"
    with pytest.raises(ssl.SSLError):
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
        edge.ask_tls("secure.example.com", tls=old)
    tls("orders.example.com", tls=site.wildcard, who="web")
    tls("broker.example.com", tls=site.broker, who="broker")
    tls("telnet.example.com", tls=site.shop, who="web")
    edge.until_answer("payments.example.com", who="payments")
    tls("docs.example.com", tls=site.shop, who="web")
    assert edge.ask("docs.example.com").status == 301
    assert [edge.ask_tls("docs.example.com", path, tls=site.shop).who for path in ("/status", "/status/x")] == ["web-next", "web"]
    assert edge.until(lambda: edge.ask_tls("grpc.example.com", tls=site.shop), "an answer").body == "grpc"
