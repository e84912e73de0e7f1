"""RC2 in CBC mode, decryption only (RFC 2268): what PKCS#12 files of many years protect their certificates with.

The libraries of today offer it with 128-bit keys at most, not with the 40 effective bits of ``pbeWithSHA1And40BitRC2-CBC``.
"""

from __future__ import annotations

# RFC 2268, Section 2: a permutation of 0..255 made of the digits of pi
_PITABLE = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb6266fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)


def _expand(key: bytes, effective_bits: int) -> list[int]:
    """Sixty-four 16-bit subkeys (RFC 2268, Section 2)."""
    table = bytearray(key)
    for i in range(len(key), 128):
        table.append(_PITABLE[(table[i - 1] + table[i - len(key)]) & 0xFF])
    octets = (effective_bits + 7) // 8
    table[128 - octets] = _PITABLE[table[128 - octets] & (0xFF >> (8 * octets - effective_bits))]
    for i in range(127 - octets, -1, -1):
        table[i] = _PITABLE[table[i + 1] ^ table[i + octets]]
    return [table[i] | table[i + 1] << 8 for i in range(0, 128, 2)]


def _decrypt_block(subkeys: list[int], block: bytes) -> bytes:
    """One block of eight bytes (RFC 2268, Section 4)."""
    r = [block[i] | block[i + 1] << 8 for i in range(0, 8, 2)]
    at = 63
    for rounds in (5, 6, 5):
        for _ in range(rounds):
            for i, shift in ((3, 5), (2, 3), (1, 2), (0, 1)):
                r[i] = (r[i] << (16 - shift) | r[i] >> shift) & 0xFFFF
                r[i] = (r[i] - subkeys[at] - (r[i - 1] & r[i - 2]) - (~r[i - 1] & r[i - 3])) & 0xFFFF
                at -= 1
        if at > 0:
            for i in (3, 2, 1, 0):
                r[i] = (r[i] - subkeys[r[i - 1] & 63]) & 0xFFFF
    return b"".join(word.to_bytes(2, "little") for word in r)


def decrypt_cbc(key: bytes, effective_bits: int, initial: bytes, data: bytes) -> bytes:
    """The plaintext with its padding. ``data`` is a whole number of eight-byte blocks."""
    subkeys, out, before = _expand(key, effective_bits), [], initial
    for at in range(0, len(data), 8):
        block = data[at : at + 8]
        out.append(bytes(a ^ b for a, b in zip(_decrypt_block(subkeys, block), before, strict=True)))
        before = block
    return b"".join(out)
