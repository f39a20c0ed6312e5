"""Verification of SM2 signatures (GB/T 32918.2-2016) on the recommended curve (GB/T 32918.5-2017).

There is nothing secret in a verification, so the arithmetic need not take constant time.
"""

from glovebox.verification.sm3 import sm3

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
IDENTIFIER = b"1234567812345678"

Point = tuple[int, int] | None
"""A point of the curve; ``None`` is the point at infinity."""


def is_on_curve(point: tuple[int, int]) -> bool:
    """Whether ``point`` may be a public key. The curve's order is prime, so every point of it will do."""
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - x * x * x - A * x - B) % P == 0


def verify(public: tuple[int, int], message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (r ‖ s, 64 bytes) is by ``public`` over ``message`` (section 7.1)."""
    if len(signature) != 64 or not is_on_curve(public):
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (1 <= r < N and 1 <= s < N):
        return False
    t = (r + s) % N
    if t == 0:
        return False
    digest = int.from_bytes(sm3(_identity(public) + message), "big")
    point = _sum_of_products(s, G, t, public)
    return point is not None and (digest + point[0]) % N == r


def _identity(public: tuple[int, int]) -> bytes:
    """Z of section 5.5: the signer's identifier, the curve and the key, so that a signature fits one key alone."""
    numbers = (A, B, *G, *public)
    length = (8 * len(IDENTIFIER)).to_bytes(2, "big")
    return sm3(length + IDENTIFIER + b"".join(number.to_bytes(32, "big") for number in numbers))


def _add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def _sum_of_products(k: int, p: Point, m: int, q: Point) -> Point:
    """``[k]p + [m]q``, bit by bit for both at once."""
    table = (None, p, q, _add(p, q))
    result: Point = None
    for bit in range(max(k.bit_length(), m.bit_length()) - 1, -1, -1):
        result = _add(_add(result, result), table[(k >> bit & 1) | (m >> bit & 1) << 1])
    return result
