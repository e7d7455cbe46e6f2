# SPDX-License-Identifier: Apache-2.0
"""What operators see, by a real Prometheus: every metric, every panel's query, every alert; and many clusters at once."""

import contextlib
import re
import threading

import pytest
import yaml

from harness.basics import ROOT, until
from harness.client import trusting
from harness.cluster import manifest
from harness.prometheus import MONITORING, Prometheus, as_grafana_asks, dashboard_queries, promtool
from harness.traffic import route
from test_manifests import build, kustomize  # noqa: F401, the second is a fixture
from test_webhook import review
from test_webhook import route as judged

PLAIN = MONITORING / "prometheus"
SCRAPE = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"}

# What dashboards and alerts of others may count on; docs/metrics.md, from the program's own table, has all there are.
CONTOUR = {f"contour_ingressroute_{name}": ("gauge", labels) for name, labels in {
    "total": {"namespace"}, "root_total": {"namespace"}, "orphaned_total": {"namespace"},
    "valid_total": {"namespace", "vhost"}, "invalid_total": {"namespace", "vhost"}, "dagrebuild_timestamp": set()}.items()}
OWN = {
    "gatehouse_build_info": ("gauge", {"version"}),
    "gatehouse_admission_duration_seconds": ("histogram", set()),
    "gatehouse_admission_total": ("counter", {"operation", "kind", "verdict"}),
    "gatehouse_admission_findings_total": ("counter", {"rule"}),
    "gatehouse_dag_compile_duration_seconds": ("histogram", set()),
    "gatehouse_dag_hosts": ("gauge", set()),
    "gatehouse_dag_objects": ("gauge", {"kind"}),
    "gatehouse_xds_streams": ("gauge", set()),
    "gatehouse_xds_resources": ("gauge", {"type"}),
    "gatehouse_xds_pushes_total": ("counter", {"type"}),
    "gatehouse_xds_acks_total": ("counter", {"type"}),
    "gatehouse_xds_nacks_total": ("counter", {"type"}),
    "gatehouse_xds_push_latency_seconds": ("histogram", set()),
    "gatehouse_status_writes_total": ("counter", {"result"}),
    "gatehouse_status_queue": ("gauge", set()),
    "gatehouse_kube_requests_total": ("counter", {"verb", "resource", "code"}),
    "gatehouse_watch_restarts_total": ("counter", {"resource", "reason"}),
    "gatehouse_certificate_expiry_seconds": ("gauge", {"name"}),
    "gatehouse_store_age_seconds": ("gauge", {"resource"}),
    "process_cpu_seconds_total": ("counter", set()),
    "process_resident_memory_bytes": ("gauge", set()),
}


