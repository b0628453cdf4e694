"""Files of named tensors in the safetensors format, which no reader can be made to execute.

torch.load() reads pickles, and a pickle may run any program: a checkpoint that came over a network
or lies in a shared folder is no place for one. The package `safetensors` reads and writes the same
files; these few lines need no package, and give equal bytes for equal tensors, so that a resumed
training can be compared with an unbroken one.
"""

import json
import math
import struct

import torch

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16,
           "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16,
           "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER_BYTES = 100_000_000  # The format's own limit.


def save(path, tensors, metadata):
    """Writes tensors by name, from whatever device, and metadata: strings by strings."""
    tensors = {name: t.detach().to("cpu").contiguous() for name, t in sorted(tensors.items())}
    header, end = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [start, end]}
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(_bytes_of(tensor))


def _bytes_of(tensor):
    return bytes(tensor.reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


def load(path):
    """(tensors on the CPU, metadata). ValueError: the file is not whole; OSError as of open()."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _parse(data)
    except (KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ValueError(f"its header is not one of safetensors: {error!r}") from error


def _parse(data):
    size = struct.unpack("<Q", data[:8])[0]
    if size > min(_MAX_HEADER_BYTES, len(data) - 8):
        raise ValueError(f"it says its header has {size} bytes; the file has {len(data)}")
    header, data = json.loads(data[8:8 + size]), data[8 + size:]
    metadata, tensors, end = dict(header.pop("__metadata__", {})), {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, (start, end) = end, entry["data_offsets"]
        if start != begin or end > len(data):
            raise ValueError(f"tensor {name} is at {start} to {end}, where one that begins at "
                             f"{begin} and ends by {len(data)} should be")
        tensors[name] = _tensor_of(name, entry["dtype"], entry["shape"], data[start:end])
    if end != len(data):
        raise ValueError(f"it has {len(data)} bytes of data; its tensors end at {end}")
    return tensors, metadata


def _tensor_of(name, dtype, shape, data):
    if dtype not in _DTYPES:
        raise ValueError(f"tensor {name} is of type {dtype}; known are {', '.join(_DTYPES)}")
    empty = torch.empty(0, dtype=_DTYPES[dtype])
    if min(shape, default=0) < 0 or math.prod(shape) * empty.element_size() != len(data):
        raise ValueError(f"tensor {name} has {len(data)} bytes, which are not {shape} of {dtype}")
    flat = torch.frombuffer(bytearray(data), dtype=empty.dtype) if data else empty
    return flat.reshape(shape)
