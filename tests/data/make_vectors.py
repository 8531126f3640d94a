#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the test vectors for ECDSA and ECDH: signatures and points as they must
be, and wrong ones of each kind. Prints what vectors.json holds:

    tests/data/make_vectors.py > tests/data/vectors.json

There is no chance in it: all keys, nonces and points come from hashes of names.
The form is that of Wycheproof's files. A result is "valid", "invalid", or
"acceptable": a form that may be taken or refused, but if it is taken the secret
must be the right one.
"""
import hashlib
import json


class Curve:
    """y² = x³ + ax + b over the integers modulo p; a prime number n of points"""

    def __init__(self, name, oid, p, a, b, g, n):
        self.name, self.oid = name, bytes.fromhex(oid)
        self.p, self.a, self.b, self.g, self.n = p, a, b, g, n

    def rhs(self, x):
        return (x * x * x + self.a * x + self.b) % self.p

    def has(self, point):
        x, y = point
        return y * y % self.p == self.rhs(x)

    def root(self, square):
        """a square root modulo p (p is 3 modulo 4), or None"""
        root = pow(square, (self.p + 1) // 4, self.p)
        return root if root * root % self.p == square % self.p else None

    def add(self, left, right):
        if left is None or right is None:
            return right if left is None else left
        (x1, y1), (x2, y2) = left, right
        if x1 == x2 and (y1 + y2) % self.p == 0:
            return None
        if left == right:
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, self.p)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p)
        x = (slope * slope - x1 - x2) % self.p
        return x, (slope * (x1 - x) - y1) % self.p

    def mul(self, k, point=None):
        point = self.g if point is None else point
        result = None
        for bit in bin(k)[2:]:
            result = self.add(result, result)
            if bit == "1":
                result = self.add(result, point)
        return result

    def multiples(self, k, point=None):
        """k, k + 1, ... and that many times the point"""
        point = self.g if point is None else point
        multiple = self.mul(k, point)
        while True:
            yield k, multiple
            k, multiple = k + 1, self.add(multiple, point)


P256 = Curve(
    "P-256", "2a8648ce3d030107",
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5),
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)

BRAINPOOL = Curve(
    "brainpoolP256r1", "2b2403030208010107",
    0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    (0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
     0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997),
    0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7)

OTHER = {P256: BRAINPOOL, BRAINPOOL: P256}


def number(curve, name):
    """1 to n - 1, always the same for a name"""
    digest = hashlib.sha512(f"iotsafe test vectors, {curve.name}, {name}".encode()).digest()
    return int.from_bytes(digest, "big") % (curve.n - 1) + 1


def bytes32(value):
    return value.to_bytes(32, "big")


# ---------------------------------------------------------------------------- DER


def der(tag, *contents):
    body = b"".join(contents)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def integer(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def signature(r, s):
    return der(0x30, integer(r), integer(s))


EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")


def spki(curve, octets, algorithm=EC_PUBLIC_KEY, unused_bits=0):
    return der(0x30, der(0x30, algorithm, der(6, curve.oid)), der(3, bytes([unused_bits]), octets))


def uncompressed(point):
    return b"\x04" + bytes32(point[0]) + bytes32(point[1])


def pkcs8(curve, private):
    sec1 = der(0x30, integer(1), der(4, bytes32(private)),
               der(0xA1, der(3, b"\0", uncompressed(curve.mul(private)))))
    return der(0x30, integer(0), der(0x30, EC_PUBLIC_KEY, der(6, curve.oid)), der(4, sec1))


# -------------------------------------------------------------------------- ECDSA

MESSAGE = b"a message that was signed"


def hashed(curve, message):
    return int.from_bytes(hashlib.sha256(message).digest(), "big") % curve.n


def sign(curve, private, message, nonce, point=None):
    """point: nonce times the generator, if it is known"""
    r = (point or curve.mul(nonce))[0] % curve.n
    return r, pow(nonce, -1, curve.n) * (hashed(curve, message) + r * private) % curve.n


def searched(curve, private, name, wanted):
    """the first signature with a property, over nonces one after another"""
    signatures = (sign(curve, private, MESSAGE, nonce, point)
                  for nonce, point in curve.multiples(number(curve, name)))
    return next(numbers for numbers in signatures if wanted(*numbers))


def high(value):
    return value >> 255 == 1


def good_signatures(curve, private):
    """comment, message, r, s"""
    half = 1 << 255
    if curve.n > half:
        for name, wanted in [
                ("r and s with their highest bit set", lambda r, s: high(r) and high(s)),
                ("only r with its highest bit set", lambda r, s: high(r) and not high(s)),
                ("only s with its highest bit set", lambda r, s: not high(r) and high(s)),
                ("r and s without their highest bit", lambda r, s: not high(r) and not high(s))]:
            yield (name, MESSAGE, *searched(curve, private, name, wanted))
    yield ("r of 31 bytes", MESSAGE, *searched(curve, private, "short r", lambda r, s: r >> 248 == 0))
    yield ("s of 31 bytes", MESSAGE, *searched(curve, private, "short s", lambda r, s: s >> 248 == 0))
    yield ("the nonce 1", MESSAGE, *sign(curve, private, MESSAGE, 1))
    yield ("the nonce n - 1", MESSAGE, *sign(curve, private, MESSAGE, curve.n - 1))
    r, s = sign(curve, private, MESSAGE, number(curve, "negated"))
    yield ("a signature", MESSAGE, r, s)
    yield ("its s negated", MESSAGE, r, curve.n - s)
    yield ("an empty message", b"", *sign(curve, private, b"", number(curve, "empty")))
    long = bytes(range(256)) * 8
    yield ("a long message", long, *sign(curve, private, long, number(curve, "long")))


def wrong_numbers(curve, r, s):
    """comment, r, s"""
    n, p = curve.n, curve.p
    for name, value in [("0", 0), ("n", n), ("n + 1", n + 1), ("p", p), ("2^256 - 1", (1 << 256) - 1)]:
        yield f"r is {name}", value, s
        yield f"s is {name}", r, value
        yield f"r and s are {name}", value, value
    yield "r is 0, s is 1", 0, 1
    yield "r is 1, s is 0", 1, 0
    yield "r is 1", 1, s
    yield "s is 1", r, 1
    yield "r is n - 1", n - 1, s
    yield "s is n - 1", r, n - 1
    yield "r and s exchanged", s, r
    yield "a bit of r changed", r ^ 1, s
    yield "a bit of s changed", r, s ^ 1


def wrong_in_der_only(curve, r, s):
    """comment, r, s: numbers that r || s of fixed length cannot have"""
    n = curve.n
    yield "r increased by n", r + n, s
    yield "s increased by n", r, s + n
    yield "r decreased by n", r - n, s
    yield "s decreased by n", r, s - n
    yield "r negated", -r, s
    yield "s negated", r, -s
    yield "r is -1", -1, s
    yield "s is -1", r, -1
    yield "r increased by 2^256", r + (1 << 256), s
    yield "s increased by 2^256", r, s + (1 << 256)
    yield "r of 1000 bytes", r + n * (1 << 7740), s
    yield "s of 1000 bytes", r, s + n * (1 << 7740)


def wrong_integers(value):
    """comment, the bytes of an INTEGER that is not this value in DER"""
    good = integer(value)
    body = good[2:]
    yield "a leading zero too many", der(2, b"\0", body)
    yield "two leading zeros too many", der(2, b"\0\0", body)
    yield "no bytes", der(2)
    yield "missing", b""
    yield "a length in the long form", b"\x02\x81" + good[1:2] + body
    yield "a length in two bytes", b"\x02\x82\x00" + good[1:2] + body
    yield "a length too large by one", bytes([2, good[1] + 1]) + body
    yield "a length too small by one", bytes([2, good[1] - 1]) + body
    yield "an indefinite length", b"\x02\x80" + body + b"\0\0"
    yield "a length of 2^32 - 1", b"\x02\x84\xff\xff\xff\xff" + body
    for name, tag in [("BOOLEAN", 1), ("BIT STRING", 3), ("OCTET STRING", 4), ("ENUMERATED", 10),
                      ("constructed INTEGER", 0x22), ("context tag", 0x82), ("SEQUENCE", 0x30)]:
        yield f"tagged as {name}", bytes([tag]) + good[1:]
    yield "NULL", b"\x05\0"
    yield "an INTEGER in an INTEGER", der(2, good)
    yield "a REAL", b"\x09\x01\x40"
    yield "in a SEQUENCE of its own", der(0x30, good)


def wrong_der(r, s):
    """comment, bytes"""
    good = signature(r, s)
    body = good[2:]
    yield "nothing", b""
    for name, cut in [("the tag alone", 1), ("the header alone", 2), ("half of it", len(good) // 2),
                      ("the last byte missing", len(good) - 1)]:
        yield name, good[:cut]
    yield "zeros", bytes(len(good))
    yield "a byte behind it", good + b"\0"
    yield "another signature behind it", good + good
    yield "a NULL inside, at the end", der(0x30, body, b"\x05\0")
    yield "a zero byte inside, at the end", der(0x30, body, b"\0")
    yield "a third INTEGER", der(0x30, body, integer(1))
    yield "an empty SEQUENCE", der(0x30)
    yield "a SEQUENCE in a SEQUENCE", der(0x30, good)
    yield "an INTEGER in front", der(0x30, integer(0), body)
    yield "a length in the long form", b"\x30\x81" + good[1:]
    yield "a length in two bytes", b"\x30\x82\x00" + good[1:]
    yield "a length too large by one", bytes([0x30, good[1] + 1]) + body
    yield "a length too small by one", bytes([0x30, good[1] - 1]) + body
    yield "an indefinite length", b"\x30\x80" + body + b"\0\0"
    yield "a length of 2^32 - 1", b"\x30\x84\xff\xff\xff\xff" + body
    yield "a length of 2^64 - 1", b"\x30\x88" + b"\xff" * 8 + body
    for name, tag in [("SET", 0x31), ("primitive SEQUENCE", 0x10), ("OCTET STRING", 4), ("application tag", 0x70)]:
        yield f"tagged as {name}", bytes([tag]) + good[1:]
    for name, bad in wrong_integers(r):
        yield f"r: {name}", der(0x30, bad, integer(s))
    for name, bad in wrong_integers(s):
        yield f"s: {name}", der(0x30, integer(r), bad)
    yield "r || s without DER", bytes32(r) + bytes32(s)


def wrong_lengths(r, s):
    """comment, bytes that are not r || s of 32 bytes each"""
    good = bytes32(r) + bytes32(s)
    yield "nothing", b""
    yield "r alone", good[:32]
    yield "the last byte missing", good[:-1]
    yield "a byte in front", b"\0" + good
    yield "a byte behind it", good + b"\0"
    yield "each of 33 bytes", b"\0" + good[:32] + b"\0" + good[32:]
    yield "twice", good + good
    yield "DER", signature(r, s)


class Tests:
    """the tests of a group, numbered through the file"""

    last = 0

    def __init__(self):
        self.tests = []

    def add(self, comment, result, **fields):
        Tests.last += 1
        values = {name: value.hex() for name, value in fields.items()}
        self.tests.append({"tcId": Tests.last, "comment": comment, **values, "result": result})


def ecdsa_group(curve, form, public, tests):
    return {"type": form, "curve": curve.name, "sha": "SHA-256",
            "publicKeyDer": spki(curve, uncompressed(public)).hex(), "tests": tests.tests}


def der_tests(curve, private, tests):
    r, s = searched(curve, private, "base", lambda r, s: r >> 248 and s >> 248)
    for comment, message, *numbers in good_signatures(curve, private):
        tests.add(comment, "valid", msg=message, sig=signature(*numbers))
    for numbers in (wrong_numbers, wrong_in_der_only):
        for comment, *values in numbers(curve, r, s):
            tests.add(comment, "invalid", msg=MESSAGE, sig=signature(*values))
    for comment, value in wrong_der(r, s):
        tests.add(comment, "invalid", msg=MESSAGE, sig=value)
    tests.add("of another message", "invalid", msg=b"another message", sig=signature(r, s))
    other = sign(curve, number(curve, "other key"), MESSAGE, number(curve, "by another"))
    tests.add("of another key", "invalid", msg=MESSAGE, sig=signature(*other))


def raw_tests(curve, private, tests):
    r, s = searched(curve, private, "base", lambda r, s: r >> 248 and s >> 248)
    for comment, message, *numbers in good_signatures(curve, private):
        tests.add(comment, "valid", msg=message, sig=b"".join(map(bytes32, numbers)))
    for comment, *values in wrong_numbers(curve, r, s):
        tests.add(comment, "invalid", msg=MESSAGE, sig=b"".join(map(bytes32, values)))
    for comment, value in wrong_lengths(r, s):
        tests.add(comment, "invalid", msg=MESSAGE, sig=value)


def ecdsa_groups(curve):
    private = number(curve, "signer")
    for form, add_tests in (("EcdsaVerify", der_tests), ("EcdsaP1363Verify", raw_tests)):
        tests = Tests()
        add_tests(curve, private, tests)
        yield ecdsa_group(curve, form, curve.mul(private), tests)
    # Keys that make the two summands of the verification equal, or opposite.
    nonce = number(curve, "doubling")
    r, e = curve.mul(2 * nonce % curve.n)[0] % curve.n, hashed(curve, MESSAGE)
    for comment, result, sign_of_e in [("the sum is a doubling", "valid", 1),
                                       ("the sum is the point at infinity", "invalid", -1)]:
        tests = Tests()
        private = sign_of_e * e * pow(r, -1, curve.n) % curve.n
        tests.add(comment, result, msg=MESSAGE, sig=signature(r, e * pow(nonce, -1, curve.n) % curve.n))
        yield ecdsa_group(curve, "EcdsaVerify", curve.mul(private), tests)


# --------------------------------------------------------------------------- ECDH


def twist_point(curve):
    """a point of the curve's quadratic twist d³b + d²ax + x³, not on the curve itself"""
    d = next(d for d in range(2, 100) if curve.root(d) is None)
    for i in range(1000):
        x = number(curve, f"twist {i}") % curve.p
        y = curve.root((x * x * x + d * d * curve.a * x + d * d * d * curve.b) % curve.p)
        if y is not None and not curve.has((x, y)):
            return x, y
    raise ValueError(curve.name)