def documented():
    """The rows of docs/metrics.md: name -> (type, labels)."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*) \| .+ \|$", (ROOT / "docs/metrics.md").read_text(), re.M)
    return {name: (kind, set(filter(None, labels.strip().split(", ")))) for name, kind, labels in rows}


# ---- without a server: what promtool says ----

def test_rules__plain_file__is_what_the_operator_gets():
    rule = next(manifest("monitoring/prometheusrule.yaml"))
    assert yaml.safe_load((PLAIN / "rules.yaml").read_text()) == rule["spec"], "run `make docs`"


def test_rules__promtool__checks_them_and_every_case_holds():
    for command in (["check", "rules", PLAIN / "rules.yaml"], ["test", "rules", PLAIN / "rules_test.yaml"]):
        code, said = promtool(*command)
        assert code == 0, said


def test_rules__every_alert__has_a_case_and_a_page():
    alerts = {rule["alert"] for group in next(manifest("monitoring/prometheusrule.yaml"))["spec"]["groups"]
              for rule in group["rules"]}
    cases = (PLAIN / "rules_test.yaml").read_text()
    explained = re.findall(r"^### (\w+)$", (ROOT / "docs/monitoring.md").read_text(), re.M)
    assert alerts == set(re.findall(r'alertname="(\w+)"', cases)) == set(explained)


def test_configurations__promtool__takes_them(tmp_path):
    # Debian's Prometheus is built without Kubernetes discovery: the rest of that file is checked.
    text = yaml.safe_load((PLAIN / "prometheus.yaml").read_text())
    text["rule_files"] = [str(PLAIN / "rules.yaml")]
    for job in text["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["gatehouse-system"]}}]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(text))
    code, said = promtool("check", "config", tmp_path / "prometheus.yaml", PLAIN / "federate.yaml")
    assert code == 0, said


# ---- on a cluster ----

def selects(selector, labels):
    return selector["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("overlay", ["", "overlays/one-pod", "overlays/envoy-host-network"])
def test_monitors__of_all_that_is_installed__find_one_port_of_the_pods_that_are_meant(kustomize, overlay):
    objects = build(overlay)
    service_monitor, pod_monitor = (next(manifest(f"monitoring/{kind}monitor.yaml"))["spec"] for kind in ("service", "pod"))
    pods = [o["spec"]["template"] for o in objects if o["kind"] in ("Deployment", "DaemonSet", "Job")]

    def ports_of(selector, name):
        """How many ports of that name the selected pods have, pod by pod; those without are left out."""
        counts = [sum(p["name"] == name for c in pod["spec"]["containers"] for p in c.get("ports", ()))
                  for pod in pods if selects(selector, pod["metadata"]["labels"])]
        return [n for n in counts if n]
    services = [(o["spec"]["selector"], port["targetPort"]) for o in objects if o["kind"] == "Service"
                and selects(service_monitor["selector"], o["metadata"]["labels"])
                for port in o["spec"]["ports"] if port["name"] == service_monitor["endpoints"][0]["port"]]
    assert [ports_of({"matchLabels": labels}, port) for labels, port in services] == [[1]]
    assert ports_of(pod_monitor["selector"], pod_monitor["podMetricsEndpoints"][0]["port"]) == [1]


@pytest.fixture
def operator(cluster, kube):
    """The names of the Prometheus operator's kinds; what is in them nobody looks at."""
    kinds = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
    for kind in kinds:
        plural = kind.lower() + "s"
        kube.apply({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": {"name": f"{plural}.monitoring.coreos.com"},
                    "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
                             "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
                             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}})
    until(lambda: all(cluster.kubectl("get", f"{k.lower()}s.monitoring.coreos.com", check=False)[0] == 0 for k in kinds),
          "the kinds to be served", 30)
    yield
    for kind in kinds:
        kube.delete("CustomResourceDefinition", None, f"{kind.lower()}s.monitoring.coreos.com")


def test_kustomization__kubectl_apply__twice(kustomize, cluster, operator):
    for words in ("created", "unchanged"):
        said = cluster.kubectl("apply", "-k", MONITORING)[1].splitlines()
        assert len(said) == 4 and all(line.endswith(words) for line in said), said
    cluster.kubectl("delete", "-k", MONITORING)


# ---- a server, an Envoy and a Prometheus, all of them busy ----

def targets(overlay, edge):
    """The pods of the manifests as Kubernetes discovery shows them: a target for each port of each container."""
    ours = {"http": edge.servers[0].http_port}
    for owner in build(overlay):
        if owner["kind"] not in ("Deployment", "DaemonSet"):
            continue
        template = owner["spec"]["template"]
        labels = {"__meta_kubernetes_pod_label_" + re.sub("[./-]", "_", k): v for k, v in template["metadata"]["labels"].items()}
        ports = {"stats": edge.ports.stats, **(ours if owner["metadata"]["name"] == "gatehouse" else {})}
        for name in (p["name"] for c in template["spec"]["containers"] for p in c.get("ports", ())):
            yield {"targets": [f"127.0.0.1:{ports.get(name, 1)}"],
                   "labels": {**labels, "__meta_kubernetes_pod_container_port_name": name,
                              "__meta_kubernetes_namespace": "gatehouse-system",
                              "__meta_kubernetes_pod_name": owner["metadata"]["name"]}}


