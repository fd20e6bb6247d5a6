"""Looks into tokens and changes them, without any library that would refuse to."""

import base64
import json
import time


def _part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def header(token):
    return _part(token, 0)


def claims(token):
    return _part(token, 1)


def _encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_claims(token, **changes):
    """The token with other claims and its old signature."""
    head, _, signature = token.split(".")
    return ".".join((head, _encoded(claims(token) | changes), signature))


def with_header(token, **changes):
    """The token with another header and its old signature."""
    _, body, signature = token.split(".")
    return ".".join((_encoded(header(token) | changes), body, signature))


def with_damaged_signature(token):
    """The token with one bit of its signature changed: of the first character, which is all signature."""
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def unsigned(claims, life):
    """A token of now, for `life` seconds, whose signature is none: for those who do not look at it."""
    now = int(time.time())
    head, body = _encoded({"alg": "RS256", "typ": "JWT"}), _encoded(claims | {"iat": now, "exp": now + life})
    return f"{head}.{body}.{base64.urlsafe_b64encode(bytes(256)).rstrip(b'=').decode()}"
