#!/usr/bin/env python3
"""Writes the seed corpus of the file format fuzz targets: tests/fuzz/corpus/gguf and .../safetensors."""
import json
import pathlib
import struct

corpus = pathlib.Path(__file__).resolve().parent.parent / "tests/fuzz/corpus"

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
# number: (weights, bytes) of a block
TENSOR_TYPES = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
                11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18), 23: (256, 136),
                26: (1, 4), 30: (1, 2), 39: (32, 17)}


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def scalar(number, value):
    return text(value) if number == STRING else struct.pack(SCALARS[number], value)


def array(number, values):
    return struct.pack("<IQ", number, len(values)) + b"".join(scalar(number, v) for v in values)


def gguf(version=3, entries=(), tensors=(), alignment=32):
    """entries: (key, type number, payload); tensors: (name, type number, shape)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    for key, number, payload in entries:
        head += text(key) + struct.pack("<I", number) + payload
    data = b""
    for name, number, shape in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
        head += struct.pack("<IQ", number, len(data))
        weights, block = TENSOR_TYPES[number]
        elements = 1
        for n in shape:
            elements *= n
        data += b"\x3c" * (elements // weights * block)
        data += bytes(-len(data) % alignment)
    return head + bytes(-len(head) % alignment) + data


def safetensors(header, data=b"", pad=0):
    header = json.dumps(header).encode() + b" " * pad
    return struct.pack("<Q", len(header)) + header + data


nested = struct.pack("<IQ", ARRAY, 2) + array(0, [1, 2]) + struct.pack("<IQ", ARRAY, 1) + array(STRING, ["deep"])
arch = ("general.architecture", STRING, text("llama"))
seeds = {
    "gguf": {
        "empty": gguf(),
        "v2": gguf(2, [arch], [("a", 0, [4])]),
        "scalars": gguf(entries=[(f"k{n}", n, scalar(n, 1)) for n in SCALARS] + [arch]),
        "arrays": gguf(entries=[(f"k{n}", ARRAY, array(n, [0, 1])) for n in SCALARS]
                       + [("s", ARRAY, array(STRING, ["", "token"])), ("n", ARRAY, nested)]),
        "tensors": gguf(entries=[arch], tensors=[(f"t{n}", n, [w, 1]) for n, (w, _) in TENSOR_TYPES.items()]),
        "shapes": gguf(tensors=[("one", 0, [3]), ("two", 1, [2, 2]), ("three", 30, [2, 1, 2]), ("four", 8, [32, 1, 1, 2])]),
        "aligned": gguf(entries=[("general.alignment", 4, scalar(4, 64))], tensors=[("a", 0, [1]), ("b", 0, [1])],
                        alignment=64),
        "split": gguf(entries=[("split.no", 2, scalar(2, 1)), ("split.count", 2, scalar(2, 2)),
                               ("split.tensors.count", 5, scalar(5, 2))], tensors=[("b", 0, [1])]),
        "big_endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    },
    "safetensors": {
        "empty": safetensors({}),
        "dtypes": safetensors({d: {"dtype": d, "shape": [1], "data_offsets": [8 * i, 8 * i + n]} for i, (d, n) in
                               enumerate([("F64", 8), ("I64", 8)])} | {"__metadata__": {"format": "pt"}}, bytes(16)),
        "floats": safetensors({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                               "h": {"dtype": "F16", "shape": [3], "data_offsets": [16, 22]},
                               "b": {"dtype": "BF16", "shape": [], "data_offsets": [22, 24]}}, bytes(24), pad=3),
        "none": safetensors({"e": {"dtype": "U8", "shape": [0, 4], "data_offsets": [0, 0]}}),
    },
}
for target, files in seeds.items():
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        assert len(content) < 4096, name
        (folder / name).write_bytes(content)