def configuration(edge, cluster, overlay=""):
    """The manifests' prometheus.yaml, in a hurry; discovery is played by what the manifests' pods say."""
    text = yaml.safe_load((PLAIN / "prometheus.yaml").read_text())
    text["global"].update(SCRAPE, external_labels={"cluster": cluster})
    text["rule_files"] = [str(PLAIN / "rules.yaml")]
    for job in text["scrape_configs"]:
        del job["kubernetes_sd_configs"]
        job["static_configs"] = [*targets(overlay, edge)]
    return text


class Activity:
    """Some of everything, again and again: requests, reviews, changes, failures."""

    def __init__(self, edge, team):
        self.edge, self.team, self.over, self.problem = edge, team, threading.Event(), None
        self.server = edge.servers[0]
        upstream = edge.upstreams.http("web")
        upstream.paths["/fails"] = 503
        team.service("web", upstream)
        certificate = team.certificate("tls", team.host("secure"))
        self.trusted = trusting(certificate)
        self.host = team.site("plain", route("/", "web"))
        self.secure = team.site("secure", route("/", "web"), tls={"secretName": "tls"})
        team.apply(team.ingress("ingress", team.host("ingress"), ("/", "Prefix", "web")))
        team.apply(team.route("broken", team.host("broken"), [route("/", "none")]), team.route("orphan", routes=[route("/", "web")]))
        edge.until_answer(self.host, who="web")
        edge.until_tls_answer(self.secure, who="web", tls=self.trusted)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        turn = 0
        try:
            while not self.over.wait(0.05):
                turn += 1
                self.edge.ask(self.host, "/fails" if turn % 4 == 0 else "/")
                self.edge.ask_tls(self.secure, tls=self.trusted)
                self.server.post(review(judged(match="nope" if turn % 2 else "/")))
                self.server.post(b"no review")
                if turn % 10 == 0:
                    self.team.apply(self.team.route("plain", self.host, [route("/", "web"), route(f"/v{turn}", "web")]))
        except Exception as e:  # told by close(): a thread's own would be lost
            self.problem = e

    def close(self):
        self.over.set()
        self.thread.join()
        assert self.problem is None, f"the activity ended: {self.problem!r}"


@pytest.fixture(scope="module")
def busy(edge):
    with contextlib.closing(Activity(edge, edge.team("monitored"))) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(kustomize, edge, busy, tmp_path_factory):
    with contextlib.closing(Prometheus(tmp_path_factory.mktemp("prometheus"), configuration(edge, "here"))) as running:
        yield running


@pytest.mark.parametrize("overlay, pods", [
    ("", {"gatehouse": "gatehouse", "gatehouse-envoy": "envoy"}),
    ("overlays/one-pod", {"gatehouse": "gatehouse", "gatehouse-envoy": "gatehouse"})])
def test_scrape__pods_of_the_manifests__one_port_a_job(kustomize, edge, tmp_path, overlay, pods):
    with contextlib.closing(Prometheus(tmp_path, configuration(edge, "here", overlay))) as running:
        running.until("up == 1", good=lambda up: {labels["job"]: labels["pod"] for labels, _ in up} == pods)
        assert len(running.api("targets")["activeTargets"]) == 2


@pytest.mark.parametrize("name", [*CONTOUR, *OWN])
def test_metric__of_those_promised__type_and_labels(name):
    assert documented().get(name) == {**CONTOUR, **OWN}[name]