def x_without_point(curve):
    """the x coordinate of points of the twist y²d = x³ + ax + b only"""
    return next(x for x in (number(curve, f"no point {i}") % curve.p for i in range(1000))
                if curve.root(curve.rhs(x)) is None)


def small_x(curve):
    """a point whose x + p fits into 32 bytes as well"""
    for i in range(1000):
        x = number(curve, f"small x {i}") % ((1 << 256) - curve.p)
        y = curve.root(curve.rhs(x))
        if y is not None:
            return x, y
    raise ValueError(curve.name)


def wrong_points(curve, point):
    """comment, encoded point that no party may compute with"""
    x, y = point
    yield "y increased by one", uncompressed((x, (y + 1) % curve.p))
    yield "x increased by one", uncompressed(((x + 1) % curve.p, y))
    yield "x and y exchanged", uncompressed((y, x))
    yield "x = y = 0", uncompressed((0, 0))
    yield "x = 0, y = 1", uncompressed((0, 1))
    yield "y = 0, of order 2 on another curve", uncompressed((x, 0))
    yield "x = y = p - 1", uncompressed((curve.p - 1, curve.p - 1))
    yield "x = y = p", uncompressed((curve.p, curve.p))
    yield "all bits set", b"\x04" + b"\xff" * 64
    yield "on the twist", uncompressed(twist_point(curve))
    yield "on the twist, compressed", b"\x02" + bytes32(x_without_point(curve))
    yield "on the other curve", uncompressed(OTHER[curve].g)
    small = small_x(curve)
    yield "x not reduced modulo p", uncompressed((small[0] + curve.p, small[1]))
    yield "the point at infinity", b"\0"
    yield "the point at infinity, with zeros", bytes(65)
    yield "no bytes", b""
    good = uncompressed(point)
    yield "the last byte missing", good[:-1]
    yield "a byte too many", good + b"\0"
    yield "without its form", good[1:]
    yield "the form alone", good[:1]
    yield "half of it", good[:33]
    yield "the form 05", b"\x05" + good[1:]
    yield "the form 00 in front of 64 bytes", b"\x00" + good[1:]
    yield "the hybrid form of -y", bytes([7 - (y & 1)]) + good[1:]
    yield "compressed, the last byte missing", bytes([2 + (y & 1)]) + good[1:32]
    yield "compressed, x not less than p", bytes([2 + (y & 1)]) + b"\xff" * 32


