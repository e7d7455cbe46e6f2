# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes client as small as the tests need: one persistent connection, JSON, warnings."""

import base64
import http.client
import json
import re
import ssl
import tempfile
import time
import urllib.parse

import yaml

# kind -> (path of the API group's version, resource, namespaced)
KINDS = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Service": ("/api/v1", "services", True),
    "Secret": ("/api/v1", "secrets", True),
    "Endpoints": ("/api/v1", "endpoints", True),
    "Event": ("/api/v1", "events", True),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1beta1", "endpointslices", True),  # both API servers have it
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses", True),
    "IngressClass": ("/apis/networking.k8s.io/v1", "ingressclasses", False),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases", True),
    "IngressRoute": ("/apis/contour.heptio.com/v1beta1", "ingressroutes", True),
    "TLSCertificateDelegation": ("/apis/contour.heptio.com/v1beta1", "tlscertificatedelegations", True),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "ValidatingWebhookConfiguration": ("/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", False),
    "MutatingWebhookConfiguration": ("/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", False),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
}


def api_version(kind):
    path = KINDS[kind][0]
    return path.removeprefix("/apis/").removeprefix("/api/")


class Answer:
    def __init__(self, code, body, warnings):
        self.code, self.body, self.warnings = code, body, warnings

    @property
    def message(self):
        return self.body.get("message", "") if isinstance(self.body, dict) else str(self.body)

    @property
    def ok(self):
        return 200 <= self.code < 300

    def __repr__(self):
        return f"<{self.code} {self.message or ''} warnings={self.warnings}>"


def parse_warning(value):
    """The text of a Warning header: 299 - "text" (RFC 7234, section 5.5)."""
    match = re.match(r'\s*\d{3} \S+ "((?:[^"\\]|\\.)*)"', value)
    return re.sub(r"\\(.)", r"\1", match.group(1)) if match else value


class Kube:
    """`patience`: for how many seconds a server that takes no connections is asked again."""

    def __init__(self, kubeconfig, timeout=30, patience=0):
        with open(kubeconfig) as f:
            config = yaml.safe_load(f)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        url = urllib.parse.urlsplit(cluster["server"])
        self.host, self.port, self.timeout, self.patience = url.hostname, url.port, timeout, patience
        self.token = user.get("token")
        self.tls = None
        if url.scheme == "https":
            self.tls = self._tls(cluster, user)
        self.connection = None

    @staticmethod
    def _tls(cluster, user):
        if "certificate-authority-data" in cluster:
            authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
            context = ssl.create_default_context(cadata=authority)
        elif "certificate-authority" in cluster:
            context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        else:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(base64.b64decode(user["client-certificate-data"]))
                pem.write(base64.b64decode(user["client-key-data"]))
                pem.flush()
                context.load_cert_chain(pem.name)
        return context

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def _connect(self):
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def _exchange(self, method, path, data, headers):
        deadline = time.monotonic() + self.patience
        while True:
            # A kept connection may have been closed by the other side: that is worth a second try in any case.
            fresh = self.connection is None
            try:
                self.connection = self.connection or self._connect()
                self.connection.request(method, path, data, headers)
                response = self.connection.getresponse()
                return response, response.read()
            except (http.client.HTTPException, OSError) as e:
                self.close()
                if isinstance(e, ssl.SSLCertVerificationError) or (fresh and time.monotonic() > deadline):
                    raise
                time.sleep(0.02 if fresh else 0)

    def request(self, method, path, body=None, content_type="application/json", **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = content_type
        response, raw = self._exchange(method, path, data, headers)
        warnings = [parse_warning(w) for w in response.headers.get_all("Warning", [])]
        try:
            parsed = json.loads(raw) if raw else {}
        except ValueError:
            parsed = {"message": raw.decode(errors="replace")}
        return Answer(response.status, parsed, warnings)

    @staticmethod
    def path(kind, namespace=None, name=None, subresource=None):
        group, resource, namespaced = KINDS[kind]
        parts = [group]
        if namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(resource)
        parts += [p for p in (name, subresource) if p]
        return "/".join(parts)

    def path_of(self, obj, subresource=None):
        meta = obj["metadata"]
        return self.path(obj["kind"], meta.get("namespace"), meta["name"], subresource)

    def get(self, kind, namespace, name):
        """The object, or None when there is none."""
        answer = self.request("GET", self.path(kind, namespace, name))
        if answer.code == 404:
            return None
        assert answer.ok, f"GET {kind} {namespace}/{name}: {answer}"
        return answer.body

    def list(self, kind, namespace=None):
        answer = self.request("GET", self.path(kind, namespace))
        assert answer.ok, f"LIST {kind}: {answer}"
        return answer.body.get("items") or []

    def create(self, obj, **query):
        meta = obj["metadata"]
        return self.request("POST", self.path(obj["kind"], meta.get("namespace")), obj, **query)

    def replace(self, obj, **query):
        """PUT on top of what is stored (its resourceVersion, and what the API server allots); repeated on a conflict."""
        for _ in range(10):
            meta = obj["metadata"]
            stored = self.get(obj["kind"], meta.get("namespace"), meta["name"])
            assert stored, f"{obj['kind']} {meta} is gone"
            new = {**obj, "metadata": {**meta, "resourceVersion": stored["metadata"]["resourceVersion"]}}
            if obj["kind"] == "Service":
                kept = {k: v for k, v in stored.get("spec", {}).items() if k in ("clusterIP", "clusterIPs")}
                if new["spec"].get("type") != "ExternalName":
                    new["spec"] = {**kept, **new["spec"]}
            answer = self.request("PUT", self.path_of(obj), new, **query)
            if answer.code != 409:
                return answer
        return answer

    def merge_patch(self, kind, namespace, name, patch, subresource=None, **query):
        return self.request("PATCH", self.path(kind, namespace, name, subresource), patch,
                            "application/merge-patch+json", **query)

    def apply(self, obj):
        """Create or replace, for set-up: must succeed.

        Looked up before: a POST of what exists is judged as a newcomer before it is found to exist."""
        meta = obj["metadata"]
        if self.get(obj["kind"], meta.get("namespace"), meta["name"]):
            answer = self.replace(obj)
        else:
            answer = self.create(obj)
        assert answer.ok, f"{obj['kind']} {obj['metadata']['name']}: {answer}"
        return answer.body

    def delete(self, kind, namespace, name):
        return self.request("DELETE", self.path(kind, namespace, name))

    def ready(self):
        try:
            return self.request("GET", "/readyz").code == 200
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, http.client.HTTPException):
            return False
