"""A terminal that shares no code with Veksel: raw bytes of CBS-ISO/1 over a socket.

Usage: terminal.py PORT. Exits 0 if every answer is as it must be, and says what was not.
It needs nothing but Python 3.
"""

import datetime
import socket
import sys
import time

PORT = int(sys.argv[1])

# Field number: digits of its length (0 for fixed), then the length or the longest.
FIELDS = {
    2: (2, 19), 3: (0, 6), 4: (0, 12), 7: (0, 10), 11: (0, 6), 12: (0, 6), 13: (0, 4),
    15: (0, 4), 18: (0, 4), 22: (0, 3), 25: (0, 2), 32: (2, 11), 33: (2, 11), 37: (0, 12),
    38: (0, 6), 39: (0, 2), 41: (0, 8), 42: (0, 15), 44: (2, 25), 48: (3, 999), 49: (0, 3),
    54: (3, 120), 59: (3, 255), 60: (3, 10), 63: (3, 200), 70: (0, 3), 90: (0, 42),
    102: (2, 28), 103: (2, 28), 104: (3, 100), 125: (3, 999),
}
NEXT = [100]


def pack(mti, fields):
    bits = 0
    for number in fields:
        bits |= 1 << (128 - number)
    if bits & ((1 << 64) - 1):
        bits |= 1 << 127
        bitmap = bits.to_bytes(16, "big")
    else:
        bitmap = (bits >> 64).to_bytes(8, "big")
    body = b""
    for number in sorted(fields):
        digits, _ = FIELDS[number]
        value = fields[number].encode("ascii")
        body += (b"%0*d" % (digits, len(value)) if digits else b"") + value
    return mti.encode("ascii") + bitmap + body


def unpack(message):
    mti, message = message[:4].decode(), message[4:]
    bits = int.from_bytes(message[:8], "big") << 64
    message = message[8:]
    if bits >> 127:
        bits |= int.from_bytes(message[:8], "big")
        message = message[8:]
    fields = {}
    for number in range(2, 129):
        if not bits & (1 << (128 - number)):
            continue
        digits, length = FIELDS[number]
        if digits:
            length, message = int(message[:digits]), message[digits:]
        fields[number], message = message[:length].decode("ascii"), message[length:]
    assert not message, "bytes follow the last field"
    return mti, fields


def frame(message):
    return len(message).to_bytes(2, "big") + message


def request(code, amount=0, account="10000000001", **more):
    now = datetime.datetime.now(datetime.timezone.utc)
    NEXT[0] += 1
    stan = NEXT[0]
    fields = {
        3: code, 4: "%012d" % amount, 7: now.strftime("%m%d%H%M%S"), 11: "%06d" % stan,
        12: now.strftime("%H%M%S"), 13: now.strftime("%m%d"), 32: "500001",
        37: "%012d" % (int(time.time()) % 10**6 * 10**6 + stan), 41: "PY000001",
        42: "PYTHON TERMINAL", 49: "578",
    }
    if account:
        fields[102] = account
    fields.update({int(name[1:]): value for name, value in more.items()})
    return fields


class Link:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        while len(self.rest) < 2 or len(self.rest) < 2 + int.from_bytes(self.rest[:2], "big"):
            more = self.socket.recv(65536)
            assert more, "the connection was closed"
            self.rest += more
        length = int.from_bytes(self.rest[:2], "big")
        message, self.rest = self.rest[2:2 + length], self.rest[2 + length:]
        return unpack(message)

    def ask(self, fields, mti="0200"):
        self.send(frame(pack(mti, fields)))
        return self.check(self.receive(), fields, mti)

    def check(self, answer, fields, mti):
        expected = mti[:2] + "%d" % (int(mti[2]) + 1) + "0"
        got, answer = answer
        assert got == expected, "MTI %s for %s" % (got, mti)
        for number in (3, 7, 11, 12, 13, 32, 37, 41, 42):
            if number in fields:
                assert answer.get(number) == fields[number], "field %d is not echoed" % number
        return answer


def expect(what, is_so, answer):
    if not is_so:
        sys.exit("%s: %r" % (what, answer))
    print("ok  ", what)


