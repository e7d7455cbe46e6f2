# SPDX-License-Identifier: Apache-2.0
"""Envoy's access logs are what docs/monitoring.md says."""

import contextlib
import json
import re

import pytest

from harness import pki
from harness.basics import ROOT, until
from harness.client import serving, trusting
from harness.traffic import Edge, route

DOCS = (ROOT / "docs/monitoring.md").read_text()


@pytest.fixture
def logged(cluster, envoy_binary, tmp_path):
    """logged(*flags): an edge with logs of HTTP and HTTPS in files, asked once each; the lines of both."""
    edges = []

    def make(*flags):
        files = [tmp_path / "http.log", tmp_path / "https.log"]
        edge = Edge(cluster, tmp_path, envoy_binary, [
            "--envoy-http-access-log", files[0], "--envoy-https-access-log", files[1], *flags])
        edges.append(edge)
        team = edge.start().team("logged")
        team.service("web", edge.upstreams.http("web"))
        tls = trusting(team.certificate("tls", team.host("secure")))
        plain = team.site("plain", route("/shop", "web", prefixRewrite="/"))
        secure = team.site("secure", route("/", "web"), tls={"secretName": "tls"})
        edge.until_answer(plain, "/shop", who="web")
        edge.until_tls_answer(secure, who="web", tls=tls)
        headers = {"user-agent": "claims/1", "x-tenant": "a"}
        edge.ask(plain, "/shop/last?q=1", headers=headers)
        edge.ask_tls(secure, "/last", tls=tls, headers=headers)

        def last(file):
            return until(lambda: next((line for line in file.read_text().splitlines() if "claims/1" in line), None),
                         f"the request in {file}", 30)
        return plain, secure, *map(last, files)
    yield make
    for edge in edges:
        edge.close()


def test_text__by_default__the_fields_of_the_docs_in_their_order(logged):
    plain, secure, http, https = logged()
    line = r'\[[\d:.TZ-]+\] "GET (\S+) HTTP/1.1" 200 - 0 \d+ \d+ \d+ "[\d.]+" "claims/1" "[\da-f-]{36}" "(\S+)" "[\d.]+:\d+"'
    assert re.fullmatch(line, http).groups() == ("/shop/last?q=1", plain)
    assert re.fullmatch(line, https).groups() == ("/last", secure)
    shown = re.search(r'```\n(\[20.+)\n```', DOCS)[1]
    assert [c for c in shown if c in '[]"'] == [c for c in http if c in '[]"'], "the line in the docs has another form"


def test_text__format_string__is_what_is_written(logged):
    _, _, http, https = logged("--accesslog-format-string", "%REQ(USER-AGENT)% %RESPONSE_CODE% %REQUESTED_SERVER_NAME%")
    assert http == "claims/1 200 -" and re.fullmatch(r"claims/1 200 secure\.logged-0\.test", https)


def test_json__without_a_list__every_field_of_the_docs(logged):
    plain, secure, http, https = (json.loads(line) if line[0] == "{" else line for line in logged("--accesslog-format", "json"))
    assert set(http) == set(https) == set(re.findall(r"^\| `(@?\w+)` \|", DOCS, re.M))
    expected = {"authority": plain, "method": "GET", "path": "/shop/last?q=1", "protocol": "HTTP/1.1", "response_code": 200,
                "response_flags": "-", "bytes_received": 0, "user_agent": "claims/1", "uber_trace_id": None,
                "requested_server_name": None}
    assert {field: http[field] for field in expected} == expected
    assert http["upstream_cluster"].endswith("_web_80") and http["bytes_sent"] > 0 and http["duration"] >= 0
    assert re.fullmatch(r"[\d.]+:\d+", http["upstream_host"]) and re.fullmatch(r"\d{4}-.+Z", http["@timestamp"])
    assert https["authority"] == https["requested_server_name"] == secure


def test_json__list_of_fields__these_and_no_other(logged):
    _, _, http, _ = logged("--accesslog-format", "json", "--accesslog-json-fields", "path,user_agent,tenant=%REQ(X-TENANT)%")
    assert json.loads(http) == {"path": "/shop/last?q=1", "user_agent": "claims/1", "tenant": "a"}


def test_json__tls_passed_through__a_line_a_connection(cluster, envoy_binary, tmp_path):
    certificate, key = pki.pair(("raw.passed-0.test",), 365)
    edge = Edge(cluster, tmp_path, envoy_binary, ["--accesslog-format", "json", "--envoy-https-access-log", tmp_path / "log"])
    with contextlib.closing(edge):
        team = edge.start().team("passed")
        team.service("raw", edge.upstreams.http("raw", tls=serving(certificate, key)))
        team.apply(team.route("raw", team.host("raw"), tls={"passthrough": True},
                              tcpproxy={"services": [{"name": "raw", "port": 80}]}))
        edge.until_tls_answer(team.host("raw"), who="raw", tls=trusting(certificate))
        line = until(lambda: next((found for found in map(json.loads, (tmp_path / "log").read_text().splitlines())
                                   if found["bytes_sent"]), None), "the connection", 30)
        assert line["requested_server_name"] == team.host("raw") and line["upstream_cluster"].endswith("_raw_80")
        assert line["bytes_received"] > 0
        assert (line["method"], line["path"], line["authority"], line["response_code"]) == (None, None, None, 0)
