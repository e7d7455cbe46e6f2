# SPDX-License-Identifier: Apache-2.0
"""The world fails: gatehouse recovers by itself, loses nothing, writes nothing twice, and its webhook answers meanwhile."""

import contextlib
import json
import signal
import threading
import time

import pytest

from harness import cluster as clusters
from harness import server as servers
from harness.basics import until

TEAM = "faults"


class Stage:
    """A cluster, one or more replicas on it, and a namespace with a Service to route to."""

    def __init__(self, cluster, directory):
        self.cluster, self.directory = cluster, directory
        self.kube = cluster.kube(patience=10)
        self.certificates = servers.issue_certificates(directory / "pem")
        self.servers = []
        self.set_up()

    def set_up(self):
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
        self.service("web")

    def server(self, name="gatehouse", **options):
        server = servers.Server(self.cluster, self.directory, (), self.certificates, name, **options).start()
        self.servers.append(server)
        return server

    def close(self):
        for server in self.servers:
            server.kill()
        self.kube.close()

    def service(self, name):
        self.kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": TEAM},
                         "spec": {"ports": [{"port": 80}]}})

    @staticmethod
    def route(name, service="web", match="/", fqdn=None):
        return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                "metadata": {"name": name, "namespace": TEAM},
                "spec": {"virtualhost": {"fqdn": fqdn or f"{name}.faults.test"},
                         "routes": [{"match": match, "services": [{"name": service, "port": 80}]}]}}

    def site(self, name, **options):
        return self.kube.apply(self.route(name, **options))

    def status(self, name):
        obj = self.kube.get("IngressRoute", TEAM, name) or {}
        status = obj.get("status", {})
        if status.get("observedGeneration") != obj.get("metadata", {}).get("generation"):
            return None
        return status.get("currentStatus")

    def await_status(self, name, status, timeout=20):
        until(lambda: self.status(name) == status, f"{name} to be {status}", timeout)


@contextlib.contextmanager
def webhook_answers(server, stage):
    """The webhook, asked directly all the while: it judges, and at once."""
    over, wrong = threading.Event(), []

    def ask_on():
        while True:
            try:
                _ask(server, stage)
            except Exception as e:  # whatever it is, it is an answer that did not come
                wrong.append(repr(e))
            if over.wait(0.05):
                return
    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not wrong, f"{len(wrong)} times the webhook did not answer: {wrong[0]}"


def _ask(server, stage):
    def review(obj):
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "namespace": TEAM, "name": obj["metadata"]["name"],
            "kind": {"group": "contour.heptio.com", "version": "v1beta1", "kind": "IngressRoute"},
            "resource": {"group": "contour.heptio.com", "version": "v1beta1", "resource": "ingressroutes"},
            "object": obj}}
    started = time.monotonic()
    _, good = server.post(review(stage.route("asked")))
    _, bad = server.post(review(stage.route("asked", match="nope")))
    took = time.monotonic() - started
    assert good["response"]["allowed"] is True and bad["response"]["allowed"] is False
    assert not good["response"].get("warnings"), "it has forgotten the Service"
    assert took < 2, f"two answers took {took:.1f} s"


@pytest.fixture
def devkube(request, tmp_path):
    """A devkube of the test's own: its faults are nobody else's."""
    if request.config.getoption("--cluster") != "devkube":
        pytest.skip("faults are injected by devkube; make test runs this")
    running = clusters.Devkube(tmp_path / "devkube")
    yield running
    running.stop()


