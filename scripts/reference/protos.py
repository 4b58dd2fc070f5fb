"""The protos with their comments: what protoc knows of them, and where each comment stands."""

from __future__ import annotations

import importlib.resources
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

Place = tuple[int, ...]
"""Where something stands in a file, as `SourceCodeInfo` counts: numbers of fields and positions, in turn."""

_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Package:
    """All files of one package."""

    name: str
    files: tuple[ProtoFile, ...]


@dataclass(frozen=True, slots=True)
class ProtoFile:
    """One file, and the comments in it by their places."""

    proto: FileDescriptorProto
    comments: dict[Place, str]

    def comment(self, *place: int) -> str:
        """The comment before what stands there, as one line; empty: there is none."""
        return self.comments.get(place, "")

    def services(self) -> Iterator[tuple[Place, ServiceDescriptorProto]]:
        """The services, and where they stand."""
        for number, service in enumerate(self.proto.service):
            yield (_SERVICE, number), service

    def methods(self, place: Place, service: ServiceDescriptorProto) -> Iterator[tuple[str, MethodDescriptorProto]]:
        """The calls of a service, each with its comment."""
        for number, method in enumerate(service.method):
            yield self.comment(*place, _FIELD, number), method

    def messages(self) -> Iterator[tuple[str, Place, DescriptorProto]]:
        """The messages, those inside of others after them, with their names; entries of maps are left out."""
        for number, message in enumerate(self.proto.message_type):
            yield from _with_nested(message.name, (_MESSAGE, number), message)

    def fields(self, place: Place, message: DescriptorProto) -> Iterator[tuple[str, FieldDescriptorProto]]:
        """The fields of a message, each with its comment."""
        for number, field in enumerate(message.field):
            yield self.comment(*place, _FIELD, number), field

    def enums(self) -> Iterator[tuple[str, Place, EnumDescriptorProto]]:
        """The enumerations, with their names."""
        for number, enum in enumerate(self.proto.enum_type):
            yield enum.name, (_ENUM, number), enum
        for name, place, message in self.messages():
            for number, enum in enumerate(message.enum_type):
                yield f"{name}.{enum.name}", (*place, _NESTED_ENUM, number), enum


def packages(root: Path) -> list[Package]:
    """The packages below a folder of protos, by name."""
    by_name: dict[str, list[ProtoFile]] = {}
    for proto in _compiled(root).file:
        comments = {tuple(at.path): _one_line(at.leading_comments) for at in proto.source_code_info.location}
        by_name.setdefault(proto.package, []).append(ProtoFile(proto, comments))
    return [Package(name, tuple(files)) for name, files in sorted(by_name.items())]


def map_entry(message: DescriptorProto, field: FieldDescriptorProto) -> Sequence[FieldDescriptorProto]:
    """Key and value where a field is a map."""
    entry = field.type_name.rpartition(".")[2]
    return next((each.field for each in message.nested_type if each.name == entry and each.options.map_entry), ())


def _compiled(root: Path) -> FileDescriptorSet:
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "protos.bin"
        into = [f"--descriptor_set_out={target}", "--include_source_info"]
        if protoc.main(["protoc", f"-I{root}", f"-I{well_known}", *into, *files]) != 0:
            sys.exit("protoc failed")
        return FileDescriptorSet.FromString(target.read_bytes())


def _with_nested(name: str, place: Place, message: DescriptorProto) -> Iterator[tuple[str, Place, DescriptorProto]]:
    yield name, place, message
    for number, inner in enumerate(message.nested_type):
        if not inner.options.map_entry:
            yield from _with_nested(f"{name}.{inner.name}", (*place, _NESTED, number), inner)


def _one_line(comment: str) -> str:
    return " ".join(comment.split())
