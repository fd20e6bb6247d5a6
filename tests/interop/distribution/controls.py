"""Shows that the verdicts can fail: each is given a record with a planted fault."""

import judge
from checks import equal, holds
from leaks import search
from sampler import Sample

END = 1000.0
KEY = "ASIA0000000000000000"


def _answer(sent, status=200, key=KEY, says=END):
    return Sample("000", sent, sent + 0.1, status, key, says, "" if status == 200 else "CREDENTIALS_EXPIRED")


def controls(checks, bench):
    expiry = {KEY: END}
    with checks.that("the judge finds each planted fault, and nothing in a record without one"):
        good = [_answer(n) for n in range(100, 110)]
        for verdict in (judge.expired, judge.too_late, judge.overstated):
            equal(verdict(good, expiry), [], verdict.__name__)
        equal(judge.lost(good, ["000"], 100, 110), [], "lost")
        planted = {
            "expired": judge.expired([_answer(END)], expiry),
            "never given out": judge.expired([_answer(100, key="ASIA9")], expiry),
            "in its last seconds": judge.too_late([_answer(END - 13)], expiry),
            "overstated": judge.overstated([_answer(100, says=END + 1)], expiry),
            "503": judge.lost([*good, _answer(105, status=503)], ["000"], 100, 110),
            "no answer": judge.lost([*good, _answer(105, status=0)], ["000"], 100, 110),
            "never asked": judge.lost(good, ["000", "001"], 100, 120),
            "asked no more": judge.lost(good, ["000"], 100, 130),
            "served in the dark": judge.served(good, 100, 110),
        }
        equal([name for name, found in planted.items() if not found], [], "not found")
    with checks.that("a planted identity token is found"):
        token = bench.issuer.mint("planted")
        bench.issuer.minted.remove(token)
        holds(search([token], {"planted": b"before" + token.encode() + b"behind"}), "it is not found")
