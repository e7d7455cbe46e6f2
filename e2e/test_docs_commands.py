# SPDX-License-Identifier: Apache-2.0
"""Each command on a page does what the page says: typed in order, into one shell, on a cluster where gatehouse is installed.

The cluster is devkube, kubectl the real one; harness/installed.py does what controllers and kubelets would. What cannot
run here stands in EXCUSED with its reason; an entry that fits no command any more fails, as does a command that fails."""

import itertools
import re
import shutil
import sys
import warnings

import pytest
import yaml

from harness import pages
from harness.basics import ROOT, Process, binary, free_port, until
from harness.client import ask
from harness.cluster import Devkube
from harness.envoy import envoy_binary
from harness.installed import Installation
from harness.port_forward import write_kubectl
from harness.venv import Missing
from test_manifests import kustomize  # noqa: F401, a fixture

PAGES = ["README.md", "CONTRIBUTING.md", "examples/README.md",
         *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]

# (page, command as it begins) -> why it does not run here.
EXCUSED = {
    ("README.md", "make demo"): "test_demo.py runs it",
    ("CONTRIBUTING.md", "make hooks"): "changes the repository's configuration",
    ("CONTRIBUTING.md", "make test"): "this is a part of it",
    ("CONTRIBUTING.md", "make lint"): "has a run of its own in .ci/",
    ("docs/install.md", "curl -H 'Host: shop.example.com' http://NODE/"): "no nodes here: test_examples.py asks an Envoy",
    ("docs/install.md", "envoy -c envoy.json"): "test_bootstrap.py starts Envoys with what bootstrap writes",
    ("docs/install.md", "make image"): "needs a builder of images; test_image.py looks at what it would hold",
    ("docs/install.md", "make rootfs"): "test_image.py runs it",
    ("docs/troubleshooting.md", "dot "): "needs Graphviz",
}

# (page, command as it begins) -> exit code, where the page shows a refusal or findings.
NOT_ZERO = {
    ("README.md", "kubectl apply -f e2e/demo/4-copy.yaml"): 1,
    ("README.md", "gatehouse explain http://www.example.com/blog"): 1,  # team B has nothing there yet
    ("docs/install.md", "gatehouse explain http://shop.example.com/hostname"): 1,  # no pods here: no endpoints
}

# (page, command as it begins) -> what is in its answer, or in the file that it writes: a sign that it is the right answer.
SIGNS = {
    ("examples/README.md", "gatehouse lint"): "0 errors",
    ("examples/README.md", "kubectl -n tenant describe"): "it takes over when that one is deleted",
    ("docs/certificates.md", "gatehouse certgen --kube --dry-run"): "gatehouse-webhook-tls",
    ("docs/certificates.md", "kubectl -n gatehouse-system get secret"): "notAfter=",
    ("docs/install.md", "kubectl -n gatehouse-system rollout status daemonset"): "successfully rolled out",
    ("docs/install.md", "gatehouse explain"): "no endpoint",
    ("docs/install.md", "curl http://127.0.0.1:6060/debug/xds"): "heldHosts",
    ("docs/monitoring.md", "promtool"): "SUCCESS",
    ("docs/troubleshooting.md", "gatehouse explain"): "10.1.2.3:8080",
    ("docs/troubleshooting.md", "gatehouse tree"): "/blog -> IngressRoute team-b/blog",
    ("docs/troubleshooting.md", "kubectl gatehouse tree"): "/blog -> IngressRoute team-b/blog",
    ("docs/troubleshooting.md", "curl http://127.0.0.1:6060/debug/findings"): "Orphaned",
    ("docs/troubleshooting.md", "curl http://127.0.0.1:6060/debug/xds"): "heldHosts",
    ("docs/troubleshooting.md", "curl 'http://127.0.0.1:6060/debug/dag"): "digraph",
    ("docs/troubleshooting.md", "gatehouse cli rds"): "ingress_http",
    ("docs/troubleshooting.md", "kubectl -n team-b describe"): "valid IngressRoute",
}

SITE = """apiVersion: contour.heptio.com/v1beta1
kind: IngressRoute
metadata: {name: site}
spec:
  virtualhost: {fqdn: www.example.com}
  routes: [{match: /, services: [{name: web, port: 80}]}]
"""


