"""The gRPC interface: a page for each package, from the comments of the protos."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from markdown import code, page, table
from protos import Package, Place, ProtoFile, map_entry

from olo_gateway.edge import OPERATORS_CALLS, QUESTIONS_ABOUT_ROUTING
from olo_gateway.rpc.needs import ADMIN, USER, need_of

_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_ONLY = {"RegistryService": OPERATORS_CALLS, "RouterService": QUESTIONS_ABOUT_ROUTING}
_ABOUT_ERRORS = (
    "Which reasons an error can have, and whether to try again: [errors](../errors.md). A call that names no error may "
    "still end with `UNAVAILABLE`, `DEADLINE_EXCEEDED` or, of a bug, `INTERNAL`."
)
_ABOUT_KEYS = (
    "*At the gateway*: whether the gateway serves the call too, and which [key](../../guides/keys-and-tenants.md) it "
    "needs there where keys are asked for."
)


def file_name(package: str) -> str:
    """The page of a package: `olo.gateway.v1` is `gateway.md`."""
    return f"{package.split('.')[1]}.md"


def package_page(package: Package) -> str:
    """Services, messages and enumerations of a package."""
    parts = [_ABOUT_ERRORS, _ABOUT_KEYS] if any(file.proto.service for file in package.files) else []
    for file in package.files:
        parts += _services(package, file)
    return page(f"`{package.name}`", *parts, *types(package))


def types(package: Package) -> list[str]:
    """Messages, then enumerations, by name."""
    found = [(name, _message(package, file, place, m)) for file in package.files for name, place, m in file.messages()]
    enums = [(name, _enum(file, place, name, e)) for file in package.files for name, place, e in file.enums()]
    parts = ["## Messages", *(text for _, text in sorted(found))] if found else []
    return parts + (["## Enumerations", *(text for _, text in sorted(enums))] if enums else [])


def _services(package: Package, file: ProtoFile) -> list[str]:
    parts = []
    for place, service in file.services():
        full = f"{package.name}.{service.name}"
        rows = []
        for comment, method in file.methods(place, service):
            does, fails = _split(comment)
            sent = ("stream of " if method.client_streaming else "") + _link(package, method.input_type)
            back = ("stream of " if method.server_streaming else "") + _link(package, method.output_type)
            rows.append((code(method.name), f"{sent}<br>→ {back}", does, fails, _at_the_gateway(full, method.name)))
        head = ("call", "request, response", "what it does", "fails with", "at the gateway")
        parts += [f"## {service.name}", file.comment(*place), table(head, rows)]
    return parts


def _split(comment: str) -> tuple[str, str]:
    """What a call does, and how it fails."""
    before, fails, after = comment.partition("Fails with ")
    if not fails:
        before, fails, after = comment.partition("Fails as ")
        after = f"as {after}" if fails else after
    return before.strip(), after.strip().rstrip(".")


def _at_the_gateway(service: str, method: str) -> str:
    if service not in USER | ADMIN or method not in _ONLY.get(service.rpartition(".")[2], (method,)):
        return ""
    return need_of(f"/{service}/{method}").name.lower()


def _message(package: Package, file: ProtoFile, place: Place, message: DescriptorProto) -> str:
    name = _name(file, place)
    rows = []
    for comment, field in file.fields(place, message):
        optional = field.HasField("oneof_index") and not field.proto3_optional
        note = f"One of `{message.oneof_decl[field.oneof_index].name}`. " if optional else ""
        if field.options.deprecated:
            note += "Deprecated. "
        rows.append((code(field.name), str(field.number), _type(package, message, field), note + comment))
    parts = [f"### {name}", file.comment(*place), table(("field", "", "type", ""), rows) or "No fields."]
    return "\n\n".join(part for part in parts if part)


def _name(file: ProtoFile, place: Place) -> str:
    return next(name for name, at, _ in file.messages() if at == place)


def _enum(file: ProtoFile, place: Place, name: str, enum: object) -> str:
    rows = []
    for number, value in enumerate(enum.value):  # type: ignore[attr-defined]
        rows.append((code(value.name), str(value.number), file.comment(*place, 2, number)))
    return "\n\n".join(part for part in (f"### {name}", file.comment(*place), table(("value", "", ""), rows)) if part)


def _type(package: Package, message: DescriptorProto, field: FieldDescriptorProto) -> str:
    entry = map_entry(message, field)
    if entry:
        return f"map of {_type(package, message, entry[0])} to {_type(package, message, entry[1])}"
    plain = _link(package, field.type_name) if field.type_name else code(_TYPES[field.type])
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"list of {plain}"
    return f"optional {plain}" if field.proto3_optional else plain


def _link(package: Package, full: str) -> str:
    """A link to a type; types of Google's are named alone."""
    name = full.removeprefix(".")
    if not name.startswith("olo."):
        return code(name.rpartition(".")[2])
    of = ".".join(name.split(".")[:3])
    short = name.removeprefix(of + ".")
    page_of = "" if of == package.name else file_name(of)
    return f"[`{short}`]({page_of}#{short.replace('.', '').lower()})"
