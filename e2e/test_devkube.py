# SPDX-License-Identifier: Apache-2.0
"""devkube by itself: what the real kubectl sees of it, and each fault on demand."""

import base64
import contextlib
import http.client
import http.server
import itertools
import json
import os
import pathlib
import queue
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest
import yaml

from harness.basics import BUILD, ROOT, Process, until
from harness.kube import Kube

TOKEN = "devkube-test"
ROUTES = "/apis/contour.heptio.com/v1beta1/namespaces/default/ingressroutes"
SECRETS = "/api/v1/namespaces/default/secrets"
MERGE = "application/merge-patch+json"
_numbers = itertools.count(1)


class Devkube:
    def __init__(self, directory, *flags, token=TOKEN):
        self.directory = pathlib.Path(directory)
        self.kubeconfig = self.directory / "kubeconfig"
        argv = [BUILD / "devkube", "--dir", self.directory, "--bookmarks", "50ms", *flags]
        self.process = Process(argv + (["--token", token] if token else []), self.directory / "log")
        until(lambda: "ready on https://127.0.0.1:" in self.process.output(), "devkube to be ready")

    def client(self, **options):
        return Kube(self.kubeconfig, **options)

    def environment(self):
        """kubectl's caches go with the test."""
        return {**os.environ, "HOME": str(self.directory), "KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *args, check=True, stdin=None, env=None):
        done = subprocess.run(["kubectl", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60,
                              env={**self.environment(), **(env or {})})
        assert not check or done.returncode == 0, f"kubectl {args}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture(scope="module")
def devkube(tmp_path_factory):
    running = Devkube(tmp_path_factory.mktemp("devkube"))
    with contextlib.closing(running.client()) as client:
        for name in ("ingressroutes", "tlscertificatedelegations"):
            crd = yaml.safe_load((ROOT / f"manifests/crds/{name}.yaml").read_text())
            assert client.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).ok
    yield running
    running.process.kill()


@pytest.fixture
def kube(devkube):
    client = devkube.client()
    yield client
    client.request("DELETE", "/devkube/faults")
    client.close()


@pytest.fixture
def name():
    return f"r{next(_numbers)}"


def route(name, port=80, **meta):
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": name, "namespace": "default", **meta},
            "spec": {"virtualhost": {"fqdn": f"{name}.test"},
                     "routes": [{"match": "/", "services": [{"name": "web", "port": port}]}]}}


def fault(kube, **description):
    answer = kube.request("POST", "/devkube/faults", description)
    assert answer.ok, answer


class Watch:
    """Events of a watch as they come; `ended` holds how it ended."""

    def __init__(self, kube, path, **query):
        self.events, self.ended, self.rest = queue.Queue(), threading.Event(), b""
        self.connection = kube._connect()
        self.connection.request("GET", path + "?" + urllib.parse.urlencode({"watch": "1", **query}),
                                headers={"Authorization": f"Bearer {kube.token}"})
        self.response = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while line := self.response.readline():
                if not line.endswith(b"\n"):
                    self.rest = line
                    break
                self.events.put(json.loads(line))
        except (OSError, http.client.HTTPException) as e:
            self.rest = getattr(e, "partial", b"")
        self.ended.set()

    def next(self, skip=("BOOKMARK",)):
        while (event := self.events.get(timeout=10))["type"] in skip:
            pass
        return event

    def close(self):
        self.connection.sock and self.connection.sock.shutdown(2)
        self.thread.join(10)
        self.connection.close()


@contextlib.contextmanager
def watching(kube, path=ROUTES, **query):
    watch = Watch(kube, path, **query)
    yield watch
    watch.close()


def revision(kube, path=ROUTES):
    return kube.request("GET", path).body["metadata"]["resourceVersion"]


# ---- starting and ending ----

