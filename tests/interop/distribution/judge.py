"""Verdicts from the sampler's records and the STS's own. Each returns what is wrong as a list: nothing is good."""

from collections import Counter

from scale import GAP, MARGIN_SEEN


def expired(samples, expiry):
    """Answers with a credential that had ended when they came, or that the STS never gave out."""
    return [f"{s.who}: {s.key}, {s.received - expiry.get(s.key, 0):.1f} s after its end"
            for s in samples if s.status == 200 and expiry.get(s.key, 0) <= s.received]


def too_late(samples, expiry):
    """Answers with a credential in its last seconds. It was answered no earlier than it was asked."""
    return [f"{s.who}: {s.key}, {expiry.get(s.key, 0) - s.sent:.1f} s before its end"
            for s in samples if s.status == 200 and expiry.get(s.key, 0) - s.sent < MARGIN_SEEN]


def overstated(samples, expiry):
    """Answers that name a later end than the STS did: a client would use them for too long."""
    return [f"{s.who}: {s.key}, {s.says - expiry.get(s.key, 0):.1f} s too long"
            for s in samples if s.status == 200 and s.says > expiry.get(s.key, 0)]


def lost(samples, names, since, until, gap=GAP):
    """Requests between two moments that got no credential, and executors that were not asked for longer than `gap`."""
    during = [s for s in samples if since <= s.sent and s.received <= until and s.who in names]
    wrong = [f"{s.who}: {s.status} {s.code} {s.received - since:.1f} s after the start" for s in during if s.status != 200]
    for name in names:
        moments = [since, *(s.received for s in during if s.who == name), until]
        longest = max(after - before for before, after in zip(moments, moments[1:]))
        if longest > gap:
            wrong.append(f"{name}: nobody had an answer of it for {longest:.1f} s")
    return wrong


def served(samples, since, until):
    """Answers with a credential between two moments, where there should be none."""
    return [f"{s.who}: {s.key}" for s in samples if since <= s.sent and s.received <= until and s.status == 200]


def codes(samples, since, until):
    """How often each code was answered between two moments."""
    return Counter(s.code for s in samples if since <= s.sent and s.received <= until and s.status != 200)
