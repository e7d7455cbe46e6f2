# SPDX-License-Identifier: Apache-2.0
"""The webhook as the API server meets it, without one in between: its protocol, and what it makes of bad input."""

import base64
import json
import socket
import ssl

import pytest

from harness.basics import until


def review(obj, operation="CREATE", old=None, version="v1", uid="u-1", kind="IngressRoute", **more):
    group, _, api = ("contour.heptio.com/v1beta1" if kind != "Namespace" else "/v1").partition("/")
    meta = (obj or old or {"metadata": {}})["metadata"]
    request = {"uid": uid, "kind": {"group": group, "version": api, "kind": kind},
               "resource": {"group": group, "version": api, "resource": kind.lower() + "s"},
               "name": meta.get("name", ""), "namespace": meta.get("namespace", ""), "operation": operation,
               "userInfo": {"username": "e2e"}, "object": obj, "oldObject": old, "dryRun": False, **more}
    return {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview", "request": request}


def route(name="site", namespace="direct", fqdn="site.direct.test", match="/", **spec):
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"virtualhost": {"fqdn": fqdn},
                     "routes": [{"match": match, "services": [{"name": "web", "port": 80}]}], **spec}}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_validate__both_versions__answered_in_kind(server, version):
    code, answer = server.post(review(route(), version=version, uid="abc"))
    assert code == 200
    assert (answer["apiVersion"], answer["kind"]) == (f"admission.k8s.io/{version}", "AdmissionReview")
    assert answer["response"]["uid"] == "abc" and answer["response"]["allowed"] is True
    assert any("[ServiceNotFound]" in w for w in answer["response"]["warnings"])


def test_validate__denial__code_reason_and_message(server):
    _, answer = server.post(review(route(match="nope")))
    response = answer["response"]
    assert response["allowed"] is False and response["status"]["code"] == 422
    assert 'spec.routes[0].match: Invalid value: "nope"' in response["status"]["message"]


def test_validate__long_value__warning_is_short_and_names_the_rule(server):
    obj = route()
    obj["spec"]["routes"][0]["services"][0]["name"] = "a" * 63
    obj["metadata"]["namespace"] = "n" * 63
    obj["metadata"]["name"] = "m" * 253
    _, answer = server.post(review(obj))
    assert answer["response"]["warnings"]
    for warning in answer["response"]["warnings"]:
        assert len(warning.encode()) <= 250 and warning.endswith("]"), warning


def test_validate__delete_and_connect__allowed(server):
    for operation in ("DELETE", "CONNECT"):
        code, answer = server.post(review(None, operation))
        assert code == 200 and answer["response"]["allowed"] is True, operation
    code, answer = server.post(review(None, "DELETE", old=route(match="nope")))
    assert code == 200 and answer["response"]["allowed"] is True


def test_validate__unknown_kind__allowed_with_a_warning(server):
    code, answer = server.post(review({"apiVersion": "x/v1", "kind": "Strange", "metadata": {"name": "x"}}, kind="Strange"))
    assert code == 200 and answer["response"]["allowed"] is True and answer["response"]["warnings"]


def test_mutate__fqdn__patched_once(server):
    code, answer = server.post(review(route(fqdn="Site.Direct.TEST.")), path="/mutate")
    assert code == 200 and answer["response"]["allowed"] is True and answer["response"]["patchType"] == "JSONPatch"
    patch = json.loads(base64.b64decode(answer["response"]["patch"]))
    assert patch == [{"op": "replace", "path": "/spec/virtualhost/fqdn", "value": "site.direct.test"}]
    code, answer = server.post(review(route(fqdn="site.direct.test")), path="/mutate")
    assert code == 200 and "patch" not in answer["response"]