def test_start__no_token_and_no_port_given__both_are_made_and_stand_in_the_kubeconfig(tmp_path):
    running = Devkube(tmp_path, token=None)
    config = yaml.safe_load(running.kubeconfig.read_text())
    assert running.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert len(config["users"][0]["user"]["token"]) >= 32
    with contextlib.closing(running.client()) as client:
        assert client.request("GET", "/api/v1/namespaces").ok
        client.token = "another"
        for path in ("/api/v1/namespaces", "/devkube/faults", "/version", "/openapi/v3"):
            assert client.request("GET", path).code == 401
    began = time.monotonic()
    assert running.process.stop() == 0
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("argv", [["--port", "0"], ["--dir", "/tmp/x", "--port", "99999"], ["--dir", "/tmp/x", "surplus"]])
def test_start__wrong_usage__exit_2_and_says_why(argv):
    done = subprocess.run([BUILD / "devkube", *argv], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and done.stderr.startswith("devkube: ")


# ---- kubectl ----

def test_kubectl__apply_get_patch_delete__as_on_a_cluster(devkube, name):
    manifest = yaml.safe_dump(route(name))
    assert f"ingressroute.contour.heptio.com/{name} created" in devkube.kubectl("apply", "-f", "-", stdin=manifest).stdout
    assert f"{name} unchanged" in devkube.kubectl("apply", "-f", "-", stdin=manifest).stdout
    header, row = devkube.kubectl("get", "ir", name).stdout.splitlines()
    assert header.split("  ")[0] == "NAME" and "FQDN" in header and "STATUS DESCRIPTION" in header
    assert row.split()[:2] == [name, f"{name}.test"]
    devkube.kubectl("label", "ir", name, "team=a")
    devkube.kubectl("annotate", "ir", name, "note=b")
    devkube.kubectl("patch", "ir", name, "--type=json", "-p", '[{"op":"replace","path":"/spec/routes/0/match","value":"/x"}]')
    devkube.kubectl("edit", "ir", name, env={"EDITOR": f"sed -i s/{name}.test/edited.test/"})
    got = json.loads(devkube.kubectl("get", "ir", "-l", "team=a", "-o", "json").stdout)["items"][0]
    assert got["spec"]["routes"][0]["match"] == "/x" and got["spec"]["virtualhost"]["fqdn"] == "edited.test"
    assert got["metadata"]["generation"] == 3
    assert "Fqdn:  edited.test" in devkube.kubectl("describe", "ir", name).stdout
    devkube.kubectl("replace", "-f", "-", stdin=manifest)
    assert f'"{name}" deleted' in devkube.kubectl("delete", "ir", name).stdout
    gone = devkube.kubectl("get", "ir", name, check=False)
    assert f'Error from server (NotFound): ingressroutes.contour.heptio.com "{name}" not found' in gone.stderr


def test_kubectl__unknown_field__refused_by_strict_decoding(devkube, name):
    bad = route(name)
    bad["spec"]["virtualhost"]["fqdx"] = "x"
    done = devkube.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(bad), check=False)
    assert done.returncode == 1
    # kubectl 1.20 validates by itself, current ones let the server do it: both name the field.
    assert "unknown field" in done.stderr and "fqdx" in done.stderr


def test_kubectl__wrong_type__invalid_with_path(devkube, name):
    done = devkube.kubectl("apply", "--validate=false", "-f", "-", stdin=yaml.safe_dump(route(name, port="http")),
                           check=False)
    assert f'The IngressRoute "{name}" is invalid: spec.routes[0].services[0].port: Invalid value: "string": ' \
           'spec.routes[0].services[0].port in body must be of type integer: "string"' in done.stderr


def test_kubectl__explain__shows_the_descriptions_of_the_crd(devkube):
    assert "The host name: exact, lower case" in devkube.kubectl("explain", "ir.spec.virtualhost").stdout
    assert "rules" in devkube.kubectl("explain", "ingress.spec").stdout


def test_kubectl__dry_run__stores_nothing(devkube, kube, name):
    devkube.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(route(name)))
    assert kube.request("GET", f"{ROUTES}/{name}").code == 404


def test_kubectl__create__every_kind_that_comes_as_protobuf(devkube, name):
    for what in (["ns", name], ["cm", name, "--from-literal=a=b"], ["secret", "generic", name, "--from-literal=a=b"],
                 ["sa", name], ["svc", "clusterip", name, "--tcp=80:8080"], ["ingress", name, "--rule=a.test/=web:80"],
                 ["role", name, "--verb=get", "--resource=pods"], ["rolebinding", name, f"--role={name}", "--user=u"]):
        devkube.kubectl("create", *what)
    service = json.loads(devkube.kubectl("get", "svc", name, "-o", "json").stdout)
    assert service["spec"]["ports"][0]["targetPort"] == 8080 and service["spec"]["clusterIP"].startswith("10.")
    secret = json.loads(devkube.kubectl("get", "secret", name, "-o", "json").stdout)
    assert secret["data"] == {"a": "Yg=="} and secret["type"] == "Opaque"


