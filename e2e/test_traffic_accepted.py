# SPDX-License-Identifier: Apache-2.0
"""Whatever users write, a real Envoy takes what is made of it: not one NACK.

TRAFFIC_SEED=N repeats a run; each prints its own.
"""

import os
import random
import time

import pytest

from harness import traffic
from harness.runner import UNGUARDED
from harness.scenario import Scenario, key_of, load_all, split_key
from harness.traffic import route

FLAGS = ["--allow-wildcard-hosts", "--serve-unclassed-ingress"]


@pytest.fixture(scope="module")
def edge(cluster, envoy_binary, tmp_path_factory):
    running = traffic.Edge(cluster, tmp_path_factory.mktemp("edge"), envoy_binary, FLAGS)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture
def sentinel(edge, team):
    """sentinel(): all that was written before has been read, built, sent and answered."""
    team.service("sentinel", edge.upstreams.http("sentinel"))
    count = 0

    def wait():
        nonlocal count
        count += 1
        edge.until_answer(team.site(f"sentinel-{count}", route("/", "sentinel")), who="sentinel", timeout=30)
    return wait


def assert_nothing_was_refused(edge):
    server, envoy = edge.servers[0], edge.envoys[0]
    refusals = [line for line in server.process.output().splitlines() if "refuses" in line]
    assert not refusals, "\n".join(refusals[:5])
    assert server.metric("gatehouse_xds_nacks_total") == 0
    rejected = envoy.stats(r"update_rejected$|lds[.]update_failure$|key_rotation_failed$|init_fetch_timeout$")
    assert not any(rejected.values()), rejected
    assert server.metric("gatehouse_xds_acks_total") > 0


# ---- every scenario ----

def write(kube, obj):
    """Past the webhook; what the API server itself refuses is not written."""
    meta = obj["metadata"]
    labelled = {**obj, "metadata": {**meta, "labels": {**meta.get("labels", {}), **UNGUARDED}}}
    stored = kube.get(obj["kind"], meta.get("namespace"), meta["name"])
    return (kube.replace(labelled) if stored else kube.create(labelled)).ok


def test_every_scenario__its_objects_as_they_come_and_go__are_never_refused(edge, sentinel):
    made = {}
    for number, scenario in enumerate(load_all()):
        for step in Scenario(scenario.path, f"seen{number}").steps:
            for obj, _, _ in step.applies:
                namespace = obj["metadata"].get("namespace")
                if namespace and f"Namespace {namespace}" not in made:
                    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                    made[f"Namespace {namespace}"] = write(edge.kube, space)
                made[key_of(obj)] = write(edge.kube, obj)
            for key in step.deletes:
                edge.kube.delete(*split_key(key))
    sentinel()
    assert_nothing_was_refused(edge)
    for key in reversed(made):
        if not key.startswith("Namespace"):
            edge.kube.delete(*split_key(key))
    sentinel()
    assert_nothing_was_refused(edge)
    assert len(made) > 200


# ---- at random ----

ODD = ["/", "/a", "/a/", "/a b", "/ü", "/%zz", "/a%2fb", "/a;b=c", "/a'\"<>`", "/{x}", "/[", "/*", "/a//b", "/..;/", "/\\",
       "/a:b", "/@", "/%00", "/" + "x" * 2000, "/\u202e", "/$1\\1", "/%START_TIME%", "/a\tb", "no", "", "/(?!x)", "/😀/"]
TIMES = ["1ms", "24h", "infinity", "0s", "1h30m", "0.5s", "25h", "-1s", "x", ""]
NUMBERS = [0, 1, 2, 100, 101, 3600, 3601, 1000000, 1000001, 2147483647, -1]
TEXTS = ["80", "http", "0", "4294967295", "4294967296", "many", "", " 80 , http ", "5xx,gateway-error", "rübe", "1.3", "true"]
NAMES = ["web", "other", "missing", "h2", "tls", "named"]
SERVICE_ANNOTATIONS = ["max-connections", "max-pending-requests", "max-requests", "max-retries", "upstream-protocol.h2",
                       "upstream-protocol.h2c", "upstream-protocol.tls"]
INGRESS_ANNOTATIONS = ["request-timeout", "response-timeout", "retry-on", "num-retries", "per-try-timeout",
                       "tls-minimum-protocol-version", "websocket-routes"]


