"""How large a run is, and how long anything may take, each with its reason."""

import os

EXECUTORS = int(os.environ.get("EXECUTORS", "200"))
"""200 is the whole run. Fewer than 100 make the quick form: the same faults, shorter."""

QUICK = EXECUTORS < 100

MARGIN = 15
"""A credential is not served in its last 15 s (README, "What it does")."""

MARGIN_SEEN = MARGIN - 1
"""What of that a client must see: the wire and `Expiration` count whole seconds."""

POLL = 5 if QUICK else 10
"""`distribution.pollInterval` of the large job: 200 executors then make 27 handshakes a second."""

SLACK = 10
"""What a loaded machine with two cores may add to anything."""

NEWS = POLL + SLACK
"""News reaches everybody within one poll, if the driver can be reached."""

BACK = 30 + 2 + SLACK
"""A driver that is back is noticed within the longest pause between two asks that fail, and one connect."""

TURNED_AWAY = NEWS + 1 + 2 + 4 + 8
"""The same while the driver's threads are taken: it then turns away strangers of one address, and all come from one. Who
was turned away four times comes back after 1, 2, 4 and 8 s."""

START = 60
"""For all at once, many of whom are turned away at first. It is `startTimeout` too."""

RESTART = 20
"""For one executor: a process, a handshake, and its endpoint's threads."""

SAMPLE = 1.5
"""How often each executor is asked for credentials."""

GAP = SAMPLE + SLACK
"""Good answers of an executor that loses nothing are no further apart, by the sampler's own records."""

LIFE = 45 if QUICK else 60
"""Of credentials in seconds. Renewed at half of it less up to a tenth, served until 15 s before its end: two renewals fit
into a minute, and 45 s leave 7 s for news, in which an executor asks every second or two."""

LONG_LIFE = 75 if QUICK else 120
"""While executors are behind the proxy: news through it, its three faults in a row, and the longest pause after them (a
quarter of what can still be served) fit between the start and 15 s before the end, with 15 s to spare."""

SHORT_LIFE = 30 if QUICK else 60
"""While the driver is in a black hole, whose end is waited for. Served for 15 s or 45 s."""

DELAY = 0.15
"""Seconds in each direction: a round trip of 300 ms, worse than any cluster's. An ask takes four of these, so that 27 asks a
second keep 16 of the driver's 32 threads; twice the delay would take all."""

STALL, RESET, TRUNCATION = (5, 4, 4) if QUICK else (12, 8, 8)
"""How long each fault of the proxy lasts."""

SHORT_HOLE = 8
"""At most four asks fail in it, so that the longest pause behind it is 16 s: 24 s of 45 have passed."""

MEMORY = 4 * 1024
"""KiB that the driver may gain through all faults: what the allocator keeps for 32 threads that are used for the first time.
Up to 1.8 MiB of it were seen, less the more executors had been there before."""