def test_kubectl__kustomization_applied_twice__second_changes_nothing_but_what_kubectl_always_patches(devkube):
    version = subprocess.run(["kubectl", "version", "--client", "-o", "yaml"], capture_output=True, text=True).stdout
    if "kustomizeVersion" not in version:
        pytest.skip("Debian's kubectl 1.20 crashes on its second apply of a Deployment (reflect2 with Go 1.19)")
    devkube.kubectl("apply", "-k", ROOT / "manifests")
    second = devkube.kubectl("apply", "-k", ROOT / "manifests").stdout
    assert "created" not in second
    assert "deployment.apps/gatehouse unchanged" in second
    devkube.kubectl("delete", "-k", ROOT / "manifests", "--ignore-not-found", "--wait=false")
    for name in ("ingressroutes", "tlscertificatedelegations"):
        devkube.kubectl("apply", "-f", ROOT / f"manifests/crds/{name}.yaml")


def test_kubectl__watch__rows_as_they_change(devkube, kube, name):
    before = kube.request("GET", "/devkube/requests").body.get("watch ingressroutes", 0)
    child = subprocess.Popen(["kubectl", "get", "ir", "-w", "--no-headers"], stdout=subprocess.PIPE, text=True,
                             env=devkube.environment())
    try:
        until(lambda: kube.request("GET", "/devkube/requests").body.get("watch ingressroutes", 0) > before or None,
              "kubectl to watch", timeout=10)
        kube.create(route(name))
        row = next(line for line in child.stdout if line.startswith(name))
        assert f"{name}.test" in row
    finally:
        child.kill()
        child.communicate()


def test_namespace__deleted__takes_its_objects_along(kube, name):
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": name}, "stringData": {"a": "b"}}
    assert kube.create(secret).ok
    assert kube.delete("Namespace", None, name).ok
    assert kube.get("Secret", name, "s") is None
    assert kube.create(secret).message == f'namespaces "{name}" not found'


# ---- lists and watches ----

def test_list__in_pages_while_objects_change__shows_one_moment(kube, name):
    path = SECRETS + f"?labelSelector=page%3D{name}&limit=2"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": {"page": name}, "namespace": "default"}}
    for i in range(5):
        secret["metadata"]["name"] = f"{name}-{i}"
        assert kube.create(secret).ok
    first = kube.request("GET", path).body
    assert kube.delete("Secret", "default", f"{name}-4").ok
    names, page = [], first
    while True:
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
        if not (token := page["metadata"].get("continue")):
            break
        page = kube.request("GET", path + f"&continue={token}").body
    assert names == [f"{name}-{i}" for i in range(5)]
    again = kube.request("GET", path + f"&continue={first['metadata']['continue']}").body
    assert [item["metadata"]["name"] for item in again["items"]] == [f"{name}-2", f"{name}-3"]
    assert kube.request("GET", path + "&continue=999999.0").code == 410


def test_watch__object_leaves_and_enters_a_selector__deleted_and_added(kube, name):
    with watching(kube, labelSelector=f"k={name}", resourceVersion=revision(kube)) as watch:
        kube.create(route(name, labels={"k": name}))
        assert watch.next()["type"] == "ADDED"
        kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"k": "other"}}})
        assert watch.next()["type"] == "DELETED"
        kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"k": name}}})
        assert watch.next()["type"] == "ADDED"
        kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"k": name}}})  # nothing changes
        kube.delete("IngressRoute", "default", name)
        assert watch.next()["type"] == "DELETED"


