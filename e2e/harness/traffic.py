# SPDX-License-Identifier: Apache-2.0
"""An edge: gatehouse, an Envoy that takes its configuration from it, upstreams; and teams that write objects.

A team has a namespace of its own, whose name is part of its hosts: tests share an edge and do not meet.
"""

import http.client
import json
import re
import socket
import subprocess

from . import pki
from .basics import binary, until
from .client import Load, ask
from .envoy import Envoy
from .server import EnvoyPorts, Server, issue_certificates
from .upstream import Upstreams

API = "contour.heptio.com/v1beta1"


def upstream_address(cluster):
    """Where upstreams listen. A real API server refuses endpoints on loopback: there it is this machine's own address,
    to which packets do not leave it either."""
    if cluster.name == "devkube":
        return "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))  # asks for a route, sends nothing
        return s.getsockname()[0]


def start_configuration(xds_port, pair, admin, resources):
    """What `gatehouse bootstrap` writes for an Envoy with the certificate in the folder `pair`."""
    made = subprocess.run([binary("gatehouse"), "bootstrap", "-", "--xds-address", "127.0.0.1", "--xds-port", str(xds_port),
                           "--xds-cafile", pair / "ca.crt", "--xds-cert-file", pair / "tls.crt", "--xds-key-file",
                           pair / "tls.key", "--admin-address", admin, "--resources-dir", resources],
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return made.stdout


class Edge:
    def __init__(self, cluster, directory, envoy, flags=()):
        self.cluster, self.directory, self.envoy_path = cluster, directory, envoy
        self.kube = cluster.kube(patience=10)
        slices_v1 = self.kube.request("GET", "/apis/discovery.k8s.io/v1").ok
        self.slice_api = "discovery.k8s.io/v1" if slices_v1 else "discovery.k8s.io/v1beta1"
        self.upstreams = Upstreams(upstream_address(cluster))
        self.certificates = issue_certificates(directory / "pem")
        self.ports, self.flags = EnvoyPorts(), list(flags)
        self.servers, self.envoys, self.teams = [], [], []

    def server(self, name="gatehouse", wait=True, flags=()):
        server = Server(self.cluster, self.directory, [*self.flags, *flags], self.certificates, name,
                        envoy_ports=self.ports)
        self.servers.append(server)
        return server.start(wait)

    def envoy(self, xds_port, name="envoy", wait=True):
        """An Envoy as `gatehouse bootstrap` configures it, with the certificates of certgen."""
        pair = self.certificates.parent / "envoy-xds-tls"

        def bootstrap(admin):
            return start_configuration(xds_port, pair, admin, self.directory / f"{name}-resources")
        envoy = Envoy(self.envoy_path, self.directory, bootstrap, name)
        self.envoys.append(envoy)
        return envoy.start(wait)

    def start(self):
        self.envoy(self.server().xds_port)
        return self

    def close(self):
        for team in self.teams:
            team.close()
        for envoy in self.envoys:
            envoy.kill()
        for server in self.servers:
            server.stop()  # not killed: the Lease would be held on, and the next one's statuses wait for it
        self.upstreams.close()
        self.kube.close()

    def team(self, name):
        name = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") + f"-{len(self.teams)}"
        team = Team(self, name)
        self.teams.append(team)
        return team

    # ---- asking ----

    def ask(self, host, path="/", **request):
        return ask(self.ports.http, host, path, **request)

    def ask_tls(self, host, path="/", tls=None, **request):
        return ask(self.ports.https, host, path, tls=tls, **request)

    def until(self, question, what, timeout=15):
        """Ask until it is true; what fails in between (no route yet, no listener yet) is no answer."""
        last = None

        def tried():
            nonlocal last
            try:
                last = question()
            except (OSError, http.client.HTTPException) as e:
                last = repr(e)
                return False
            return last
        try:
            return until(tried, what, timeout, 0.02)
        except AssertionError as e:
            raise AssertionError(f"{e}; the last answer: {last}\n{self.story()}") from None

    def until_answer(self, host, path="/", status=200, who=None, timeout=15, **request):
        """Wait for an answer with this status, and from this upstream when one is named; returns it."""
        last = None

        def right():
            nonlocal last
            last = self.ask(host, path, **request)
            return last if last.status == status and (who is None or last.who == who) else None
        try:
            return self.until(right, f"{host}{path} to answer {status} {who or ''}", timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}\nthe last answer was {last}") from None

    def until_tls_answer(self, host, path="/", status=200, who=None, tls=None, **request):
        def right():
            answer = self.ask_tls(host, path, tls=tls, **request)
            return answer if answer.status == status and (who is None or answer.who == who) else None
        return self.until(right, f"https://{host}{path} to answer {status} {who or ''}")

    def load(self, host, path="/", tls=None, **options):
        return Load(self.ports.https if tls else self.ports.http, host, path, tls, **options)

    def story(self):
        """The ends of the logs, for failures."""
        logs = [(p.name, p.process.output()[-1500:]) for p in (*self.servers, *self.envoys) if p.process]
        return "\n".join(f"---- {name}:\n{text}" for name, text in logs)


class Team:
    def __init__(self, edge, namespace):
        self.edge, self.kube, self.namespace = edge, edge.kube, namespace
        self.made = []
        self.put("v1", "Namespace", namespace, {}, namespaced=False)

    def host(self, name):
        return f"{name}.{self.namespace}.test"

    def close(self):
        for kind, name in reversed(self.made):
            if kind == "EndpointSlice":
                self.kube.request("DELETE", self._slice_path(name))
            elif kind != "Namespace":
                self.kube.delete(kind, self.namespace, name)
        answer = self.kube.delete("Namespace", None, self.namespace)
        if answer.ok and answer.body.get("kind") == "Namespace" and answer.body["spec"].get("finalizers"):
            answer.body["spec"]["finalizers"] = []  # a real one waits for a controller that does not run here
            self.kube.request("PUT", self.kube.path("Namespace", None, self.namespace, "finalize"), answer.body)
        self.made = []

    def object(self, api, kind, name, content, annotations=None, namespaced=True):
        meta = {"name": name, "annotations": annotations or {}, "labels": {"gatehouse-e2e": "unguarded"}}
        if namespaced:
            meta["namespace"] = self.namespace
        return {"apiVersion": api, "kind": kind, "metadata": meta, **content}

    def put(self, api, kind, name, content, annotations=None, namespaced=True):
        self.made.append((kind, name))
        return self.kube.apply(self.object(api, kind, name, content, annotations, namespaced))

    def delete(self, kind, name):
        answer = self.kube.delete(kind, self.namespace, name)
        assert answer.ok, answer

    # ---- what a cluster's operator and controllers write ----

    def service(self, name, *upstreams, port=80, port_name=None, annotations=None, spec=None):
        """A Service with these upstreams behind it."""
        ports = [{"port": port, **({"name": port_name} if port_name else {})}]
        prefixed = {f"contour.heptio.com/{k}": v for k, v in (annotations or {}).items()}
        self.put("v1", "Service", name, {"spec": spec or {"ports": ports}}, prefixed)
        self.endpoints(name, *upstreams, port_name=port_name)
        return name

    def endpoints(self, service, *upstreams, port_name=None):
        """Exactly these upstreams are behind the Service: a slice for each, as their ports differ."""
        wanted = {f"{service}-{u.port}": u for u in upstreams}
        for kind, name in list(self.made):
            if kind == "EndpointSlice" and re.fullmatch(f"{service}-[0-9]+", name) and name not in wanted:
                self.kube.request("DELETE", self._slice_path(name))
                self.made.remove((kind, name))
        for name, upstream in wanted.items():
            if ("EndpointSlice", name) not in self.made:
                self.endpoint_slice(service, name, [{"addresses": [upstream.address], "conditions": {"ready": True}}],
                                    upstream.port, port_name)

    def endpoint_slice(self, service, name, endpoints, port, port_name=None):
        obj = self.object(self.edge.slice_api, "EndpointSlice", name, {
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{"port": port, "protocol": "TCP", "name": port_name or ""}]})
        obj["metadata"]["labels"]["kubernetes.io/service-name"] = service
        self.made.append(("EndpointSlice", name))
        answer = self.kube.request("POST", self._slice_path(), obj)
        assert answer.ok, answer

    def _slice_path(self, name=None):
        path = f"/apis/{self.edge.slice_api}/namespaces/{self.namespace}/endpointslices"
        return f"{path}/{name}" if name else path

    def certificate(self, name, *hosts, serial=0):
        """A Secret with a certificate for these hosts; returns the certificate, which is its own authority."""
        certificate, key = pki.pair(tuple(hosts), 365, serial)
        self.put("v1", "Secret", name, {"type": "kubernetes.io/tls", "data": {
            "tls.crt": pki._b64(certificate), "tls.key": pki._b64(key)}})
        return certificate

    def authority(self, name, certificate):
        self.put("v1", "Secret", name, {"type": "Opaque", "data": {"ca.crt": pki._b64(certificate)}})

    # ---- what people write, with kubectl ----

    def apply(self, *objects):
        for obj in objects:
            self.made.append((obj["kind"], obj["metadata"]["name"]))
        self.edge.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def route(self, name, fqdn=None, routes=(), tls=None, annotations=None, **spec):
        """An IngressRoute: a root when it has an fqdn. See route() for its routes."""
        if fqdn:
            spec["virtualhost"] = {"fqdn": fqdn, **({"tls": tls} if tls else {})}
        if routes:
            spec["routes"] = list(routes)
        return self.object(API, "IngressRoute", name, {"spec": spec}, annotations)

    def site(self, name, *routes, **options):
        """Apply a root for the host of that name; returns the host."""
        self.apply(self.route(name, self.host(name), routes, **options))
        return self.host(name)

    def ingress(self, name, host, *paths, annotations=None, tls=None):
        """An Ingress of one host (None: of all); a path is (path, type, service)."""
        rules = [{**({"host": host} if host else {}), "http": {"paths": [
            {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": 80}}}}
            for path, kind, service in paths]}}]
        return self.object("networking.k8s.io/v1", "Ingress", name,
                           {"spec": {"rules": rules, **({"tls": tls} if tls else {})}},
                           {"kubernetes.io/ingress.class": "contour", **(annotations or {})})


def route(match, *services, **options):
    """One route to Services, each a name (port 80) or what stands in `services`."""
    listed = [{"name": s, "port": 80} if isinstance(s, str) else {"port": 80, **s} for s in services]
    return {"match": match, **({"services": listed} if listed else {}), **options}