def amounts(text):
    found = {}
    for place in range(0, len(text), 20):
        piece = text[place:place + 20]
        value = int(piece[8:])
        found[piece[2:4]] = -value if piece[7] == "D" else value
    return found


link = Link()
echo = request("000000")
echo = {n: echo[n] for n in (7, 11, 32)}
echo[70] = "301"
answer = link.ask(echo, "0800")
expect("echo is answered", answer[39] == "00" and answer[70] == "301", answer)

answer = link.ask(request("311000", account="10000000002"))
expect("31 balance", answer[39] == "00", answer)
expect("DE54 as documented", answer[54] == "1001578C0000001250001002578C000000110000", answer)

answer = link.ask(request("382000"))
lines = [row for row in answer[48].split("~") if row]
expect("38 statement has a header and rows", answer[39] == "00" and len(lines) > 1, answer)
expect("its columns", lines[0].startswith("DATE_TIME|SEQ_NR|TRAN_TYPE|TRAN_AMOUNT|CURR"), lines)

before = amounts(link.ask(request("312000"))[54])["01"]
transfer = request("402010", 12300, f103="10000000005", f104="PYTHON")
answer = link.ask(transfer)
expect("40 transfer", answer[39] == "00" and len(answer[38]) == 6, answer)
after = amounts(link.ask(request("312000"))[54])["01"]
expect("money moved once", before - after == 12300, (before, after))

answer = link.ask(request("502000", 4500, f48="1005B000111100000012345", f103="B0001"))
expect("50 bill payment", answer[39] == "00" and "19" in answer[48], answer)

answer = link.ask(request("402010", 10**11, f103="10000000005"))
expect("51 when the money is not there", answer[39] == "51", answer)

broken = request("312000")
broken[4] = "00000000000x"
answer = link.ask(broken)
expect("30 for a broken field", answer[39] == "30" and answer[44].startswith("004"), answer)
missing = request("312000")
del missing[49]
answer = link.ask(missing)
expect("30 for a missing field", answer[39] == "30" and answer[44] == "049M", answer)
answer = link.ask(request("312000"))
expect("the connection is kept", answer[39] == "00", answer)

answer = link.ask(request("772000"))
expect("12 for an unknown processing code", answer[39] == "12", answer)
answer = link.ask(request("312000"), "0300")
expect("40 for an unsupported function", answer[39] == "40", answer)
answer = link.ask(request("312000", account="99999999999"))
expect("no account, no balance", answer[39] in ("14", "92"), answer)

# An answer is never answered: the balance behind it is the next thing heard.
link.send(frame(pack("0210", request("312000"))))
answer = link.ask(request("312000"))
expect("a response from a channel is not answered", answer[39] == "00", answer)

# The same frame whole, cut anywhere, dripped, and two at once.
fields = request("312000")
data = frame(pack("0200", fields))
for cut in range(1, len(data)):
    fields = request("312000")
    data = frame(pack("0200", fields))
    link.send(data[:cut])
    if cut % 8 == 0:
        time.sleep(0.002)
    link.send(data[cut:])
    assert link.check(link.receive(), fields, "0200")[39] == "00", "cut at %d" % cut
print("ok   cut anywhere")
fields = request("312000")
for byte in frame(pack("0200", fields)):
    link.send(bytes([byte]))
expect("byte by byte", link.check(link.receive(), fields, "0200")[39] == "00", fields)
first, second = request("312000"), request("312000", account="10000000002")
link.send(frame(pack("0200", first)) + frame(pack("0200", second)))
answers = dict((a[11], a) for _, a in (link.receive(), link.receive()))
expect("two in one segment", set(answers) == {first[11], second[11]}, answers)

# A length nobody may claim, and then silence: this connection ends, the other does not.
liar = Link()
liar.send(b"\xff\xff")
liar.socket.settimeout(20)
expect("a length of 65535 is closed", liar.socket.recv(1) == b"", None)
slow = Link()
slow.send(b"\x00\x50" + b"0200")
slow.socket.settimeout(20)
expect("half a frame is closed by its deadline", slow.socket.recv(1) == b"", None)
answer = link.ask(request("312000"))
expect("the others do not notice", answer[39] == "00", answer)
print("all is as it must be")
