# SPDX-License-Identifier: Apache-2.0
"""Decode packed Anys with Envoy's official descriptors: no unknown field at any depth, no constraint broken.

Run by the Python of a virtual environment that has xds-protos: xds_check.py FILE|DIR...; one line a complaint, exit 1 when
there is any. Constraints are those of protoc-gen-validate ("validate.rules"), as far as what we send has them.
"""

import glob
import importlib
import os
import pkgutil
import re
import sys

from google.protobuf import any_pb2, descriptor_pool, message_factory, unknown_fields
from validate import validate_pb2

HEADER_NAME = re.compile(r"^:?[0-9a-zA-Z!#$%&'*+.^_|~`-]+$")
LOOSE_HEADER = re.compile(r"^[^\x00\n\r]*$")
HEADER_VALUE = re.compile(r"^[^\x00-\x08\n-\x1f\x7f]*$")
DURATION, ANY = "google.protobuf.Duration", "google.protobuf.Any"


def load_descriptors():
    """Fill the default pool with every message that may stand in an Any."""
    for package in ("envoy.config", "envoy.extensions"):
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, package + "."):
            if module.name.endswith("_pb2"):
                try:
                    importlib.import_module(module.name)
                except (ImportError, TypeError):
                    pass  # its messages are then not found: a complaint, if we send any


def unpack(packed):
    name = packed.type_url.rsplit("/", 1)[-1]
    message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))()
    message.ParseFromString(packed.value)
    return message


class Checker:
    def __init__(self, where):
        self.where, self.complaints, self.rules_checked = where, [], 0

    def complain(self, path, what):
        self.complaints.append(f"{self.where}: {path}: {what}")

    def message(self, m, path):
        for field in unknown_fields.UnknownFieldSet(m):
            self.complain(path, f"unknown field {field.field_number}")
        if m.DESCRIPTOR.full_name == ANY:
            try:
                inner = unpack(m)
            except KeyError:
                self.complain(path, f"unknown type {m.type_url}")
            else:
                self.message(inner, f"{path}[{inner.DESCRIPTOR.name}]")
            return
        for oneof in m.DESCRIPTOR.oneofs:
            if oneof.GetOptions().Extensions[validate_pb2.required] and not m.WhichOneof(oneof.name):
                self.complain(path, f"none of {oneof.name} is set")
        for field in m.DESCRIPTOR.fields:
            self.field(m, field, f"{path}.{field.name}")

    def field(self, m, field, path):
        rules = field.GetOptions().Extensions[validate_pb2.rules]
        value = getattr(m, field.name)
        if field.is_repeated:
            self.repeated(field, value, rules, path)
        elif field.message_type:
            present = m.HasField(field.name)
            chosen = not field.containing_oneof  # what another member of a oneof has displaced is not missed
            if not present and chosen and (rules.message.required or rules.duration.required or rules.any.required):
                self.complain(path, "is required")
            if present:
                self.value(field, value, rules, path)
        elif not field.containing_oneof or m.WhichOneof(field.containing_oneof.name) == field.name:
            self.value(field, value, rules, path)

    def repeated(self, field, values, rules, path):
        is_map = field.message_type and field.message_type.GetOptions().map_entry
        bounds = rules.map if is_map else rules.repeated
        low, high = (bounds.min_pairs, bounds.max_pairs) if is_map else (bounds.min_items, bounds.max_items)
        self.rules_checked += bool(low or high)
        if len(values) < low or (high and len(values) > high):
            self.complain(path, f"has {len(values)} elements, must have {low} to {high or 'any number'}")
        if is_map:
            inner = field.message_type.fields_by_name["value"]
            for key, value in values.items():
                self.value(inner, value, bounds.values, f"{path}[{key}]")
            return
        if bounds.unique and len(set(values)) < len(values):
            self.complain(path, "has an element twice")
        for i, value in enumerate(values):
            self.value(field, value, bounds.items, f"{path}[{i}]")

    def value(self, field, value, rules, path):
        kind = rules.WhichOneof("type")
        if field.message_type:
            if field.message_type.full_name == DURATION:
                self.duration(value, rules.duration, path)
            elif field.message_type.full_name.endswith("Value") and kind and kind != "message":
                self.scalar(value.value, kind, getattr(rules, kind), None, path)
            if not rules.message.skip:
                self.message(value, path)
        elif kind:
            self.scalar(value, kind, getattr(rules, kind), field, path)

    def scalar(self, value, kind, rules, field, path):
        self.rules_checked += 1
        if kind == "enum":
            if rules.defined_only and value not in field.enum_type.values_by_number:
                self.complain(path, f"{value} is not in the enum")
        elif kind in ("string", "bytes"):
            self.text(value, rules, path)
        elif kind != "bool":
            self.bounds(value, rules, path)
        listed = getattr(rules, "in", None)
        if listed and value not in listed:
            self.complain(path, f"{value!r} is not one of {list(listed)}")
        if value in getattr(rules, "not_in", ()):
            self.complain(path, f"{value!r} is forbidden")

    def bounds(self, value, rules, path):
        for name, fine in (("gt", value.__gt__), ("gte", value.__ge__), ("lt", value.__lt__), ("lte", value.__le__)):
            if rules.HasField(name) and not fine(getattr(rules, name)):
                self.complain(path, f"{value} is not {name} {getattr(rules, name)}")

    def text(self, value, rules, path):
        if getattr(rules, "ignore_empty", False) and not value:
            return
        if rules.HasField("min_len") and len(value) < rules.min_len:
            self.complain(path, f"is shorter than {rules.min_len}")
        if rules.HasField("max_len") and len(value) > rules.max_len:
            self.complain(path, f"is longer than {rules.max_len}")
        if isinstance(value, bytes):
            return
        size = len(value.encode())
        if (rules.HasField("max_bytes") and size > rules.max_bytes) or size < rules.min_bytes:
            self.complain(path, f"has {size} bytes")
        if rules.prefix and not value.startswith(rules.prefix):
            self.complain(path, f"does not begin with {rules.prefix}")
        if rules.pattern and not re.search(rules.pattern, value):
            self.complain(path, f"does not match {rules.pattern}")
        if rules.WhichOneof("well_known") == "well_known_regex":
            is_name = rules.well_known_regex == validate_pb2.HTTP_HEADER_NAME
            strict = rules.strict if rules.HasField("strict") else True
            if not (LOOSE_HEADER if not strict else HEADER_NAME if is_name else HEADER_VALUE).search(value):
                self.complain(path, "is not fit for a header")

    def duration(self, value, rules, path):
        nanos = value.seconds * 10**9 + value.nanos
        for name in ("gt", "gte", "lt", "lte"):
            if not rules.HasField(name):
                continue
            self.rules_checked += 1
            limit = getattr(rules, name)
            bound = limit.seconds * 10**9 + limit.nanos
            if not {"gt": nanos > bound, "gte": nanos >= bound, "lt": nanos < bound, "lte": nanos <= bound}[name]:
                self.complain(path, f"{nanos} ns is not {name} {bound}")


def main(paths):
    load_descriptors()
    complaints, rules = [], 0
    paths = [file for path in paths for file in (glob.glob(f"{path}/*") if os.path.isdir(path) else [path])]
    for path in paths:
        packed = any_pb2.Any()
        with open(path, "rb") as file:
            packed.ParseFromString(file.read())
        checker = Checker(path.rsplit("/", 1)[-1])
        checker.message(packed, "")
        complaints += checker.complaints
        rules += checker.rules_checked
    print("\n".join(complaints + [f"{len(paths)} messages, {rules} rules checked, {len(complaints)} complaints"]))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