def test_watch__bookmarks_allowed__carry_a_revision_that_moves_on(kube, name):
    with watching(kube, resourceVersion=revision(kube), allowWatchBookmarks="true") as watch:
        first = watch.next(skip=("ADDED",))
        kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}})
        assert first["type"] == "BOOKMARK"
        began = int(first["object"]["metadata"]["resourceVersion"])
        until(lambda: int(watch.next(skip=())["object"]["metadata"]["resourceVersion"]) > began, "a later bookmark")


def test_watch__old_revision__410_as_an_event(kube):
    with watching(kube, resourceVersion="1") as watch:
        event = watch.next()
        assert event["type"] == "ERROR" and event["object"]["code"] == 410 and event["object"]["reason"] == "Expired"
        assert watch.ended.wait(10)


# ---- writes ----

def test_update__nothing_changes__revision_stays(kube, name):
    created = kube.create(route(name)).body
    same = kube.request("PUT", f"{ROUTES}/{name}", created)
    assert same.ok and same.body["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_update__stale_revision__conflict(kube, name):
    created = kube.create(route(name)).body
    kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"a": "b"}}})
    answer = kube.request("PUT", f"{ROUTES}/{name}", created)
    assert answer.code == 409 and "the object has been modified" in answer.message


def test_status__written_by_subresource__spec_and_generation_stay(kube, name):
    created = kube.create(route(name)).body
    answer = kube.merge_patch("IngressRoute", "default", name,
                              {"status": {"currentStatus": "valid"}, "spec": {"routes": []}}, "status")
    assert answer.body["status"] == {"currentStatus": "valid"} and answer.body["spec"] == created["spec"]
    assert answer.body["metadata"]["generation"] == 1
    main = kube.merge_patch("IngressRoute", "default", name, {"status": {"currentStatus": "invalid"}})
    assert main.body["status"] == {"currentStatus": "valid"}


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_write__across_namespaces__not_allowed(kube, method):
    assert kube.request(method, "/api/v1/secrets", {"metadata": {"name": "s"}}).code == 405


@pytest.mark.parametrize("depth, code", [(200, 201), (300, 400), (100_000, 400)])
def test_create__deeply_nested__refused_before_it_is_read(kube, name, depth, code):
    pod = f'{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}},"spec":{{"x":{"[" * depth}{"]" * depth}}}}}'
    assert kube.request("POST", "/api/v1/namespaces/default/pods", pod.encode()).code == code


def test_delete__finalizer__waits_until_it_is_off(kube, name):
    kube.create(route(name, finalizers=["example.test/hold"]))
    kube.delete("IngressRoute", "default", name)
    assert kube.get("IngressRoute", "default", name)["metadata"]["deletionTimestamp"]
    assert kube.merge_patch("IngressRoute", "default", name, {"metadata": {"finalizers": None}}).ok
    assert kube.get("IngressRoute", "default", name) is None


def test_load__many_lines__listed_and_watched(kube, name):
    lines = "\n".join(json.dumps(route(f"{name}-{i}", labels={"load": name})) for i in range(300))
    with watching(kube, resourceVersion=revision(kube), labelSelector=f"load={name}") as watch:
        assert kube.request("POST", "/devkube/load", lines.encode()).body == {"loaded": 300}
        assert {watch.next()["object"]["metadata"]["name"] for _ in range(300)} == {f"{name}-{i}" for i in range(300)}
    assert len(kube.request("GET", ROUTES, labelSelector=f"load={name}").body["items"]) == 300


# ---- admission ----

