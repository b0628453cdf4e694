"""The contract as it is compiled: its methods, and each string that a request can hold.

Read from the descriptors, so that a new method or field is attacked without a word here.
"""

import importlib
import pathlib

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FieldDescriptor

import halving.v1 as package

# Of messages that hold themselves (Value), so many levels.
DEPTH = 7


class Method:

    def __init__(self, descriptor):
        proto = descriptor_pb2.MethodDescriptorProto()
        descriptor.CopyToProto(proto)
        self.name = descriptor.name
        self.path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
        self.streams_in, self.streams_out = proto.client_streaming, proto.server_streaming
        self.request, self.answer = (
            message_factory.MessageFactory().GetPrototype(each)
            for each in (descriptor.input_type, descriptor.output_type))

    def open(self, channel):
        kind = ("stream" if self.streams_in else "unary") + "_" + (
            "stream" if self.streams_out else "unary")
        return getattr(channel, kind)(self.path, lambda data: data, self.answer.FromString)


def methods():
    for folder in package.__path__:
        for module in sorted(pathlib.Path(folder).glob("*_pb2.py")):
            found = importlib.import_module(f"halving.v1.{module.stem}").DESCRIPTOR
            for _, service in sorted(found.services_by_name.items()):
                yield from map(Method, service.methods)


def string_fields(descriptor, depth=DEPTH, inside=()):
    """Paths of fields to each string and bytes field, through messages and maps."""
    if depth == 0 or inside.count(descriptor) > 1:
        return
    for field in descriptor.fields:
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield (field,)
        elif field.message_type is not None:
            for path in string_fields(field.message_type, depth - 1, inside + (descriptor,)):
                yield (field, *path)


def put(message, path, value):
    """Sets the string at the end of a path; what stands beside it stays."""
    field, *rest = path
    repeated = field.label == FieldDescriptor.LABEL_REPEATED
    if field.type == FieldDescriptor.TYPE_BYTES:
        value = value.encode()
    if not rest:
        if repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
        return
    is_map = repeated and field.message_type.GetOptions().map_entry
    if is_map:
        put_into_map(getattr(message, field.name), field, rest, value)
    elif repeated:
        many = getattr(message, field.name)
        put(many[0] if many else many.add(), rest, value)
    else:
        put(getattr(message, field.name), rest, value)


def put_into_map(entries, field, rest, value):
    of_message = field.message_type.fields_by_name["value"].message_type is not None
    if rest[0].name == "key":
        if of_message:
            entries[value].SetInParent()
        else:
            entries[value] = 1
    elif len(rest) > 1:
        put(entries["learning_rate"], rest[1:], value)
    else:
        entries["learning_rate"] = value


def name_of(path):
    return ".".join(field.name for field in path)