def good_points(curve):
    """comment, point"""
    yield "the generator", curve.g
    yield "the generator negated", (curve.g[0], curve.p - curve.g[1])
    for i in range(1, 9):
        yield f"a point, {i}", curve.mul(number(curve, f"peer {i}"))
    yield "a small x", small_x(curve)
    for name, wanted in [("x with a leading zero", lambda point: point[0] >> 248 == 0),
                         ("y with a leading zero", lambda point: point[1] >> 248 == 0)]:
        points = (point for _, point in curve.multiples(number(curve, name)))
        yield name, next(filter(wanted, points))


def peer_with_short_secret(curve, private):
    """a peer with which the secret begins with a zero, which must not get lost"""
    secrets = curve.multiples(number(curve, "short secret"), curve.mul(private))
    return curve.mul(next(k for k, secret in secrets if secret[0] >> 248 == 0))


def ecdh_tests(curve, private, encode, tests):
    """encode(octets): how the peer is given"""
    def shared(point):
        return bytes32(curve.mul(private, point)[0])

    for comment, point in good_points(curve):
        tests.add(comment, "valid", public=encode(uncompressed(point)), shared=shared(point))
    peer = peer_with_short_secret(curve, private)
    tests.add("a secret with a leading zero", "valid", public=encode(uncompressed(peer)), shared=shared(peer))
    peer = curve.mul(number(curve, "peer"))
    sign_of_y = peer[1] & 1
    tests.add("compressed", "acceptable", public=encode(bytes([2 + sign_of_y]) + bytes32(peer[0])),
              shared=shared(peer))
    tests.add("hybrid", "acceptable", public=encode(bytes([6 + sign_of_y]) + uncompressed(peer)[1:]),
              shared=shared(peer))
    for comment, octets in wrong_points(curve, peer):
        tests.add(comment, "invalid", public=encode(octets), shared=b"")