def endpoint(namespace, service, address, port):
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {service}, namespace: {namespace}, labels: {{kubernetes.io/service-name: {service}}}}}
addressType: IPv4
endpoints: [{{addresses: [{address}], conditions: {{ready: true}}}}]
ports: [{{name: "", port: {port}, protocol: TCP}}]
"""


class Bare(Devkube):
    """Without our CRDs."""

    def install_crds(self):
        pass


class World:
    """A folder with a copy of what a reader has, a cluster, an installation on it unless the page is about that."""

    def __init__(self, directory):
        self.directory, self.reader, self.processes = directory, None, []
        self.written_as, self.left_out = {}, None  # what a page writes -> what it is here; a command that cannot be typed
        self.tree, self.path = directory / "gatehouse", directory / "bin"
        self.path.mkdir()
        for folder in ("manifests", "examples", "e2e/demo"):
            shutil.copytree(ROOT / folder, self.tree / folder)
        for name, program in (("gatehouse", binary("gatehouse")), ("kubectl-gatehouse", ROOT / "cmd/kubectl-gatehouse")):
            (self.path / name).symlink_to(program)
        self.cluster = Bare(directory / "devkube")
        self.installation = Installation(self.cluster, directory / "pods")

    def kubectl(self, *args, **more):
        return self.cluster.kubectl(*args, **more)[1]

    def install(self):
        self.kubectl("apply", "-k", self.tree / "manifests")
        self.until(lambda: self.installation.server, "gatehouse to be installed")
        self.until(lambda: self.kubectl("create", "namespace", "probe", "--dry-run=server"), "the webhook")

    def until(self, question, what):
        def look():
            self.installation.step()
            return question()
        return until(look, what, 20, 0.02)

    def read(self, **more):
        self._write_kubectl()
        self.reader = pages.Reader(self.tree, self.path, {"KUBECONFIG": str(self.cluster.kubeconfig), **more}, self._step)
        return self.reader

    def _step(self):
        before = self.installation.server
        self.installation.step()
        if self.installation.server is not before:
            self._write_kubectl()

    def _write_kubectl(self):
        server = self.installation.server
        ports = {6060: server.debug_port, 8000: server.http_port, 8001: server.xds_port} if server else {}
        made = yaml.safe_load_all(self.kubectl("kustomize", self.tree / "manifests"))
        targets = {f"{o['kind'].lower()}/{o['metadata']['name']}" for o in made if o["kind"] in ("Deployment", "Service")}
        write_kubectl(self.path, shutil.which(self.cluster.kubectl_binary), self.directory / "reader", targets, ports)

    def demo(self, *numbers):
        for number in numbers:
            self.kubectl("apply", "-f", next((self.tree / "e2e/demo").glob(f"{number}-*.yaml")))

    def await_status(self, namespace, name, status):
        def is_so():
            return self.kubectl("get", "ir", "-n", namespace, name, "-o", "jsonpath={.status.currentStatus}") == status
        self.until(is_so, f"{namespace}/{name} to be {status}")

    def close(self):
        if self.reader:
            self.reader.close()
        self.installation.stop()
        for process in self.processes:
            process.kill()
        self.cluster.stop()


@pytest.fixture
def world(tmp_path, request):
    if request.config.getoption("--cluster") != "devkube":
        pytest.skip("the pages' cluster is made of devkube: a Service leads to no pod of ours on a kube-apiserver alone")
    made = World(tmp_path)
    yield made
    made.close()


# ---- what a page takes for granted ----

def _demo(world):
    """The objects of the tour, as they are at its end."""
    world.demo(1, 2, 6, 7, 8)
    for namespace, name, status in (("team-a", "site", "valid"), ("team-b", "blog", "valid"), ("team-b", "forgotten", "orphaned")):
        world.await_status(namespace, name, status)


def _policy(world):
    """A site, and team B's manifest of its own."""
    world.demo(1)
    world.kubectl("create", "service", "clusterip", "web", "--tcp=80:80", "-n", "team-b")
    world.kubectl("apply", "-n", "team-a", "-f", "-", stdin=SITE)
    world.await_status("team-a", "site", "valid")
    (world.tree / "site.yaml").write_text(SITE)


def _endpoints(world):
    """The tour's objects, and a pod behind the blog."""
    _demo(world)
    world.kubectl("apply", "-f", "-", stdin=endpoint("team-b", "blog", "10.1.2.3", 8080))