@pytest.mark.parametrize("body, code", [
    (b"", 400),
    (b"{", 400),
    (b"null", 400),
    (b"[]", 400),
    (b"{} trailing", 400),
    (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', 400),
    (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}', 400),
    (b'{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview","request":{"uid":"x"}}', 400),
    (b'{"apiVersion":"v1","kind":"Pod","request":{"uid":"x"}}', 400),
    (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","kind":"AdmissionReview","request":{"uid":"x"}}', 400),
    (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"\\ud800"}}', 400),
    (b"[" * 129 + b"]" * 129, 400),
    (b"[" * 1000000, 400),
    (b"\xff\xfe", 400),
    (b"\0" * 100, 400),
], ids=["empty", "half", "null", "array", "trailing", "no-request", "no-uid", "version", "no-review", "duplicate-key",
        "lone-surrogate", "deep", "deeper", "no-utf8", "nuls"])
def test_validate__bad_body__400(server, body, code):
    assert server.post(body)[0] == code
    assert server.post(review(route()))[0] == 200


def test_validate__method_type_and_path__405_415_404(server):
    good = json.dumps(review(route())).encode()
    assert server.post(None, method="GET")[0] == 405
    assert server.post(good, method="PUT")[0] == 405
    assert server.post(good, content_type="text/plain")[0] == 415
    assert server.post(good, content_type=None)[0] == 415
    assert server.post(good, content_type="application/json; charset=utf-8")[0] == 200
    for path in ("/", "/validate/x", "/metrics", "/debug/dag"):
        assert server.post(good, path=path)[0] == 404, path


def _raw(server, request, timeout=10):
    """Send bytes over TLS; the answer's first line, as far as it came."""
    context = ssl.create_default_context(cadata=server.authority().decode())
    with socket.create_connection(("127.0.0.1", server.webhook_port), timeout) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            try:
                tls.sendall(request)
            except OSError:
                pass  # the other side may have stopped listening once it had seen enough
            try:
                return tls.recv(4096).split(b"\r\n")[0]
            except OSError as e:
                return repr(e).encode()


HEAD = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_validate__over_8_mib_announced__413_at_once(server):
    assert b"413" in _raw(server, HEAD + b"Content-Length: 8388609\r\n\r\n")
    assert server.ready()


def test_validate__over_8_mib_chunked__413_while_it_arrives(server):
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert b"413" in _raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 9)
    assert server.post(review(route()))[0] == 200


@pytest.mark.parametrize("headers", [
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
], ids=["two-lengths", "length-and-chunked"])
def test_validate__ambiguous_length__refused(server, headers):
    assert b" 400 " in _raw(server, HEAD + headers) + b" "
    assert server.post(review(route()))[0] == 200


def test_validate__many_idle_connections__still_answers(server):
    context = ssl.create_default_context(cadata=server.authority().decode())
    idle = []
    try:
        for _ in range(1100):
            plain = socket.create_connection(("127.0.0.1", server.webhook_port), 10)
            idle.append(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        assert server.post(review(route()))[0] == 200
    finally:
        for connection in idle:
            connection.close()
    until(lambda: server.post(review(route()))[0] == 200, "an answer")


def test_metrics__after_reviews__count_verdicts_and_rules(server):
    before = server.metric("gatehouse_admission_total", operation="CREATE", kind="IngressRoute")
    rules = server.metric("gatehouse_admission_findings_total", rule="PathInvalid")
    server.post(review(route(match="nope")))
    assert server.metric("gatehouse_admission_total", operation="CREATE", kind="IngressRoute") == before + 1
    assert server.metric("gatehouse_admission_findings_total", rule="PathInvalid") == rules + 1
    assert server.metric("gatehouse_admission_duration_seconds_count") > 0
    assert server.metric("gatehouse_build_info") == 1


def test_http__health_ready_and_debug__answer(server):
    assert server.http("/healthz")[0] == 200
    assert server.http("/readyz")[0] == 200
    assert server.http("/nothing")[0] == 404
    code, dot = server.debug("/debug/dag")
    assert code == 200 and dot.startswith("digraph")
    code, findings = server.debug("/debug/findings")
    assert code == 200 and isinstance(json.loads(findings), (dict, list))