@pytest.fixture
def stage(devkube, tmp_path):
    stage = Stage(devkube, tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def any_stage(cluster, pool, tmp_path):
    """The session's API server, with no other gatehouse on it."""
    pool.stop()
    stage = Stage(cluster, tmp_path)
    yield stage
    stage.close()
    # Who was killed still holds the lease: the next one need not wait for its end.
    stage.kube.delete("Lease", clusters.NAMESPACE, "gatehouse")
    for obj in stage.kube.list("IngressRoute", TEAM):
        stage.kube.delete("IngressRoute", TEAM, obj["metadata"]["name"])
    stage.kube.close()


@pytest.fixture
def real_stage(request, any_stage):
    if request.config.getoption("--cluster") != "real":
        pytest.skip("asks for a real API server; make e2e runs this")
    return any_stage


def change_everything(stage):
    """A creation, an update and a deletion; finished() says whether gatehouse has noticed all three."""
    stage.site("created")
    stage.site("updated", service="missing")
    stage.kube.delete("IngressRoute", TEAM, "deleted")

    def finished():
        return stage.status("created") == "valid" and stage.status("updated") == "invalid"
    return finished


def prepare(stage):
    server = stage.server()
    for name in ("updated", "deleted", "bystander"):
        stage.site(name)
        stage.await_status(name, "valid")
    return server


def assert_name_free(stage, server, name):
    """The deletion was noticed: another object may have the host and is valid."""
    stage.site(f"{name}-next", fqdn=f"{name}.faults.test")
    stage.await_status(f"{name}-next", "valid")


def assert_untouched(stage, before):
    now = stage.kube.get("IngressRoute", TEAM, "bystander")
    assert now["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], "a status was written again"


DROP = {"fault": "drop-watches"}
GONE = {"fault": "gone", "count": 20}
WATCH_FAULTS = {
    "drop": [DROP],
    "gone": [GONE, DROP],
    "gone-then-list-fails": [GONE, {"fault": "error", "verbs": ["list"], "count": 6}, DROP],
    "gone-then-list-is-busy": [GONE, {"fault": "too-many-requests", "verbs": ["list"], "count": 3}, DROP],
    "half-line": [{"fault": "half-line", "resource": "ingressroutes", "count": 2}],
    "lost-history": [{"fault": "restart"}],
    "forbidden-for-a-while": [GONE, {"fault": "error", "code": 403, "verbs": ["list", "watch"], "count": 12}, DROP],
}


@pytest.mark.parametrize("fault", WATCH_FAULTS)
def test_watch__fails__all_changes_are_noticed_and_nothing_is_written_again(stage, devkube, fault):
    server = prepare(stage)
    before = stage.kube.get("IngressRoute", TEAM, "bystander")
    with webhook_answers(server, stage):
        devkube.faults(*WATCH_FAULTS[fault])
        finished = change_everything(stage)
        until(finished, "the changes to be noticed", 30)
    assert_name_free(stage, server, "deleted")
    assert_untouched(stage, before)


STATUS = {"verbs": ["patch", "update"], "resource": "ingressroutes/status", "count": 3}


@pytest.mark.parametrize("fault", ["conflict", "too-many-requests", "error", "drop", "drop-answer"])
def test_status_write__fails_three_times__written_in_the_end(stage, devkube, fault):
    server = prepare(stage)
    devkube.faults({"fault": fault, "retryAfter": 1, **STATUS})
    started = time.monotonic()
    with webhook_answers(server, stage):
        stage.site("created")
        stage.await_status("created", "valid", 40)
    if fault == "too-many-requests":
        assert time.monotonic() - started >= 1, "Retry-After was not honoured"


POISON = {
    "spec-text": {"spec": "text"},
    "spec-missing": {},
    "spec-null": {"spec": None},
    "routes-object": {"spec": {"virtualhost": {"fqdn": "p1.faults.test"}, "routes": {"match": "/"}}},
    "routes-nulls": {"spec": {"virtualhost": {"fqdn": "p2.faults.test"}, "routes": [None, 1, "x", [], {}]}},
    "services-text": {"spec": {"virtualhost": {"fqdn": "p3.faults.test"}, "routes": [{"match": "/", "services": "web"}]}},
    "port-text": {"spec": {"virtualhost": {"fqdn": "p4.faults.test"},
                           "routes": [{"match": "/", "services": [{"name": "web", "port": "80"}]}]}},
    "port-real": {"spec": {"virtualhost": {"fqdn": "p5.faults.test"},
                           "routes": [{"match": "/", "services": [{"name": "web", "port": 80.5}]}]}},
    "port-huge": {"spec": {"virtualhost": {"fqdn": "p6.faults.test"},
                           "routes": [{"match": "/", "services": [{"name": "web", "port": 2 ** 62}]}]}},
    "nuls": {"spec": {"virtualhost": {"fqdn": "p7\0.faults.test"}, "routes": [{"match": "/\0", "delegate": {"name": "\0"}}]}},
    "fqdn-list": {"spec": {"virtualhost": {"fqdn": ["p8.faults.test"]}, "routes": []}},
    "virtualhost-text": {"spec": {"virtualhost": "p9.faults.test", "routes": []}},
    "status-text": {"spec": {"virtualhost": {"fqdn": "p10.faults.test"}, "routes": []}, "status": "valid"},
    "claim-wrong": {"spec": {"virtualhost": {"fqdn": "p11.faults.test"}, "routes": []},
                    "status": {"claim": {"fqdn": 1, "since": "yesterday", "by": None}, "conditions": "x"}},
}


def test_poison__stored_past_everything__is_its_own_problem_alone(stage, devkube):
    """What no schema stopped: each is judged or passed over, and what stands beside it is as if it were not there."""
    server = stage.server()
    items = [{"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
              "metadata": {"name": name, "namespace": TEAM}, **rest} for name, rest in POISON.items()]
    items.append({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                  "metadata": {"name": "annotated", "namespace": TEAM, "annotations": {"contour.heptio.com/ingress.class": 7}},
                  "spec": {}})
    items.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd", "namespace": TEAM}, "spec": {"ports": 80}})
    items.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "odd", "namespace": TEAM},
                  "type": "kubernetes.io/tls", "data": {"tls.crt": "not base64!", "tls.key": 7}})
    answer = stage.kube.request("POST", "/devkube/load", {"items": items})
    assert answer.ok, answer
    with webhook_answers(server, stage):
        stage.site("created")
        stage.await_status("created", "valid")
        for name in ("routes-nulls", "port-text", "port-real", "port-huge", "nuls", "fqdn-list", "virtualhost-text"):
            assert server.running(), server.process.output()[-3000:]
            until(lambda n=name: any(f["name"] == n for f in findings(server)), f"findings about {name}")
    # A relist, and a start from nothing, meet them all at once.
    devkube.faults(GONE, DROP)
    stage.site("later")
    stage.await_status("later", "valid")
    server.stop()
    server.start()
    stage.site("after")
    stage.await_status("after", "valid", 30)


