# SPDX-License-Identifier: Apache-2.0
"""`gatehouse explain` and /debug/explain: who serves a URL, or what stops it."""

import itertools
import json
import subprocess
import urllib.parse

import pytest

from harness.basics import binary, free_port, until

_numbers = itertools.count(1)


def ingressroute(namespace, name, spec, **meta):
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": name, "namespace": namespace, "labels": {"gatehouse-e2e": "unguarded"}, **meta},
            "spec": spec}


def root(namespace, name, fqdn, *routes):
    return ingressroute(namespace, name, {"virtualhost": {"fqdn": fqdn}, "routes": list(routes)})


def to(match, *services):
    return {"match": match, "services": [{"name": name, "port": 80} for name in services]}


def handed(match, namespace, name):
    return {"match": match, "delegate": {"name": name, "namespace": namespace}}


def put_slice(kube, namespace, service, *endpoints):
    """endpoints: (address, ready)."""
    v1 = kube.request("GET", "/apis/discovery.k8s.io/v1").ok
    version = "discovery.k8s.io/v1" if v1 else "discovery.k8s.io/v1beta1"
    path = f"/apis/{version}/namespaces/{namespace}/endpointslices"
    obj = {"apiVersion": version, "kind": "EndpointSlice", "addressType": "IPv4",
           "metadata": {"name": f"{service}-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
           "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
           "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in endpoints]}
    kube.request("DELETE", f"{path}/{service}-1")
    answer = kube.request("POST", path, obj)
    assert answer.ok, answer
    return f"{path}/{service}-1"


class Asker:
    def __init__(self, server):
        self.server = f"127.0.0.1:{server.debug_port}"

    def run(self, *args):
        done = subprocess.run([binary("gatehouse"), "explain", "--server", self.server, *args], capture_output=True,
                              text=True, timeout=30)
        return done.returncode, done.stdout, done.stderr

    def __call__(self, url, *args):
        """(exit code, the explanation)."""
        code, out, err = self.run(url, "-o", "json", *args)
        assert out, err
        return code, json.loads(out)

    def until_served(self, url):
        until(lambda: self(url)[0] == 0, f"{url} to be served")


@pytest.fixture
def site(server, kube):
    """A site over two namespaces, and a copy of it in the second: (asker, first, second, fqdn)."""
    n = next(_numbers)
    a, b, fqdn = f"explain-a{n}", f"explain-b{n}", f"explain{n}.test"
    objects = [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                "spec": {"ports": [{"port": 80}]}} for namespace in (a, b) for name in ("web", "idle")]
    objects += [root(a, "site", fqdn, to("/", "web"), to("/idle", "idle"), to("/gone", "gone"), handed("/blog", b, "blog"),
                     handed("/lost", b, "nothing")),
                ingressroute(b, "blog", {"routes": [to("/blog", "web"), to("/shop", "web")]})]
    for namespace in (a, b):
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for obj in objects:
        kube.apply(obj)
    slices = [put_slice(kube, a, "web", ("127.0.0.1", True), ("127.0.0.2", False)),
              put_slice(kube, b, "web", ("127.0.0.3", True))]
    ask = Asker(server)
    ask.until_served(f"http://{fqdn}/blog")
    kube.apply(root(b, "copy", fqdn, to("/", "web")))
    until(lambda: ask(f"http://{fqdn}/")[1]["stopped"], "the copy to be seen")
    yield ask, a, b, fqdn
    for path in slices:
        kube.request("DELETE", path)
    for namespace in (a, b):
        for kind in ("IngressRoute", "Service"):
            for obj in kube.list(kind, namespace):
                kube.delete(kind, namespace, obj["metadata"]["name"])


def test_explain__delegated_path__chain_route_and_endpoints(site):
    ask, a, b, fqdn = site
    code, x = ask(f"http://{fqdn}/blog/x?y")
    assert code == 0 and x["served"] and x["answer"] == "forwarded"
    assert x["host"]["name"] == fqdn and x["host"]["owner"] == {"kind": "IngressRoute", "namespace": a, "name": "site"}
    assert [(s["namespace"], s["name"], s["field"]) for s in x["chain"]] == \
        [(a, "site", "spec.routes[3]"), (b, "blog", "spec.routes[0]")]
    assert x["chain"][1]["prefix"] == "/blog" and x["route"]["match"] == "/blog"
    assert x["route"]["forwardedPath"] == "/blog/x?y"
    [cluster] = x["clusters"]
    assert (cluster["service"], cluster["percent"]) == ("web", 100)
    assert cluster["endpoints"]["ready"] == 1 and cluster["endpoints"]["addresses"] == ["127.0.0.3:8080"]


def test_explain__endpoints__as_they_are_now(site, kube):
    ask, a, _, fqdn = site
    _, x = ask(f"http://{fqdn}/")
    assert x["clusters"][0]["endpoints"] == {"ready": 1, "terminating": 0, "notReady": 1, "addresses": ["127.0.0.1:8080"]}
    put_slice(kube, a, "web", ("127.0.0.1", False))
    until(lambda: ask(f"http://{fqdn}/")[0] == 1, "the endpoint to go")
    _, x = ask(f"http://{fqdn}/")
    assert x["answer"] == "unavailable" and x["status"] == 503 and "no endpoint" in x["reason"]


@pytest.mark.parametrize("path, rule", [("/gone", "ServiceNotFound"), ("/lost", "DelegateNotFound")])
def test_explain__what_is_missing__503_with_the_finding(site, path, rule):
    ask, _, _, fqdn = site
    code, x = ask(f"http://{fqdn}{path}")
    assert code == 1 and x["status"] == 503 and [f["rule"] for f in x["findings"]] == [rule]


def test_explain__conflict__names_the_loser_and_the_owner(site):
    ask, a, b, fqdn = site
    _, x = ask(f"http://{fqdn}/")
    loser = next(s for s in x["stopped"] if s["name"] == "copy")
    assert loser["rule"] == "FQDNConflict" and f"{a}/site" in loser["message"]
    code, x = ask(f"http://{fqdn}/", "--from", f"{b}/copy")
    assert code == 0 and not x["from"]["answers"] and [f["rule"] for f in x["from"]["findings"]] == ["FQDNConflict"]


def test_explain__outside_of_the_delegation__said_by_path_and_from_the_object(site):
    ask, a, b, fqdn = site
    _, x = ask(f"http://{fqdn}/shop", "--from", f"{b}/blog")
    assert x["route"]["match"] == "/"
    assert ("blog", "/shop", "PathOutsideDelegation") in [(s["name"], s.get("match"), s["rule"]) for s in x["stopped"]]
    assert "/blog" in x["from"]["reason"] and not x["from"]["answers"]


def test_explain__text__for_people(site):
    ask, a, b, fqdn = site
    code, out, _ = ask.run(f"http://{fqdn}/blog", "--from", f"{a}/site")
    lines = out.splitlines()
    assert code == 0 and lines[0] == f"http://{fqdn}/blog" and lines[1].startswith("  served: ")
    assert f"host {fqdn} of IngressRoute {a}/site, TLS none" in lines
    assert any(line.endswith(f"-> IngressRoute {b}/blog for /blog (spec.routes[0])") for line in lines)
    assert any("1 ready: 127.0.0.3:8080" in line for line in lines)
    assert lines[-1].startswith(f"from IngressRoute {a}/site: ")


def test_explain__nobody_has_the_host__exit_1(site):
    ask, *_ = site
    code, x = ask("http://nobody.test/")
    assert (code, x["answer"], x["status"]) == (1, "not-found", 404)
    code, x = ask("https://nobody.test/")
    assert (code, x["answer"]) == (1, "closed")


@pytest.mark.parametrize("argv, says", [
    (["http://s/%00"], "400"), (["ftp://s/"], "neither http nor https"), (["http://s/", "--from", "no/body"], "no/body")])
def test_explain__wrong_question__exit_1_and_the_servers_words(site, argv, says):
    ask, *_ = site
    code, out, err = ask.run(*argv)
    assert (code, out) == (1, "") and says in err and len(err.splitlines()) == 1


def test_explain__huge_url__refused_by_us_or_the_listener(site, server):
    ask, *_ = site
    for size in (4097, 7000, 20000):
        code, out, err = ask.run("http://s/" + "a" * size)
        assert (code, out) == (1, "") and "long" in err
    assert server.ready()


def test_explain__hostile_queries__answered_and_the_server_lives(server):
    for query in ("", "url=", "url=%00", "url=http://s/%2500", "url=http://s/&from=", "url=http://s/&from=a",
                  "url=http://s/&from=a/b/c", "url=%ff%fe"):
        status, text = server.debug(f"/debug/explain?{query}")
        assert status == 400 and text.endswith("\n"), (query, status, text)
    name = urllib.parse.quote("\u0001'\";\n")
    assert server.debug(f"/debug/explain?url=http://s/&from=a/{name}")[0] == 404
    assert server.ready()


def test_explain__no_server__says_where_it_asked():
    port = free_port()
    done = subprocess.run([binary("gatehouse"), "explain", "http://s/", "--server", f"127.0.0.1:{port}"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and f"127.0.0.1:{port}" in done.stderr and "--server" in done.stderr


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["a", "--server", "nowhere"], ["a", "--from", "noslash"]])
def test_explain__usage__exit_2(argv):
    done = subprocess.run([binary("gatehouse"), "explain", *argv], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and done.stderr
