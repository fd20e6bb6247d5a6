"""Prints signatures of rsa.pk8 over one token whose padding is wrong in one way each: `case algorithm signature`."""

import base64
import hashlib
import subprocess

CLAIMS = (
    b'{"iss":"https://issuer.example","aud":"sts.example","sub":"system:serviceaccount:spark:etl",'
    b'"iat":1799999940,"exp":1800003540}'
)
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
WITHOUT_NULL = bytes.fromhex("302f300b0609608648016503040201" + "0420")
SHA512 = bytes.fromhex("3051300d060960864801650304020305000440")


def number(name, text):
    lines = text.split(name + ":\n", 1)[1].splitlines()
    digits = ""
    for line in lines:
        if not line.startswith("    "):
            break
        digits += line.strip().replace(":", "")
    return int(digits, 16)


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


key = subprocess.run(
    ["openssl", "pkey", "-inform", "DER", "-in", "rsa.pk8", "-noout", "-text"], check=True, capture_output=True, text=True
).stdout
n, d = number("modulus", key), number("privateExponent", key)


def signed_input(algorithm):
    header = b'{"alg":"%s","kid":"rsa"}' % algorithm.encode()
    return (url(header) + "." + url(CLAIMS)).encode()


def raw(block):
    assert len(block) == 256
    return pow(int.from_bytes(block, "big"), d, n).to_bytes(256, "big")


def block(info, digest, first=b"\x00\x01", fill=b"\xff", end=b"\x00", behind=b""):
    tail = end + info + digest + behind
    return first + fill * (256 - len(first) - len(tail)) + tail


digest = hashlib.sha256(signed_input("RS256")).digest()
holed = bytearray(block(SHA256, digest))
holed[100] = 0xFE
short = b"\x00\x01" + b"\xff" * 8 + b"\x00" + SHA256 + digest
blocks = {
    "good": block(SHA256, digest),
    "first-byte-1": block(SHA256, digest, first=b"\x01\x01"),
    "block-type-2": block(SHA256, digest, first=b"\x00\x02"),
    "block-type-0": block(SHA256, digest, first=b"\x00\x00", fill=b"\x00"),
    "a-byte-of-the-fill-is-fe": bytes(holed),
    "no-zero-after-the-fill": block(SHA256, digest, end=b"\xff"),
    "garbage-behind-the-digest": short + bytes(256 - len(short)),
    "garbage-byte-behind-the-digest": block(SHA256, digest, behind=b"\x00"),
    "no-null-parameters": block(WITHOUT_NULL, digest),
    "no-digest-info": block(b"", digest),
    "digest-of-another-algorithm": block(SHA512, hashlib.sha512(signed_input("RS256")).digest()),
    "digest-cut": block(SHA256, digest[:-1]),
}
for case, content in blocks.items():
    print(case, "RS256", url(raw(content)))


def mgf(name, seed, length):
    out = b""
    for counter in range(length // 20 + 1):
        out += hashlib.new(name, seed + counter.to_bytes(4, "big")).digest()
    return out[:length]


def pss(salt, digest_name="sha256", mask_name="sha256", trailer=b"\xbc"):
    hashed = hashlib.new(digest_name, signed_input("PS256")).digest()
    inner = hashlib.new(digest_name, bytes(8) + hashed + salt).digest()
    data = bytes(256 - len(inner) - len(salt) - 2) + b"\x01" + salt
    mask = mgf(mask_name, inner, len(data))
    masked = bytearray(a ^ b for a, b in zip(data, mask))
    masked[0] &= 0x7F
    return bytes(masked) + inner + trailer


cases = {
    "good": pss(b"s" * 32),
    "no-salt": pss(b""),
    "salt-of-31": pss(b"s" * 31),
    "salt-of-33": pss(b"s" * 33),
    "longest-salt": pss(b"s" * 222),
    "mask-with-sha1": pss(b"s" * 32, mask_name="sha1"),
    "digest-of-sha384": pss(b"s" * 48, "sha384", "sha384"),
    "trailer-cc": pss(b"s" * 32, trailer=b"\xcc"),
}
for case, content in cases.items():
    print(case, "PS256", url(raw(content)))