@pytest.mark.parametrize("name", documented())
def test_metric__of_those_documented__there_with_type_and_labels(prometheus, name):
    kind, labels = documented()[name]
    sample = f"{name}_bucket" if kind == "histogram" else name
    prometheus.until(f'{{__name__="{sample}"}}')
    assert {m["type"] for m in prometheus.api("metadata", metric=name)[name]} == {kind}
    given = {"__name__", "job", "instance", "namespace", "pod", "le"}
    for series in prometheus.series(f'{sample}{{job="gatehouse"}}'):
        assert set(series) - given == labels - given, series
        if "namespace" in labels:
            assert series["namespace"] != "gatehouse-system", "the scrape's own label hides the metric's"


def test_metrics__all_that_are_there__are_documented(prometheus, edge):
    prometheus.until('up{job="gatehouse"} == 1')
    served = dict(re.findall(r"^# TYPE (\w+) (\w+)$", edge.servers[0].http("/metrics")[1], re.M))
    assert served == {name: kind for name, (kind, _) in documented().items()}


def test_metrics__promtool__complains_of_contours_names_only(edge, busy):
    _, said = promtool("check", "metrics", stdin=edge.servers[0].http("/metrics")[1])
    assert [line for line in said.splitlines() if not line.startswith("contour_")] == []


@pytest.mark.parametrize("dashboard, panel, query", [
    pytest.param(*q, id=f"{q[0]}-{q[1]}-{i}") for i, q in enumerate(dashboard_queries())])
def test_dashboard__query_of_a_panel__has_data(prometheus, dashboard, panel, query):
    prometheus.until(as_grafana_asks(query), f"{dashboard}, {panel}: {query}")


def test_rules__on_real_series__evaluate(prometheus):
    def evaluated(groups):
        return groups and all(rule["health"] == "ok" for group in groups for rule in group["rules"])
    groups = until(lambda: evaluated(prometheus.api("rules")["groups"]) and prometheus.api("rules")["groups"],
                   "all rules to be evaluated", 30)
    assert len(groups) == len(next(manifest("monitoring/prometheusrule.yaml"))["spec"]["groups"])
    # A rule that asks for a name that nobody has would be well, and never fire.
    asked = set(re.findall(r"\b(?:gatehouse|contour|envoy|process)_\w+", " ".join(r["query"] for g in groups for r in g["rules"])))
    for name in asked:
        prometheus.until(f'{{__name__="{name}"}}')


# ---- many clusters ----

@pytest.fixture(scope="module")
def federation(edge, prometheus, tmp_path_factory):
    """A Prometheus above those of two clusters; both watch the same gatehouse, which they cannot know."""
    directory = tmp_path_factory.mktemp("federation")
    text = yaml.safe_load((PLAIN / "federate.yaml").read_text())
    text["global"].update(SCRAPE)
    text["rule_files"] = [str(PLAIN / "rules.yaml")]
    with contextlib.closing(Prometheus(directory, configuration(edge, "there"), "there")) as other:
        text["scrape_configs"][0]["static_configs"] = [{"targets": [prometheus.address, other.address]}]
        with contextlib.closing(Prometheus(directory, text, "above")) as above:
            yield above


def test_federation__two_clusters__told_apart_by_cluster(federation):
    for metric in ("gatehouse_build_info", "contour_ingressroute_total", "gatehouse_xds_streams", "envoy_server_live"):
        federation.until(f"count by (cluster) ({metric})", good=lambda found: {
            labels.get("cluster") for labels, _ in found} == {"here", "there"})
    assert federation.query("contour_ingressroute_valid_total") == [], "a series a host is not taken along"


@pytest.mark.parametrize("chosen", ["here", "there", "here|there"])
def test_federation__cluster_of_the_menu__dashboards_show_it(federation, chosen):
    for dashboard, panel, query in dashboard_queries():
        if "contour_ingressroute_valid_total" not in query:
            federation.until(as_grafana_asks(query, chosen), f"{chosen}: {dashboard}, {panel}: {query}")
    assert federation.query('gatehouse_ready{cluster="nowhere"}') == []