class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.reviews.append(review)
        response = {"uid": review["request"]["uid"], "allowed": True, **self.server.verdict}
        raw = json.dumps({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def hook(tmp_path_factory):
    """An HTTPS server that records reviews and answers with `verdict`."""
    d = tmp_path_factory.mktemp("hook")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=hook", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1,DNS:hook.default.svc", "-keyout",
                    d / "key", "-out", d / "crt"], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(d / "crt", d / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.authority = base64.b64encode((d / "crt").read_bytes()).decode()
    server.reviews, server.verdict = [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def guarded(kube, hook, kind="Validating", verdict=None, url=None, **more):
    webhook = {"name": "hook.devkube.test", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
               "clientConfig": {"url": url or f"https://127.0.0.1:{hook.server_port}/", "caBundle": hook.authority},
               "rules": [{"apiGroups": ["contour.heptio.com"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                          "resources": ["ingressroutes"]}], **more}
    configuration = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind}WebhookConfiguration",
                     "metadata": {"name": "devkube-test"}, "webhooks": [webhook]}
    hook.reviews.clear()
    hook.verdict = verdict or {}
    assert kube.create(configuration).ok
    try:
        yield
    finally:
        kube.delete(configuration["kind"], None, "devkube-test")


def test_admission__denied__in_the_words_and_with_the_code_of_the_webhook(kube, hook, name):
    with guarded(kube, hook, verdict={"allowed": False, "status": {"code": 403, "message": "not yours"}}):
        answer = kube.create(route(name))
        assert answer.code == 403
        assert answer.message == 'admission webhook "hook.devkube.test" denied the request: not yours'
        assert kube.get("IngressRoute", "default", name) is None
    request = hook.reviews[0]["request"]
    assert request["operation"] == "CREATE" and request["object"]["spec"] and request["oldObject"] is None
    assert request["namespace"] == "default" and request["resource"]["resource"] == "ingressroutes"


def test_admission__warnings__reach_the_person(devkube, kube, hook, name):
    with guarded(kube, hook, verdict={"warnings": ['mind the "gap"']}):
        done = devkube.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(route(name)))
    assert 'Warning: mind the "gap"' in done.stderr


def test_admission__mutation__applied_before_validation(kube, hook, name):
    patch = json.dumps([{"op": "replace", "path": "/spec/virtualhost/fqdn", "value": "patched.test"}]).encode()
    verdict = {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    with guarded(kube, hook, "Mutating", verdict):
        assert kube.create(route(name)).body["spec"]["virtualhost"]["fqdn"] == "patched.test"


@pytest.mark.parametrize("policy, code", [("Fail", 500), ("Ignore", 201)])
def test_admission__webhook_is_down__failure_policy_decides(kube, hook, name, policy, code):
    with guarded(kube, hook, url="https://127.0.0.1:1/", failurePolicy=policy):
        answer = kube.create(route(name))
    assert answer.code == code
    if policy == "Fail":
        assert 'failed calling webhook "hook.devkube.test"' in answer.message


def test_admission__service_reference__reached_where_control_says(kube, hook, name):
    where = {"default/hook": f"127.0.0.1:{hook.server_port}"}
    assert kube.request("POST", "/devkube/services", where).ok
    config = {"service": {"namespace": "default", "name": "hook", "path": "/"}, "caBundle": hook.authority}
    with guarded(kube, hook, clientConfig=config):
        assert kube.create(route(name)).ok
    assert len(hook.reviews) == 1


def test_admission__selectors__only_what_they_name_is_reviewed(kube, hook, name):
    selector = {"matchExpressions": [{"key": "guard", "operator": "Exists"}]}
    with guarded(kube, hook, objectSelector=selector):
        kube.create(route(name))
        assert not hook.reviews
        kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"guard": "1"}}})
        assert len(hook.reviews) == 1
        kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"guard": None}}})
        assert len(hook.reviews) == 2
    with guarded(kube, hook, namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}):
        kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"a": "b"}}})
        assert not hook.reviews


def test_admission__dry_run__is_told_and_nothing_is_stored(kube, hook, name):
    with guarded(kube, hook):
        assert kube.create(route(name), dryRun="All").ok
    assert hook.reviews[0]["request"]["dryRun"] is True
    assert kube.get("IngressRoute", "default", name) is None


# ---- faults ----

def test_fault__conflict__strikes_as_often_as_said_and_only_there(kube, name):
    kube.create(route(name))
    fault(kube, fault="conflict", verbs=["write"], resource="ingressroutes/status", count=2)
    assert kube.merge_patch("IngressRoute", "default", name, {"metadata": {"labels": {"a": "b"}}}).ok
    codes = [kube.merge_patch("IngressRoute", "default", name, {"status": {"currentStatus": "valid"}}, "status").code
             for _ in range(3)]
    assert codes == [409, 409, 200]


def test_fault__too_many_requests__names_the_wait(kube):
    fault(kube, fault="too-many-requests", verbs=["list"], resource="ingressroutes", retryAfter=7)
    connection = kube._connect()
    connection.request("GET", ROUTES, headers={"Authorization": f"Bearer {kube.token}"})
    response = connection.getresponse()
    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    connection.close()
    assert kube.request("GET", ROUTES).ok