def _monitors(world):
    """The kinds of the Prometheus operator."""
    for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"):
        plural = f"{kind.lower()}s"
        world.kubectl("apply", "-f", "-", stdin=f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {{plural: {plural}, kind: {kind}}}
  versions:
    - {{name: v1, served: true, storage: true,
       schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}
""")


def _early(world):
    """The tour before team B fills /blog, with an Envoy where one can be had."""
    world.demo(1, 2, 8)
    world.await_status("team-a", "site", "valid")
    world.await_status("team-b", "forgotten", "orphaned")
    port = free_port()
    world.processes.append(Process([sys.executable, ROOT / "e2e/demo/upstream.py", "127.0.0.1", f"{port}=web"],
                                   world.directory / "upstream.log"))
    world.kubectl("apply", "-f", "-", stdin=endpoint("team-a", "web", "127.0.0.1", port))
    try:
        world.installation.start_envoy(envoy_binary())
    except Missing as e:
        warnings.warn(f"README.md's request is left out, no Envoy: {e}")
        world.left_out = "curl --connect-to"
        return
    there = world.installation.server.envoy_ports.http
    world.written_as["127.0.0.1:48021"] = f"127.0.0.1:{there}"
    world.until(lambda: ask(there, "www.example.com").status == 200, "Envoy's answer")


TAKES_FOR_GRANTED = {"README.md": _early, "docs/policy.md": _policy, "docs/troubleshooting.md": _endpoints,
                     "docs/monitoring.md": _monitors}
BEGINS_WITHOUT_US = ENDS_WITHOUT_US = {"docs/install.md"}


# ---- what it has come to at its end ----

def _handed_over(world):
    world.await_status("team-b", "site", "valid")
    assert world.kubectl("get", "ir", "-n", "team-b", "site", "-o", "jsonpath={.status.claim.fqdn}") == "www.example.com"


def _moved(world):
    world.await_status("tenant", "moving", "valid")


def _uninstalled(world):
    left = world.kubectl("get", "crds,clusterroles,validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name")
    assert not left


COMES_TO = {"examples/README.md": _moved, "docs/policy.md": _handed_over, "docs/install.md": _uninstalled}


# ---- the tests ----

def _entry(table, command):
    """The key of a table that fits a command, or None."""
    fits = [key for key in table if key[0] == command.page and command.text.startswith(key[1])]
    assert len(fits) <= 1, f"{command}: {fits}"
    return fits[0] if fits else None


ALL = {page: pages.commands(ROOT / page, page) + ([] if page in ENDS_WITHOUT_US else pages.looks(ROOT / page, page))
       for page in PAGES}


@pytest.mark.parametrize("page", [page for page in PAGES if any(not _entry(EXCUSED, c) for c in ALL[page])])
def test_page__its_commands_in_order__do_what_it_says(kustomize, world, page):
    if page not in BEGINS_WITHOUT_US:
        world.install()
        TAKES_FOR_GRANTED.get(page, lambda _: None)(world)
    # README goes on at the demo's prompt, where the server is known.
    at_prompt = {"GATEHOUSE_SERVER": f"127.0.0.1:{world.installation.server.debug_port}"} if page == "README.md" else {}
    reader = world.read(**at_prompt)
    for command in ALL[page]:
        if _entry(EXCUSED, command):
            continue
        if world.left_out and command.text.startswith(world.left_out):
            continue
        text = command.text
        for written, here in world.written_as.items():
            text = text.replace(written, here)
        code, came = reader.type(text)
        assert code == NOT_ZERO.get(_entry(NOT_ZERO, command), 0), f"{command}: exit code {code}\n{came}"
        written = re.search(r">([\w.]+)$", command.text)
        sign = SIGNS.get(_entry(SIGNS, command), "")
        assert sign in ((world.tree / written[1]).read_text() if written else came), f"{command} says:\n{came}"
        if command.shows is not None:
            assert pages.is_shown(command.shows, came), f"{command} shows:\n{came}"
    COMES_TO.get(page, lambda _: None)(world)


@pytest.mark.parametrize("table", [EXCUSED, NOT_ZERO, SIGNS], ids=["excused", "not zero", "signs"])
def test_table__every_entry__fits_a_command(table):
    used = {_entry(table, command) for command in itertools.chain(*ALL.values())}
    assert not set(table) - used, "no command of a page begins like this any more"


@pytest.mark.parametrize("page", PAGES)
def test_page__its_blocks__say_whether_they_are_commands(page):
    """A command in a block of another language would not be run."""
    for language, first, lines in pages.blocks(ROOT / page):
        assert language in ("sh", "console", "", "yaml"), f"{page}:{first}: {language}"
        if language in ("", "yaml"):
            typed = [line for line in lines if re.match(r"(\$ )?(sudo )?(kubectl|gatehouse|curl|make|promtool|cd) ", line)]
            assert not typed, f"{page}:{first}: commands in a block that is not sh: {typed}"
