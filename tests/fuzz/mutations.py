"""Damage to valid files: what disks, networks and strangers do to them."""

import struct
import zlib
from collections.abc import Sequence

from hypothesis import strategies as st

#: Numbers that readers stumble over, in one, two, four or eight bytes.
_EDGES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PNG = b'\x89PNG\r\n\x1a\n'


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Draw a valid file with some damage, or bytes that never were one.

    Args:
        draw: Hypothesis'.
        seeds: Valid files.
    """
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.binary(max_size=200))
    seed = draw(st.sampled_from(seeds))
    if kind == 1:  # a true beginning, then anything
        return seed[: draw(st.integers(1, 40))] + draw(st.binary(max_size=200))
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 6))):
        _damage(draw, content, seeds)
    if draw(st.booleans()):
        content = bytearray(repair_png(bytes(content)))
    return bytes(content)


def _damage(draw: st.DrawFn, content: bytearray, seeds: Sequence[bytes]) -> None:
    if not content:
        return
    # Half of all damage goes to the first bytes, where headers are.
    last = len(content) - 1
    place = draw(st.one_of(st.integers(0, min(last, 120)), st.integers(0, last)))
    action = draw(st.sampled_from(['flip', 'number', 'cut', 'remove', 'insert', 'splice', 'repeat', 'zeros']))
    if action == 'flip':
        content[place] ^= 1 << draw(st.integers(0, 7))
    elif action == 'number':
        size, order = draw(st.sampled_from('BHIQ')), draw(st.sampled_from('<>'))
        value = draw(st.sampled_from(_EDGES)) & (256 ** struct.calcsize(size) - 1)
        packed = struct.pack(order + size, value)
        content[place : place + len(packed)] = packed
    elif action == 'cut':
        del content[place:]
    elif action == 'remove':
        del content[place : place + draw(st.integers(1, 64))]
    elif action == 'insert':
        content[place:place] = draw(st.binary(min_size=1, max_size=16))
    elif action == 'splice':
        other = draw(st.sampled_from(seeds))
        start = draw(st.integers(0, len(other) - 1))
        length = draw(st.integers(1, 256))
        content[place : place + length] = other[start : start + length]
    elif action == 'repeat':
        length = draw(st.integers(1, 64))
        content[place:place] = content[place : place + length]
    else:
        length = draw(st.integers(1, 64))
        content[place : place + length] = bytes(len(content[place : place + length]))


def repair_png(content: bytes) -> bytes:
    """Make the check sums of a PNG right again, so that damage gets past them; anything else stays."""
    if not content.startswith(_PNG):
        return content
    out, place = bytearray(_PNG), len(_PNG)
    while place + 12 <= len(content):
        length = struct.unpack_from('>I', content, place)[0]
        body = content[place + 4 : place + 8 + length]
        if len(body) < length + 4:
            break
        out += content[place : place + 4] + body + struct.pack('>I', zlib.crc32(body))
        place += length + 12
    return bytes(out) + content[place:]