def test_fault__error_and_slow__as_described(kube):
    fault(kube, fault="error", verbs=["list"], code=503, message="gone fishing")
    answer = kube.request("GET", ROUTES)
    assert (answer.code, answer.message) == (503, "gone fishing")
    fault(kube, fault="slow", verbs=["list"], milliseconds=300)
    began = time.monotonic()
    assert kube.request("GET", ROUTES).ok
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("kind, done", [("drop", False), ("drop-answer", True)])
def test_fault__connection_dropped__before_or_after_the_deed(devkube, kube, name, kind, done):
    fault(kube, fault=kind, verbs=["create"], resource="ingressroutes")
    connection = kube._connect()
    connection.request("POST", ROUTES, json.dumps(route(name)),
                       {"Authorization": f"Bearer {kube.token}", "Content-Type": "application/json"})
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()
    assert (kube.get("IngressRoute", "default", name) is not None) == done


def test_fault__gone__next_watch_is_told_410(kube):
    fault(kube, fault="gone", resource="ingressroutes")
    with watching(kube, resourceVersion=revision(kube)) as watch:
        assert watch.next()["object"]["code"] == 410
    with watching(kube, resourceVersion=revision(kube), timeoutSeconds="1") as watch:
        assert watch.ended.wait(10) and watch.events.empty()


def test_fault__half_line__cut_and_closed(kube, name):
    with watching(kube, resourceVersion=revision(kube)) as watch:
        fault(kube, fault="half-line", resource="ingressroutes")
        kube.create(route(name))
        assert watch.ended.wait(10)
        assert watch.events.empty()
        with pytest.raises(ValueError):
            json.loads(watch.rest)


def test_fault__drop_watches__all_end_now_and_new_ones_live(kube, name):
    with watching(kube, resourceVersion=revision(kube)) as one, watching(kube, SECRETS) as two:
        fault(kube, fault="drop-watches")
        assert one.ended.wait(10) and two.ended.wait(10)
    with watching(kube, resourceVersion=revision(kube)) as watch:
        kube.create(route(name))
        assert watch.next()["type"] == "ADDED"


def test_fault__refuse__nothing_listens_for_a_while_and_nothing_is_lost(tmp_path):
    running = Devkube(tmp_path)
    with contextlib.closing(running.client()) as kube:
        before = revision(kube, SECRETS)
        fault(kube, fault="refuse", milliseconds=400)
        refused = []

        def back():
            try:
                return running.client().request("GET", SECRETS).ok
            except OSError as e:
                refused.append(e)
        until(back, "devkube to listen again")
        assert any(isinstance(e, ConnectionRefusedError) for e in refused)
        assert revision(kube, SECRETS) == before
    running.process.kill()


def test_fault__restart__watches_end_and_old_revisions_are_gone(tmp_path):
    running = Devkube(tmp_path)
    with contextlib.closing(running.client()) as kube:
        before = revision(kube, SECRETS)
        with watching(kube, SECRETS, resourceVersion=before) as watch:
            fault(kube, fault="restart", jump=5000)
            assert watch.ended.wait(10)
        until(lambda: running.client().ready(), "devkube to listen again")
        assert int(revision(kube, SECRETS)) == int(before) + 5000
        with watching(kube, SECRETS, resourceVersion=before) as watch:
            assert watch.next()["object"]["code"] == 410
        assert kube.get("Namespace", None, "default")
    running.process.kill()


def test_fault__unknown__refused_with_a_hint(kube):
    answer = kube.request("POST", "/devkube/faults", {"fault": "earthquake"})
    assert answer.code == 400 and "README" in answer.body["error"]


def test_requests__counted_by_verb_and_resource(kube, name):
    kube.request("DELETE", "/devkube/requests")
    kube.create(route(name))
    kube.merge_patch("IngressRoute", "default", name, {"status": {}}, "status")
    kube.get("IngressRoute", "default", name)
    assert kube.request("GET", "/devkube/requests").body == {
        "create ingressroutes": 1, "patch ingressroutes/status": 1, "get ingressroutes": 1}
