# SPDX-License-Identifier: Apache-2.0
"""What the docs say of flags, rules and metrics is what the program says."""

import os
import re
import subprocess

import pytest
import yaml

from harness.basics import ROOT, binary
from harness.cluster import NAMESPACE, manifest
from test_manifests import kustomize  # noqa: F401, a fixture


@pytest.mark.parametrize("page, argv", [
    ("flags.md", ["help", "--markdown"]), ("rules.md", ["help", "rules", "--markdown"]),
    ("metrics.md", ["help", "metrics", "--markdown"])])
def test_docs__page_from_a_table__is_what_the_program_prints(page, argv):
    printed = subprocess.run([binary("gatehouse"), *argv], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / page).read_text() == printed, "run `make docs`"


def commands(page):
    """The lines of its shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_docs__certificates__each_command_works_in_the_order_of_the_page(kustomize, cluster, kube, pool, tmp_path):
    if cluster.name != "devkube":
        pytest.skip("the CronJob of Kubernetes 1.20 is another version's; make test runs this")
    pool.stop()
    (tmp_path / "gatehouse").symlink_to(binary("gatehouse"))
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(cluster.kubeconfig)}
    objects = [*manifest("base/webhooks.yaml"), *(o for o in manifest("base/certgen.yaml") if o["kind"] == "CronJob")]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    said = {}
    try:
        for line in commands("certificates.md"):
            if "create job" in line:  # devkube reads no protobuf of Jobs; kubectl says what to do instead
                line += " --dry-run=client -o yaml | kubectl apply -f -"
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            said.setdefault(line, []).append(done.stdout)
        assert "new CA beside the old one" in said["gatehouse certgen --kube --rotate-ca"][0]
        during, anew = said["gatehouse certgen --kube"]
        assert "issued" not in during and anew.count("issued (missing)") == 3 and "took over" not in anew
        (end,) = [text for line, texts in said.items() if "openssl" in line for text in texts]
        assert "notAfter=" in end and "gatehouse-webhook" in end
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-n", NAMESPACE, "job/certgen-now", "cronjob/gatehouse-certgen",
                        "secret/gatehouse-ca", "secret/gatehouse-webhook-tls", "secret/gatehouse-xds-tls", "secret/envoy-xds-tls")
        pool.stop()


def test_make_help__every_target__is_there_with_a_word_on_it():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = set(re.search(r"^[.]PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    shown = subprocess.run(["make", "-s", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    described = {line.split()[0] for line in shown.splitlines() if len(line.split()) > 1}
    assert described == targets


PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "e2e/README.md", "bench/README.md",
         *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
NOT_OURS = {"--build-arg", "--help", "--sanitized"}  # podman's; of every command; pytest's here


@pytest.mark.parametrize("page", PAGES)
def test_page__what_it_names__is_there(page):
    """Links lead somewhere, headings included; flags and files of ours exist."""
    text = (ROOT / page).read_text()
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-") for t in titles}, f"{page}: #{heading}"
    for path in re.findall(r"`((?:manifests|examples|e2e|bench|docs|cmd|xds|dag|base)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), f"{page}: {path}"
    known = set(re.findall(r"--[a-z][a-z0-9-]*", (ROOT / "docs/flags.md").read_text())) | NOT_OURS
    for flag in re.findall(r"`(--[a-z][a-z0-9-]*)", text):
        assert flag in known, f"{page}: {flag}"


def test_e2e_readme__every_file_of_tests__is_in_its_table():
    text = (ROOT / "e2e/README.md").read_text()
    listed = {p.name for glob in re.findall(r"`(test_[\w*]+[.]py)`", text) for p in (ROOT / "e2e").glob(glob)}
    assert {p.name for p in (ROOT / "e2e").glob("test_*.py")} == listed


@pytest.mark.parametrize("page", PAGES)
def test_page__commands_that_it_names__are_there(page):
    helped = subprocess.run([binary("gatehouse"), "help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z-]+) ", helped, re.MULTILINE))
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / page).read_text()
    assert set(re.findall(r"`gatehouse ([a-z-]+)[^`]*`", text)) <= commands
    assert set(re.findall(r"`make ([a-z0-9-]+)[^`]*`", text)) <= targets
