# SPDX-License-Identifier: Apache-2.0
"""`kubectl port-forward` where there is no kubelet: a kubectl for PATH that is the real one in all else (but for Jobs, which
it sends as JSON: devkube reads no protobuf of them).

It announces ports as kubectl does and stays. Programs that ask for the announced port are led to the server's own by
their own means (curl's connect-to, gatehouse's environment), so that no test needs a port of a fixed number."""

import json
import pathlib
import sys
import time

VARIABLES = {"6060": "GATEHOUSE_SERVER=127.0.0.1:{}", "8001": "GATEHOUSE_XDS_PORT={}"}


def write_kubectl(folder, real, home, targets, ports):
    """targets: what there is to forward to, "kind/name"; ports: a pod's port -> the server's. In `home` the shell finds
    what to set (`forwarded`), and curl its `.curlrc`."""
    (folder / "forward.json").write_text(json.dumps({"home": str(home), "targets": sorted(targets), "ports": ports}))
    (folder / "kubectl").write_text(f"""#!/bin/sh
for word; do
        case $word in port-forward) exec {sys.executable} {__file__} {folder}/forward.json "$@" ;; esac
done
case " $* " in *" create job "*) {real} "$@" --dry-run=client -o json | exec {real} create -f - ;; *) exec {real} "$@" ;; esac
""")
    (folder / "kubectl").chmod(0o755)


def forward(known, argv):
    target, port = [a for a in argv[argv.index("port-forward") + 1:] if "/" in a or a.strip(":").isdigit()]
    local, _, remote = port.rpartition(":")
    if target not in known["targets"]:
        sys.exit(f"Error from server (NotFound): {target} not found")
    if remote not in known["ports"]:
        sys.exit(f"error: nothing listens at port {remote} of {target}")
    there, home = known["ports"][remote], pathlib.Path(known["home"])
    local = local or (str(there) if ":" in port else remote)
    with open(home / "forwarded", "a+") as f:
        f.seek(0)
        if f"# {local}\n" in f.read():
            sys.exit(f"Unable to listen on port {local}: address already in use")
        f.write(f"# {local}\n")
        if local == remote and remote in VARIABLES:
            f.write(f"export {VARIABLES[remote].format(there)}\n")
    with open(home / ".curlrc", "a") as f:
        f.write(f'connect-to = "127.0.0.1:{local}:127.0.0.1:{there}"\n')
    print(f"Forwarding from 127.0.0.1:{local} -> {remote}", flush=True)
    while True:
        time.sleep(3600)  # until it is killed, as the real one


if __name__ == "__main__":
    forward(json.loads(pathlib.Path(sys.argv[1]).read_text()), sys.argv[2:])
