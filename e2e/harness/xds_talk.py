# SPDX-License-Identifier: Apache-2.0
"""One discovery stream by hand: requests as JSON lines on stdin, what comes back as JSON lines on stdout.

Run by the Python of a virtual environment that has grpcio and xds-protos: xds_talk.py TARGET METHOD [CA CERT KEY].
A request: {"type": "cluster.v3.Cluster", "subscribe": [...], "unsubscribe": [...], "names": [...], "nonce": ..., "refused": ...}.
"""

import importlib
import json
import pathlib
import queue
import sys
import threading

import grpc
from google.protobuf import json_format
from google.rpc import status_pb2

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
TYPES = {
    "Listener": "envoy.config.listener.v3.Listener",
    "RouteConfiguration": "envoy.config.route.v3.RouteConfiguration",
    "Cluster": "envoy.config.cluster.v3.Cluster",
    "ClusterLoadAssignment": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "Secret": "envoy.extensions.transport_sockets.tls.v3.Secret",
}
discovery = importlib.import_module("envoy.service.discovery.v3.discovery_pb2")
listener_pb2 = importlib.import_module("envoy.config.listener.v3.listener_pb2")
for module in ("config.route.v3.route", "config.cluster.v3.cluster", "config.endpoint.v3.endpoint",
               "extensions.upstreams.http.v3.http_protocol_options", "extensions.transport_sockets.tls.v3.tls"):
    importlib.import_module(f"envoy.{module}_pb2")


def request(asked, delta):
    url = TYPES.get(asked["type"], asked["type"])
    made = discovery.DeltaDiscoveryRequest() if delta else discovery.DiscoveryRequest()
    made.type_url = f"type.googleapis.com/{url}" if url else ""
    made.node.id = asked.get("node", "talker")
    made.response_nonce = asked.get("nonce", "")
    if asked.get("refused"):
        made.error_detail.CopyFrom(status_pb2.Status(code=3, message=asked["refused"]))
    if delta:
        made.resource_names_subscribe.extend(asked.get("subscribe", []))
        made.resource_names_unsubscribe.extend(asked.get("unsubscribe", []))
        made.initial_resource_versions.update(asked.get("known", {}))
    else:
        made.resource_names.extend(asked.get("names", []))
    return made


def words(packed):
    """As JSON; a Listener holds filters of types that are not loaded here: only its name."""
    if packed.type_url.endswith(".Listener"):
        return {"name": listener_pb2.Listener.FromString(packed.value).name}
    return json_format.MessageToDict(packed)


def told(response, delta):
    """A response in words: no value of a Secret."""
    name = response.type_url.rsplit(".", 1)[-1]
    packed = [r.resource for r in response.resources] if delta else list(response.resources)
    out = {"type": name, "nonce": response.nonce, "count": len(packed)}
    out["version"] = response.system_version_info if delta else response.version_info
    if delta:
        out["resources"] = {r.name: r.version for r in response.resources}
        out["removed"] = list(response.removed_resources)
    if name != "Secret":
        out["content"] = [words(p) for p in packed]
    return out


def say(line):
    print(json.dumps(line), flush=True)


def main(target, method, *pems):
    delta = method.startswith("Delta")
    if pems:
        ca, cert, key = (pathlib.Path(p).read_bytes() for p in pems)
        options = [("grpc.ssl_target_name_override", "gatehouse")]
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(ca, key, cert), options)
    else:
        channel = grpc.insecure_channel(target)
    asked = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            asked.put(request(json.loads(line), delta))
        asked.put(None)

    threading.Thread(target=read, daemon=True).start()
    response = discovery.DeltaDiscoveryResponse if delta else discovery.DiscoveryResponse
    call = channel.stream_stream(SERVICE + method, lambda m: m.SerializeToString(), response.FromString)
    try:
        for got in call(iter(asked.get, None)):
            say(told(got, delta))
        say({"end": "OK"})
    except grpc.RpcError as e:
        say({"end": e.code().name, "details": e.details()})


if __name__ == "__main__":
    main(*sys.argv[1:])
