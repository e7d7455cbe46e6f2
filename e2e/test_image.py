# SPDX-License-Identifier: Apache-2.0
"""What the image holds: assembled without a builder, looked through, and started."""

import hashlib
import os
import re
import shutil
import stat
import subprocess

import pytest

from harness.basics import BUILD, ROOT, Process, free_port, until

NONROOT = "65532:65532"


def assemble(directory):
    done = subprocess.run(["bash", ROOT / ".ci/rootfs.sh", BUILD / "gatehouse", directory], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory):
    return assemble(tmp_path_factory.mktemp("image") / "rootfs")


def files(directory):
    return sorted(p for p in directory.rglob("*") if p.is_file() and not p.is_symlink())


def digest(directory):
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        info = path.lstat()
        total.update(f"{path.relative_to(directory)} {info.st_mode:o} {int(info.st_mtime)}\n".encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


def test_rootfs__holds_the_server_and_its_libraries_only(rootfs):
    programs = [p.relative_to(rootfs).as_posix() for p in files(rootfs) if p.stat().st_mode & stat.S_IXUSR and ".so" not in p.name]
    assert programs == ["usr/bin/gatehouse"]
    others = [p.relative_to(rootfs).as_posix() for p in files(rootfs) if ".so" not in p.name]
    assert others == ["etc/group", "etc/nsswitch.conf", "etc/passwd", "usr/bin/gatehouse"]
    assert not [p for p in files(rootfs) if p.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)]


def test_rootfs__assembled_again__same_bytes(rootfs, tmp_path):
    assert digest(assemble(tmp_path / "again")) == digest(rootfs)


def test_rootfs__chroot_as_nobody__server_becomes_ready(cluster, rootfs, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    if cluster.name != "devkube":
        pytest.skip("the kubeconfig of the real API server names files outside of the tree")
    root = tmp_path / "root"
    shutil.copytree(rootfs, root, symlinks=True)
    shutil.copy(cluster.server_kubeconfig, root / "run/kubeconfig")
    subprocess.run([BUILD / "gatehouse", "certgen", "--pem", root / "run/pem", "--ip", "127.0.0.1"], check=True, capture_output=True)
    for path in (root / "run").rglob("*"):
        os.chown(path, 65532, 65532)
    http, pair = free_port(), "/run/pem/gatehouse-webhook-tls"
    server = Process(["chroot", f"--userspec={NONROOT}", root, "/usr/bin/gatehouse", "serve", "--kubeconfig", "/run/kubeconfig",
                      "--webhook-port", free_port(), "--webhook-cert-file", f"{pair}/tls.crt", "--webhook-key-file", f"{pair}/tls.key",
                      "--http-port", http, "--debug-http-port", free_port(), "--disable", "xds,status"], tmp_path / "log")
    try:
        def ready():
            assert server.running(), server.output()
            return "\"ready\"" in server.output()
        until(ready, f"the server to be ready: {server.output()}", 20)
    finally:
        server.kill()


def stages(text):
    """[(base, its instructions)], comments and continuations resolved."""
    lines = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#"))).splitlines()
    found = []
    for line in filter(None, map(str.strip, lines)):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append((rest, []))
        elif found:
            found[-1][1].append((word, rest))
    return found


def test_dockerfile__last_stage__is_the_tree_and_no_root():
    base, instructions = stages((ROOT / "Dockerfile").read_text())[-1]
    assert base == "scratch"
    assert [word for word, _ in instructions] == ["COPY", "USER", "ENTRYPOINT", "CMD"]
    assert ("USER", NONROOT) in instructions
    assert all(rest.startswith("[") for word, rest in instructions if word in ("ENTRYPOINT", "CMD")), "no shell to run them"


def test_dockerfile__bases__are_pinned_and_nothing_is_fetched_beside_packages():
    text = (ROOT / "Dockerfile").read_text()
    pinned = re.search(r"^ARG BASE=(\S+)$", text, re.M).group(1)
    assert re.fullmatch(r"debian:12\.\d+-slim|debian@sha256:[0-9a-f]{64}", pinned)
    assert all(base.split()[0] in ("${BASE}", "scratch") for base, _ in stages(text))
    words = [word for _, instructions in stages(text) for word, _ in instructions]
    assert "ADD" not in words
    assert not re.search(r"curl|wget|http", text)
    for line in re.findall(r"apt-get install[^&\n]*", text):
        assert "--no-install-recommends" in line


def test_dockerfile__what_is_built_here__stays_out_of_the_context():
    assert "build" in (ROOT / ".dockerignore").read_text().split()
