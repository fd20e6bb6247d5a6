"""Looks for identity tokens in files, environments and answers: raw, in hexadecimal and in base64 at every alignment."""

import base64
from pathlib import Path


def needles(token):
    """Every form in which `token`, its claims or its signature would be found inside other bytes."""
    _, claims, signature = token.encode().split(b".")
    found = {}
    for name, part in (("token", token.encode()), ("claims", claims), ("signature", signature)):
        found[name] = part
        found[f"{name} in hexadecimal"] = part.hex().encode()
        for shift in range(3):
            # The first and last characters depend on the neighbours; what is between them does not.
            text = base64.b64encode(b"\0" * shift + part)[4:-4]
            found[f"{name} in base64 at {shift}"] = text
            found[f"{name} in base64url at {shift}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def search(tokens, hay):
    """Where a token is found: a list of (place, form). `hay` maps a place's name to its bytes."""
    forms = [needles(token) for token in tokens]
    hits = []
    for place, content in hay.items():
        joined = content.replace(b"\n", b"")  # `base64` breaks its lines
        for form in forms:
            hits += [(place, name) for name, needle in form.items() if needle in content or needle in joined]
    return hits


def hay_of_files(*roots):
    """Every file under `roots`, by its path."""
    files = [file for root in roots for file in ([Path(root)] if Path(root).is_file() else Path(root).rglob("*"))]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def hay_of_process(pid):
    """What anybody of the same user can read of a running command: its environment and its arguments."""
    proc = Path("/proc") / str(pid)
    return {f"{proc}/{name}": (proc / name).read_bytes() for name in ("environ", "cmdline")}
