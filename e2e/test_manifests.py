# SPDX-License-Identifier: Apache-2.0
"""The manifests: they build, fit together, install, install again, and give gatehouse the rights that it needs and no more."""

import base64
import subprocess

import pytest
import yaml

from harness import pki
from harness.basics import Process, binary, free_port, until
from harness.cluster import MANIFESTS, NAMESPACE, RealKube, manifest
from harness.server import issue_certificates

OVERLAYS = ["", *sorted(f"overlays/{p.name}" for p in (MANIFESTS / "overlays").iterdir())]


def build(path):
    """The objects that kubectl would apply."""
    done = subprocess.run(["kubectl", "kustomize", MANIFESTS / path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def kustomize():
    version = subprocess.run(["kubectl", "version", "--client", "-o", "yaml"], capture_output=True, text=True)
    if "kustomizeVersion" not in version.stdout:
        pytest.skip("this kubectl's kustomize is older than v4.5 and does not read directories as resources")


@pytest.fixture
def configurations(pool):
    """The webhook configurations are the test's to make and change."""
    pool.stop()
    yield
    pool.stop()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize__every_overlay__builds_all_parts(kustomize, overlay):
    objects = build(overlay)
    names = [(o["apiVersion"], o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names))
    kinds = {o["kind"] for o in objects}
    assert {"Namespace", "CustomResourceDefinition", "ClusterRole", "Role", "ServiceAccount", "Service", "Deployment",
            "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "PodDisruptionBudget",
            "NetworkPolicy"} <= kinds
    # Who keeps the certificates: certgen at once and daily, or somebody else and no certgen at all.
    assert kinds & {"Job", "CronJob", "Certificate"} in ({"Job", "CronJob"}, {"Certificate"})
    assert ("Certificate" in kinds) != ("gatehouse-certgen" in {name for *_, name in names})


# ---- pods ----

def pods(objects):
    """(object, its pod's spec) for all that makes pods."""
    jobs = [(o, o["spec"]["jobTemplate"]["spec"]["template"]["spec"]) for o in objects if o["kind"] == "CronJob"]
    return jobs + [(o, o["spec"]["template"]["spec"]) for o in objects if o["kind"] in ("Deployment", "DaemonSet", "Job")]


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods__every_overlay__meet_restricted_but_for_envoys_ports(kustomize, overlay):
    """Pod Security Standards, "restricted", as far as our pods touch on it."""
    for obj, pod in pods(build(overlay)):
        who = f"{overlay} {obj['kind']}/{obj['metadata']['name']}"
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] > 0, who
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, who
        assert not pod.get("hostPID") and not pod.get("hostIPC"), who
        assert {next(k for k in v if k != "name") for v in pod.get("volumes", [])} <= {"secret", "emptyDir"}, who
        on_host = [p for c in containers(pod) for p in c.get("ports", []) if "hostPort" in p]
        assert obj["kind"] == "DaemonSet" or not (on_host or pod.get("hostNetwork")), who
        for container in containers(pod):
            own = container["securityContext"]
            assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                           "capabilities": {"drop": ["ALL"]}}, (who, container["name"])
            assert container["resources"]["limits"]["memory"], (who, container["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods__every_overlay__names_that_are_used_are_there(kustomize, overlay):
    objects = build(overlay)
    accounts = {o["metadata"]["name"] for o in objects if o["kind"] == "ServiceAccount"}
    for obj, pod in pods(objects):
        volumes = {v["name"] for v in pod.get("volumes", [])}
        assert pod["serviceAccountName"] in accounts
        for container in containers(pod):
            assert {m["name"] for m in container.get("volumeMounts", [])} <= volumes
            names = {p["name"] for p in container.get("ports", [])}
            for probe in ("livenessProbe", "readinessProbe"):
                assert container.get(probe, {}).get("httpGet", {}).get("port") in names | {None}
        ports = [p["name"] for c in containers(pod) for p in c.get("ports", [])]
        assert len(ports) == len(set(ports))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_and_policies__every_overlay__select_pods_that_have_the_ports(kustomize, overlay):
    objects = build(overlay)

    def ports_of(selector):
        selected = [(o, p) for o, p in pods(objects) if o["kind"] not in ("Job", "CronJob")
                    and selector.items() <= o["spec"]["template"]["metadata"]["labels"].items()]
        assert len(selected) == 1, selector
        return {p["name"] for c in containers(selected[0][1]) for p in c.get("ports", [])}
    for obj in objects:
        spec = obj.get("spec", {})
        if obj["kind"] == "Service":
            assert {p["targetPort"] for p in spec["ports"]} <= ports_of(spec["selector"]), obj["metadata"]["name"]
        if obj["kind"] == "NetworkPolicy":
            wanted = {p["port"] for rule in spec["ingress"] for p in rule["ports"]}
            assert wanted <= ports_of(spec["podSelector"]["matchLabels"]), obj["metadata"]["name"]


def test_namespace__envoy_in_a_pod_of_its_own__alone_loosens_pod_security(kustomize):
    for overlay in OVERLAYS:
        objects = build(overlay)
        labels = next(o for o in objects if o["kind"] == "Namespace")["metadata"]["labels"]
        expected = "privileged" if any(o["kind"] == "DaemonSet" for o in objects) else "restricted"
        assert labels["pod-security.kubernetes.io/enforce"] == expected, overlay


@pytest.mark.parametrize("overlay", [o for o in OVERLAYS if o != "overlays/gate-only"])
def test_envoy__every_overlay__its_bootstrap_fits_its_pod_and_has_no_token(kustomize, overlay):
    obj, pod = next((o, p) for o, p in pods(build(overlay)) if any(c["name"] == "envoy" for c in p["containers"]))
    bootstrap, envoy = pod["initContainers"][0], next(c for c in pod["containers"] if c["name"] == "envoy")
    assert obj["kind"] != "DaemonSet" or pod["automountServiceAccountToken"] is False
    mounts = {c["name"]: {m["mountPath"]: m["name"] for m in c["volumeMounts"]} for c in (bootstrap, envoy)}
    secret = next(v for v in pod["volumes"] if v["name"] == mounts["envoy"]["/certs/xds"])
    assert secret["secret"]["secretName"] == "envoy-xds-tls"
    for path in ("/config", "/certs/xds"):
        assert mounts["bootstrap"][path] == mounts["envoy"][path]
    assert "/admin" in mounts["envoy"] and bootstrap["args"][1] == envoy["args"][1] == "/config/envoy.json"


@pytest.mark.parametrize("overlay", [o for o in OVERLAYS if o != "overlays/gate-only"])
def test_envoy__bootstrap_as_its_pod_runs_it__is_what_envoy_takes(kustomize, envoy_binary, overlay, tmp_path):
    """The init container's command, with the volumes as folders here."""
    pod = next(p for _, p in pods(build(overlay)) if any(c["name"] == "envoy" for c in p["containers"]))
    certificates = issue_certificates(tmp_path / "pem").parent / "envoy-xds-tls"
    args = [a.replace("/config/", f"{tmp_path}/").replace("/certs/xds", str(certificates))
            for a in pod["initContainers"][0]["args"]]
    done = subprocess.run([binary("gatehouse"), *args], capture_output=True, text=True,
                          env={"GATEHOUSE_NODE_ID": "envoy-1", "GATEHOUSE_OVERLOAD_MAX_HEAP": str(1 << 30)})
    assert done.returncode == 0, done.stderr
    done = subprocess.run([envoy_binary, "--mode", "validate", "-c", tmp_path / "envoy.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name, allowed", [
    ("crds/ingressroutes.yaml", {"format"}), ("crds/tlscertificatedelegations.yaml", set())])
def test_crd__schema__types_and_descriptions_without_bounds(name, allowed):
    crd = next(manifest(name))
    forbidden = {"pattern", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "format",
                 "x-kubernetes-validations", "x-kubernetes-preserve-unknown-fields"} - allowed

    def walk(schema, path):
        assert not forbidden & set(schema), f"{path}: {forbidden & set(schema)} would hide our messages"
        assert "type" in schema, path
        for field, sub in schema.get("properties", {}).items():
            if path or field in ("spec", "status"):
                assert sub.get("description"), f"{path}.{field} has no description"
                walk(sub, f"{path}.{field}")
        if "items" in schema:
            walk(schema["items"], f"{path}[]")
    assert crd["apiVersion"] == "apiextensions.k8s.io/v1" and crd["spec"]["preserveUnknownFields"] is False
    version = crd["spec"]["versions"][0]
    assert version["name"] == "v1beta1" and version["subresources"] == {"status": {}}
    walk(version["schema"]["openAPIV3Schema"], "")


def test_webhooks__rules__never_what_heals_a_cluster():
    for configuration in manifest("base/webhooks.yaml"):
        for webhook in configuration["webhooks"]:
            assert webhook["sideEffects"] == "None" and webhook["timeoutSeconds"] == 5
            assert "caBundle" not in webhook["clientConfig"]
            strict = webhook["failurePolicy"] == "Fail"
            for rule in webhook["rules"]:
                assert set(rule["operations"]) == {"CREATE", "UPDATE"}
                assert not any("/" in r or r in ("secrets", "leases", "*") for r in rule["resources"])
                assert strict == (rule["apiGroups"] == ["contour.heptio.com"] and configuration["kind"].startswith("Val"))


def test_install__kubectl_apply__twice_and_the_bundle_stays(kustomize, configurations, cluster, kube):
    if not isinstance(cluster, RealKube):
        pytest.skip("devkube does not serve Deployments, RBAC and the like; make e2e runs this on a real API server")
    version = kube.request("GET", "/version").body
    overlay = "overlays/kubernetes-1.20" if int(version["minor"].rstrip("+")) < 21 else ""
    cluster.kubectl("apply", "-k", MANIFESTS / overlay)
    bundle = base64.b64encode(pki.pair(("ca.example",), 365)[0]).decode()
    kinds = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
    for kind in kinds:
        count = len(yaml.safe_load(cluster.kubectl("get", kind, "gatehouse", "-o", "yaml")[1])["webhooks"])
        for i in range(count):
            patch = f'[{{"op":"add","path":"/webhooks/{i}/clientConfig/caBundle","value":"{bundle}"}}]'
            cluster.kubectl("patch", kind, "gatehouse", "--type=json", "-p", patch, check=False)
    before = [cluster.kubectl("get", kind, "gatehouse", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}")[1]
              for kind in kinds]
    cluster.kubectl("apply", "-k", MANIFESTS / overlay)
    after = [cluster.kubectl("get", kind, "gatehouse", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}")[1]
             for kind in kinds]
    assert all(before) and before == after


@pytest.fixture(scope="module")
def cert_manager(cluster, kube):
    """As much of cert-manager as it takes to apply objects of its kinds."""
    names = {"certificates": "Certificate", "issuers": "Issuer"}
    for plural, kind in names.items():
        kube.apply({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": {"name": f"{plural}.cert-manager.io"},
                    "spec": {"group": "cert-manager.io", "scope": "Namespaced",
                             "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}})
    for plural in names:
        until(lambda p=plural: kube.request("GET", f"/apis/cert-manager.io/v1/{p}").ok, f"the API server to serve {plural}")
    yield
    for plural in names:
        kube.delete("CustomResourceDefinition", None, f"{plural}.cert-manager.io")


def test_cert_manager__its_overlay__asks_for_what_certgen_would_issue(kustomize, configurations, cert_manager, cluster, kube,
                                                                       tmp_path):
    issue_certificates(tmp_path / "pem")
    objects = build("overlays/cert-manager")
    wanted = {o["spec"]["secretName"]: o["spec"] for o in objects
              if o["kind"] == "Certificate" and not o["spec"].get("isCA")}
    assert wanted.keys() == {"gatehouse-webhook-tls", "gatehouse-xds-tls", "envoy-xds-tls"}
    for secret, spec in wanted.items():
        text = subprocess.check_output(["openssl", "x509", "-in", tmp_path / "pem" / secret / "tls.crt", "-noout", "-ext",
                                        "subjectAltName,extendedKeyUsage"], text=True)
        for name in spec["dnsNames"]:
            assert f"DNS:{name}" in text, (secret, name)
        assert len(spec["dnsNames"]) == text.count("DNS:")
        assert ("server auth" in spec["usages"]) == ("Server Authentication" in text), secret
        assert ("client auth" in spec["usages"]) == ("Client Authentication" in text), secret
    injected = [o for o in objects if o["kind"].endswith("WebhookConfiguration")]
    issued = next(o for o in objects if o["kind"] == "Certificate" and o["spec"]["secretName"] == "gatehouse-webhook-tls")
    assert len(injected) == 2
    for o in injected:
        source = o["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert source == f"{NAMESPACE}/{issued['metadata']['name']}"
    ours = [o for o in objects if o["apiVersion"] == "cert-manager.io/v1"]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([*ours, *injected]))
    # Now certgen, by mistake: what cert-manager has made is left alone.
    for secret in wanted:
        pair = {key: pki._b64((tmp_path / "pem" / secret / key).read_bytes()) for key in ("ca.crt", "tls.crt", "tls.key")}
        kube.apply({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": pair,
                    "metadata": {"name": secret, "namespace": NAMESPACE,
                                 "annotations": {"cert-manager.io/certificate-name": secret.removesuffix("-tls")}}})
    try:
        done = subprocess.run([binary("gatehouse"), "certgen", "--kube", "--kubeconfig", cluster.kubeconfig, "--namespace",
                               NAMESPACE], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.count("left alone: cert-manager") == 5, done.stdout + done.stderr
        assert kube.get("Secret", NAMESPACE, "gatehouse-ca") is None
    finally:
        for secret in wanted:
            kube.delete("Secret", NAMESPACE, secret)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_install__every_overlay__the_api_server_takes_it(kustomize, configurations, cert_manager, cluster, kube, overlay):
    if not isinstance(cluster, RealKube):
        pytest.skip("devkube does not serve Deployments, RBAC and the like; make e2e runs this on a real API server")
    def served(obj):
        api = obj["apiVersion"]
        listed = kube.request("GET", f"/apis/{api}" if "/" in api else f"/api/{api}").body
        return obj["kind"] in {r["kind"] for r in listed.get("resources", [])}
    objects = [o for o in build(overlay) if served(o)]
    assert {o["kind"] for o in build(overlay)} - {o["kind"] for o in objects} <= {"PodDisruptionBudget", "CronJob"}
    said = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(objects))[2]
    assert "Warning" not in said, said


def test_certgen__in_a_cluster__issues_patches_and_leaves_alone(configurations, cluster, kube, tmp_path):
    kubeconfig = cluster.kubeconfig
    if isinstance(cluster, RealKube):
        kubeconfig = tmp_path / "certgen-kubeconfig"
        cluster.write_server_kubeconfig(kubeconfig, "gatehouse-certgen")
    secrets = ("gatehouse-ca", "gatehouse-webhook-tls", "gatehouse-xds-tls", "envoy-xds-tls")
    for configuration in manifest("base/webhooks.yaml"):
        for webhook in configuration["webhooks"]:
            webhook["objectSelector"] = {"matchLabels": {"nothing": "matches"}}
        kube.apply(configuration)
    try:
        run = lambda: subprocess.run([binary("gatehouse"), "certgen", "--kube", "--kubeconfig", kubeconfig,
                                      "--namespace", NAMESPACE], capture_output=True, text=True)
        first = run()
        assert first.returncode == 0, first.stdout + first.stderr
        stored = {name: kube.get("Secret", NAMESPACE, name) for name in secrets}
        assert all(stored.values()), f"missing: {[n for n, s in stored.items() if not s]}"
        for name in secrets[1:]:
            assert stored[name]["type"] == "kubernetes.io/tls" and set(stored[name]["data"]) == {"ca.crt", "tls.crt", "tls.key"}
        assert stored["gatehouse-ca"]["type"] not in ("Opaque", "kubernetes.io/tls")
        bundle = stored["gatehouse-webhook-tls"]["data"]["ca.crt"]
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
            for webhook in kube.get(kind, None, "gatehouse")["webhooks"]:
                assert webhook["clientConfig"].get("caBundle") == bundle, webhook["name"]
        again = run()
        assert again.returncode == 0, again.stdout + again.stderr
        for name in secrets:
            now = kube.get("Secret", NAMESPACE, name)
            assert now["metadata"]["resourceVersion"] == stored[name]["metadata"]["resourceVersion"], name
        for text in (first.stdout + first.stderr, again.stdout + again.stderr):
            assert "PRIVATE KEY" not in text
    finally:
        for name in secrets:
            kube.delete("Secret", NAMESPACE, name)


def test_rbac__server__may_not_write_what_users_write(cluster):
    if not isinstance(cluster, RealKube):
        pytest.skip("devkube has no RBAC; make e2e runs this on a real API server")
    account = f"system:serviceaccount:{NAMESPACE}:gatehouse"
    can = lambda *args: cluster.kubectl("auth", "can-i", *args, "--as", account, check=False)[1].strip() == "yes"
    assert can("list", "ingressroutes.contour.heptio.com", "-A")
    assert can("patch", "ingressroutes.contour.heptio.com", "--subresource=status", "-n", "default")
    for verb, resource in [("update", "ingressroutes.contour.heptio.com"), ("create", "pods"), ("update", "secrets"),
                           ("delete", "secrets"), ("update", "namespaces"), ("create", "secrets"), ("patch", "leases")]:
        assert not can(verb, resource, "-n", "default"), (verb, resource)
    until(lambda: can("create", "leases", "-n", NAMESPACE), "the Role to hold")


def waits_for_the_end(argv, log):
    process = Process([*argv, "--serve-address=127.0.0.1", f"--serve-port={free_port()}"], log)
    try:
        until(lambda: "waiting for the end" in process.output(), f"{argv} to start: {process.output()}")
    finally:
        process.kill()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_arguments__of_our_containers__are_known_to_the_program(kustomize, overlay, tmp_path):
    ours = [c for _, pod in pods(build(overlay)) for c in containers(pod) if c["image"].startswith("gatehouse:")]
    assert len(ours) >= 2
    for container in ours:
        argv = [binary("gatehouse"), *container["args"]]
        if "shutdown-manager" in container["args"]:
            waits_for_the_end(argv, tmp_path / "log")
            continue
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, env={"PATH": "/usr/bin"})
        # Outside of a cluster they cannot work; an option that is not known would be 2.
        assert done.returncode == 1, (container["name"], done.stderr)