def test_api_server__slow__status_late_webhook_not(stage, devkube):
    server = prepare(stage)
    devkube.faults({"fault": "slow", "milliseconds": 700, "count": -1})
    with webhook_answers(server, stage):
        stage.site("created")
        stage.await_status("created", "valid", 30)
    devkube.heal()


def test_api_server__refuses_connections__recovers(stage, devkube):
    server = prepare(stage)
    with webhook_answers(server, stage):
        devkube.faults({"fault": "refuse", "milliseconds": 3000})
        _ask(server, stage)
        until(lambda: stage.kube.ready(), "devkube to take connections again")
        finished = change_everything(stage)
        until(finished, "the changes to be noticed", 40)
    assert server.http("/healthz")[0] == 200


def test_api_server__stopped_and_continued__recovers(stage, devkube):
    server = prepare(stage)
    with webhook_answers(server, stage):
        devkube.process.send(signal.SIGSTOP)
        try:
            for _ in range(10):  # one after another, all while it stands still
                _ask(server, stage)
            assert server.http("/healthz")[0] == 200
            assert server.http("/readyz")[0] == 200
        finally:
            devkube.process.send(signal.SIGCONT)
        finished = change_everything(stage)
        until(finished, "the changes to be noticed", 40)
    assert_name_free(stage, server, "deleted")


def test_api_server__killed_and_empty__served_from_the_last_state_until_refilled(stage, devkube):
    server = prepare(stage)
    with webhook_answers(server, stage):
        devkube.process.kill()
        stage.kube.close()
        _ask(server, stage)
        devkube.start()
        # Nothing is there, not even the CRDs: that is no reason to forget.
        _ask(server, stage)
        devkube.install_crds()
        stage.kube = devkube.kube(patience=10)
        stage.set_up()
        stage.site("updated")
        stage.site("created")
        for name in ("updated", "created"):
            stage.await_status(name, "valid", 60)
    assert server.process.running()


