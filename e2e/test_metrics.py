# SPDX-License-Identifier: Apache-2.0
"""What an operator sees: the metrics that dashboards know, and the debug pages."""

import json

import pytest

from harness.basics import until

TEAM = "metrics"


@pytest.fixture
def objects(server, kube):
    """A valid root with a child, an invalid root, an orphan."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": TEAM},
                "spec": {"ports": [{"port": 80}]}})

    def ir(name, spec):
        kube.apply({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                    "metadata": {"name": name, "namespace": TEAM}, "spec": spec})
    serve = [{"match": "/", "services": [{"name": "web", "port": 80}]}]
    ir("child", {"routes": serve})
    ir("orphan", {"routes": serve})
    ir("good", {"virtualhost": {"fqdn": "good.metrics.test"}, "routes": [{"match": "/", "delegate": {"name": "child"}}]})
    ir("bad", {"virtualhost": {"fqdn": "bad.metrics.test"},
               "routes": [{"match": "/", "services": [{"name": "none", "port": 80}]}]})
    wanted = {"child": "valid", "orphan": "orphaned", "good": "valid", "bad": "invalid"}

    def settled():
        return all(kube.get("IngressRoute", TEAM, n).get("status", {}).get("currentStatus") == s for n, s in wanted.items())
    until(settled, "the statuses")
    yield
    for name in wanted:
        kube.delete("IngressRoute", TEAM, name)
    kube.delete("Service", TEAM, "web")


def test_contour_metrics__names_and_labels__as_dashboards_know_them(server, objects):
    def counted():
        m = server.metrics()
        return {key: m.get(key) for key in (
            f'contour_ingressroute_total{{namespace="{TEAM}"}}', f'contour_ingressroute_root_total{{namespace="{TEAM}"}}',
            f'contour_ingressroute_orphaned_total{{namespace="{TEAM}"}}',
            f'contour_ingressroute_valid_total{{namespace="{TEAM}",vhost="good.metrics.test"}}',
            f'contour_ingressroute_invalid_total{{namespace="{TEAM}",vhost="bad.metrics.test"}}')}
    until(lambda: list(counted().values())[:3] == [4, 2, 1], "the totals")
    values = list(counted().values())
    assert values[3] >= 1 and values[4] == 1, counted()
    assert server.metric("contour_ingressroute_dagrebuild_timestamp") > 1.5e9


@pytest.mark.parametrize("name", [
    "gatehouse_build_info", "gatehouse_dag_hosts", "gatehouse_dag_objects", "gatehouse_dag_compile_duration_seconds_count",
    "gatehouse_status_writes_total", "gatehouse_kube_requests_total", "gatehouse_certificate_expiry_seconds",
    "process_resident_memory_bytes", "process_cpu_seconds_total"])
def test_own_metrics__there__and_counting(server, objects, name):
    assert server.metric(name) > 0, name


def test_ready_and_leader__one_replica__both(server, objects):
    assert server.metric("gatehouse_ready") == 1 and server.metric("gatehouse_leader") == 1


def test_metrics__text__is_what_prometheus_reads(server, objects):
    code, text = server.http("/metrics")
    assert code == 200
    typed = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in typed, f"{name} is typed twice"
            typed[name] = kind
        elif line and not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            assert name in typed or typed.get(base) == "histogram", f"{name} has no type"
            float(line.rpartition(" ")[2])


def test_debug_dag__host_and_namespace__show_the_tree(server, objects):
    code, dot = server.debug("/debug/dag?host=good.metrics.test")
    assert code == 200 and dot.startswith("digraph") and "metrics/child" in dot and "bad.metrics.test" not in dot
    code, dot = server.debug(f"/debug/dag?namespace={TEAM}")
    assert code == 200 and "good.metrics.test" in dot and "bad.metrics.test" in dot


def test_debug_findings__all_of_them__as_json(server, objects):
    code, text = server.debug("/debug/findings")
    assert code == 200
    found = [f for f in json.loads(text)["findings"] if f["namespace"] == TEAM]
    assert {(f["name"], f["rule"]) for f in found} == {("bad", "ServiceNotFound"), ("orphan", "Orphaned")}


def test_debug__not_on_the_public_port(server):
    assert server.http("/debug/dag")[0] == 404 and server.http("/debug/findings")[0] == 404