class Author:
    """Writes objects as carelessly as a random number generator."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def some(self, **choices):
        """Each with an even chance, made only when it is taken."""
        return {name: make() for name, make in choices.items() if self.random.random() < 0.5}

    def one(self, of):
        return self.random.choice(of)

    def service(self):
        return {"name": self.one(NAMES), "port": self.one([80, 80, 80, 81, 0]), **self.some(
            weight=lambda: self.one(NUMBERS),
            strategy=lambda: self.one(["RoundRobin", "WeightedLeastRequest", "Random", "RingHash", "Maglev", "Cookie", "Own"]),
            healthCheck=lambda: {"path": self.one(ODD), **self.some(
                host=lambda: self.one(["check.test", "ü", "a b", "x" * 300, ""]), intervalSeconds=lambda: self.one(NUMBERS),
                timeoutSeconds=lambda: self.one(NUMBERS), unhealthyThresholdCount=lambda: self.one(NUMBERS),
                healthyThresholdCount=lambda: self.one(NUMBERS))},
            **({"validation": lambda: {"caSecret": self.one(["authority", "missing"]),
                                       "subjectName": self.one(["own.test", "ü", "*.test", ""])}}
               if self.random.random() < 0.3 else {}))}

    def route(self):
        action = {"delegate": {"name": self.one(["child", "missing"])}} if self.random.random() < 0.1 else {
            "services": [self.service() for _ in range(self.random.randrange(4))]}
        return {"match": self.one(ODD), **action, **self.some(
            prefixRewrite=lambda: self.one(ODD), enableWebsockets=lambda: True, permitInsecure=lambda: True,
            timeoutPolicy=lambda: {"request": self.one(TIMES)},
            retryPolicy=lambda: {"count": self.one(NUMBERS), "perTryTimeout": self.one(TIMES)})}

    def root(self):
        tls = self.one([None, None, {"secretName": "cert"}, {"secretName": "missing"}, {"passthrough": True},
                        {"secretName": "cert", "minimumProtocolVersion": self.one(["1.1", "1.2", "1.3", "9"])}])
        return {"routes": [self.route() for _ in range(self.random.randrange(8))], "tls": tls,
                **({"tcpproxy": {"services": [self.service()]}} if tls and self.random.random() < 0.5 else {})}

    def annotations(self, names):
        return {name: self.one(TEXTS + TIMES + ODD) for name in names if self.random.random() < 0.4}

    def paths(self):
        return [(self.one([p for p in ODD if p.startswith("/")]), self.one(["Exact", "Prefix", "ImplementationSpecific"]),
                 self.one(NAMES)) for _ in range(1 + self.random.randrange(4))]


def write_all(team, author):
    for name in NAMES:
        if name != "missing":
            protocol = {"h2": {"upstream-protocol.h2": "80"}, "tls": {"upstream-protocol.tls": "80"}}.get(name, {})
            odd = {f"contour.heptio.com/{k}": v for k, v in {**author.annotations(SERVICE_ANNOTATIONS), **protocol}.items()}
            port = {"port": 80, **({"name": "http"} if name == "named" else {})}
            write(team.kube, team.object("v1", "Service", name, {"spec": {"ports": [port]}}, odd))
    for n in range(30):
        host = team.host(f"odd-{n}")
        write(team.kube, team.route(f"odd-{n}", host, **author.root()))
        write(team.kube, team.ingress(f"odd-{n}", author.one([host, f"*.{host}", team.host(f"own-{n}")]), *author.paths(),
                                      annotations=author.annotations(INGRESS_ANNOTATIONS)))
    write(team.kube, team.route("child", routes=[author.route() for _ in range(3)]))


def test_at_random__odd_values_in_every_field__are_never_refused(edge, team, sentinel):
    seed = int(os.environ.get("TRAFFIC_SEED", time.time()))
    print(f"TRAFFIC_SEED={seed}")
    author = Author(seed)
    team.authority("authority", team.certificate("cert", f"*.{team.namespace}.test"))
    for _ in range(6):
        write_all(team, author)
        sentinel()
        assert_nothing_was_refused(edge)
    hosts = edge.kube.list("IngressRoute", team.namespace)
    assert len(hosts) > 30
    for kind in ("IngressRoute", "Ingress"):
        for obj in edge.kube.list(kind, team.namespace):
            edge.kube.delete(kind, team.namespace, obj["metadata"]["name"])