def test_server__killed__starts_again_without_rewriting(stage, devkube):
    server = prepare(stage)
    server.install_webhooks(stage.kube)
    before = stage.kube.get("IngressRoute", TEAM, "bystander")
    server.kill()
    # Fail means fail: nothing passes unjudged while nobody judges. (The API server may take a moment to know the webhook.)
    until(lambda: stage.kube.create(stage.route("unjudged"), dryRun="All").code == 500, "the webhook to be missed")
    server.start()
    stage.site("created")
    stage.await_status("created", "valid", 40)
    assert_untouched(stage, before)
    # The claims were kept: a copy is refused.
    until(lambda: "[FQDNConflict]" in stage.kube.create(stage.route("copy", fqdn="bystander.faults.test"), dryRun="All").message,
          "the copy to be refused")


def findings(server):
    return json.loads(server.debug("/debug/findings")[1])["findings"]


def leader_of(stage):
    lease = stage.kube.get("Lease", clusters.NAMESPACE, "gatehouse")
    return (lease or {}).get("spec", {}).get("holderIdentity")


def writes(server):
    return server.metric("gatehouse_status_writes_total")


def two_replicas(stage):
    first = stage.server("first")
    until(lambda: leader_of(stage), "a leader")
    second = stage.server("second")
    stage.site("before")
    stage.await_status("before", "valid")
    until(lambda: writes(first) > 0, "the leader's write to be counted")
    assert writes(second) == 0, "one leader writes"
    assert [s.metric("gatehouse_leader") for s in (first, second)] == [1, 0]
    assert second.metric("contour_ingressroute_total") == 0, "the leader alone counts"
    return first, second


def test_leader__killed__the_other_takes_up_what_is_unwritten(any_stage):
    stage = any_stage
    first, second = two_replicas(stage)
    holder = leader_of(stage)
    first.kill()
    stage.site("meanwhile")
    with webhook_answers(second, stage):
        stage.await_status("meanwhile", "valid", 40)
    assert leader_of(stage) != holder
    assert writes(second) > 0 and second.metric("gatehouse_leader") == 1


def test_leader__ends__releases_the_lease_at_once(any_stage):
    stage = any_stage
    first, second = two_replicas(stage)
    first.stop()
    started = time.monotonic()
    stage.site("meanwhile")
    stage.await_status("meanwhile", "valid", 14)
    assert time.monotonic() - started < 14, "it waited for the lease to run out"
    assert second.process.running()


def test_replicas__both_serve__only_one_writes(any_stage):
    stage = any_stage
    first, second = two_replicas(stage)
    for server in (first, second):
        _ask(server, stage)
        assert server.ready()
    for n in range(20):
        stage.site(f"site-{n}")
    for n in range(20):
        stage.await_status(f"site-{n}", "valid")
    assert writes(second) == 0


def test_nothing_changes__nothing_is_written(stage, devkube):
    server = prepare(stage)
    before = writes(server)
    for _ in range(3):
        lists = devkube.requests().get("list ingressroutes", 0)
        devkube.faults(GONE, DROP)
        until(lambda n=lists: devkube.requests().get("list ingressroutes", 0) > n, "a relist", 30)
        devkube.heal()
    stage.site("created")
    stage.await_status("created", "valid", 30)
    assert writes(server) == before + 1


def test_real_api_server__stopped_and_continued__recovers(real_stage):
    stage = real_stage
    server = prepare(stage)
    with webhook_answers(server, stage):
        stage.cluster.apiserver.send(signal.SIGSTOP)
        try:
            for _ in range(10):
                _ask(server, stage)
            assert server.http("/readyz")[0] == 200
        finally:
            stage.cluster.apiserver.send(signal.SIGCONT)
        finished = change_everything(stage)
        until(finished, "the changes to be noticed", 40)
    assert_name_free(stage, server, "deleted")


def test_real_api_server__killed_and_restarted__recovers(real_stage):
    stage = real_stage
    server = prepare(stage)
    before = stage.kube.get("IngressRoute", TEAM, "bystander")
    with webhook_answers(server, stage):
        stage.cluster.apiserver.kill()
        stage.kube.close()
        _ask(server, stage)
        stage.cluster.start_apiserver()
        finished = change_everything(stage)
        until(finished, "the changes to be noticed", 60)
    assert_name_free(stage, server, "deleted")
    assert_untouched(stage, before)