def spki_tests(curve, private, tests):
    ecdh_tests(curve, private, lambda octets: spki(curve, octets), tests)
    peer = uncompressed(curve.mul(number(curve, "peer")))
    other = OTHER[curve]
    for comment, value in [
            ("a key of the other curve", spki(other, uncompressed(other.mul(number(other, "peer"))))),
            ("the name of the other curve", spki(other, peer)),
            ("the name of RSA", spki(curve, peer, algorithm=RSA_ENCRYPTION)),
            ("unused bits", spki(curve, peer, unused_bits=9)),
            ("cut off", spki(curve, peer)[:-1])]:
        tests.add(comment, "invalid", public=value, shared=b"")


def point_tests(curve, private, tests):
    ecdh_tests(curve, private, lambda octets: octets, tests)


def ecdh_groups(curve):
    private = number(curve, "mine")
    for form, add_tests in (("EcdhSpki", spki_tests), ("EcdhPoint", point_tests)):
        tests = Tests()
        add_tests(curve, private, tests)
        yield {"type": form, "curve": curve.name, "privateKeyDer": pkcs8(curve, private).hex(),
               "tests": tests.tests}


def main():
    groups = [group for curve in (P256, BRAINPOOL) for make in (ecdsa_groups, ecdh_groups) for group in make(curve)]
    print(json.dumps({"generator": "tests/data/make_vectors.py", "numberOfTests": Tests.last,
                      "testGroups": groups}, indent=1))


if __name__ == "__main__":
    main()
