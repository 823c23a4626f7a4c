"""What pyiso8583 makes of messages, for comparison: parse, assemble, bench.

The lines of JSON that go in and come out are described in ../../../interop/README.md.
"""

import json
import sys
import time

import iso8583

ROUNDS = 15
ROUND = 0.03


def read(spec, frame):
    values, _ = iso8583.decode(bytes.fromhex(frame), spec)
    fields = {key: value for key, value in values.items() if key.isdigit() and key != "1"}
    return values["t"], fields


def document(line):
    values = {"t": line["mti"]}
    for number, value in line["fields"].items():
        values[number] = value["hex"] if isinstance(value, dict) else value
    return values


def parse(spec, line):
    try:
        mti, fields = read(spec, line["frame"])
    except Exception as error:  # Whatever it raises is its answer.
        return {"id": line["id"], "error": repr(error)}
    return {"id": line["id"], "mti": mti, "fields": fields}


def assemble(spec, line):
    try:
        frame, _ = iso8583.encode(document(line), spec)
    except Exception as error:
        return {"id": line["id"], "error": repr(error)}
    return {"id": line["id"], "frame": frame.hex()}


def measure(call):
    calls = 64
    while True:
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        if time.perf_counter() - begun >= ROUND:
            break
        calls *= 2
    figures = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        figures.append((time.perf_counter() - begun) * 1e9 / calls)
    return sorted(figures)[ROUNDS // 2]


def bench(spec, line):
    values, frame = document(line), bytes.fromhex(line["frame"])
    mti, fields = read(spec, line["frame"])
    expected = {number: value for number, value in values.items() if number != "t"}
    decode = {"id": line["id"], "direction": "decode"}
    if (mti, fields) != (line["mti"], expected):
        decode["error"] = "values differ"
    else:
        decode["ns"] = measure(lambda: iso8583.decode(frame, spec))
    encode = {"id": line["id"], "direction": "encode"}
    if bytes(iso8583.encode(dict(values), spec)[0]) != frame:
        encode["error"] = "the bytes differ"
    else:
        encode["ns"] = measure(lambda: iso8583.encode(values, spec))
        compose = {"id": line["id"], "direction": "compose"}
        compose["ns"] = measure(lambda: iso8583.encode(document(line), spec))
        return [decode, encode, compose]
    return [decode, encode]


def main():
    mode, spec, source, output = sys.argv[1:]
    with open(spec, encoding="utf-8") as file:
        spec = json.load(file)
    answer = {
        "parse": lambda line: [parse(spec, line)],
        "assemble": lambda line: [assemble(spec, line)],
        "bench": lambda line: bench(spec, line),
    }[mode]
    with open(source, encoding="utf-8") as lines, open(output, "w", encoding="utf-8") as out:
        for line in lines:
            if line.strip():
                for item in answer(json.loads(line)):
                    out.write(json.dumps(item) + "\n")


main()
