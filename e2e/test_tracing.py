# SPDX-License-Identifier: Apache-2.0
"""Traces: what an OpenTelemetry collector gets from a real Envoy, and what upstreams get."""

import contextlib

import pytest

from harness.basics import until
from harness.otlp import Collector
from harness.traffic import Edge, route

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector():
    with contextlib.closing(Collector()) as running:
        yield running


@pytest.fixture
def traced(cluster, envoy_binary, collector, tmp_path):
    """traced(*flags): an edge that sends its traces to the collector; with its team's host and upstream."""
    edges = []

    def make(*flags):
        edge = Edge(cluster, tmp_path, envoy_binary, ["--tracing-otlp", f"127.0.0.1:{collector.port}", *flags])
        edges.append(edge)
        team = edge.start().team("traced")
        upstream = edge.upstreams.http("web")
        team.service("web", upstream)
        host = team.site("site", route("/", "web"))
        edge.until_answer(host, who="web")
        return edge, host, upstream
    yield make
    for edge in edges:
        edge.close()


def test_tracing__request_with_a_trace__its_span_arrives_and_the_upstream_is_told(traced, collector):
    edge, host, upstream = traced()
    answer = edge.ask(host, "/shop?q=1", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "user-agent": "me"})
    assert answer.status == 200
    span = until(lambda: next((s for s in collector.spans if s.trace == TRACE), None), "the span", 30)
    assert span.service == "envoy" and span.kind == "server" and span.parent == PARENT
    assert 0 < span.nanos < 10 * 10**9
    said = span.attributes
    assert said["http.method"] == "GET" and said["http.status_code"] == "200" and said["user_agent"] == "me"
    assert said["http.url"] == f"http://{host}/shop?q=1"
    assert said["upstream_cluster.name"].endswith("_web_80")
    # The upstream's own span becomes a child of Envoy's.
    version, trace, parent, flags = upstream.asked("/shop?q=1")[0]["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01") and parent == span.id


def test_tracing__request_without_a_trace__begins_one(traced, collector):
    edge, host, upstream = traced()
    edge.ask(host, "/first")
    edge.ask(host, "/second")
    traces = [upstream.asked(path)[0]["traceparent"].split("-")[1] for path in ("/first", "/second")]
    until(lambda: set(traces) <= {s.trace for s in collector.spans}, "both spans", 30)
    assert traces[0] != traces[1]
    assert all(s.parent == "" for s in collector.spans)


def test_tracing__sampling_0_in_the_config_file__no_span(traced, collector, tmp_path):
    (tmp_path / "config.yaml").write_text("tracing-sampling: 0\n")
    edge, host, _ = traced("-c", tmp_path / "config.yaml")
    for _ in range(20):
        assert edge.ask(host).status == 200
    stats = edge.envoys[0].stats("http.ingress_http.tracing")
    assert stats["http.ingress_http.tracing.not_traceable"] >= 20 and stats["http.ingress_http.tracing.random_sampling"] == 0
    assert collector.spans == []


def test_tracing__collector_is_gone__traffic_goes_on(traced, collector):
    edge, host, _ = traced()
    collector.stop()
    with edge.load(host) as load:
        load.more(50)
        collector.start()
        until(lambda: collector.spans, "spans, now that it is back", 30)
        load.more(20)
