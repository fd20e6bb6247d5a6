"""Keycloak as the issuer: which of its tokens pass, which are refused and why, and keys that change under a driver."""

import time

import leaks
import tokens
from checks import equal, holds, until
from inspection import IDENTITY_REFUSED, UNREACHABLE
from job import Job, ask_endpoint
from refused import nothing_served, refused
from sts import Sts
from volume import TokenVolume

# A renewal is due after 16 to 20 s.
STS_LIFE = 40


def tokens_of_every_algorithm(checks, bench):
    keycloak, inspector = bench.keycloak, bench.on_keycloak
    with checks.that("the key set also has keys for encryption and of curves that are not taken: 4 left out, 5 used"):
        keycloak.new_key("ps256", "rsa-generated", algorithm="PS256", keySize=2048)
        keycloak.new_key("es256", "ecdsa-generated", ecdsaEllipticCurveKey="P-256")
        keycloak.new_key("es384", "ecdsa-generated", ecdsaEllipticCurveKey="P-384")
        keycloak.new_key("es512", "ecdsa-generated", ecdsaEllipticCurveKey="P-521")
        keycloak.new_key("ed25519", "eddsa-generated", priority=60, eddsaEllipticCurveKey="Ed25519")
        keycloak.new_key("ed448", "eddsa-generated", eddsaEllipticCurveKey="Ed448")
        keycloak.new_key("ecdh", "ecdh-generated", ecdhEllipticCurveKey="P-256")
        found = sorted((key["use"], key["kty"], key.get("crv", ""), key["alg"]) for key in keycloak.published())
        equal(found, [
            ("enc", "EC", "P-256", "RS256"), ("enc", "RSA", "", "RSA-OAEP"), ("sig", "EC", "P-256", "ES256"),
            ("sig", "EC", "P-384", "ES384"), ("sig", "EC", "P-521", "ES512"), ("sig", "OKP", "Ed25519", "EdDSA"),
            ("sig", "OKP", "Ed448", "EdDSA"), ("sig", "RSA", "", "PS256"), ("sig", "RSA", "", "RS256")], "keys")
        said = inspector.accepts(keycloak.access_token(keycloak.new_client("plain")))
        states = sorted(state == "usable" for state in said.keys.values())
        equal(states, [False] * 4 + [True] * 5, "keys left out, and used")
    for algorithm in ("RS256", "PS256", "ES256", "ES384", "EdDSA"):
        with checks.that(f"discovery, keys and an access token with {algorithm}: accepted, every rule passes"):
            client = keycloak.new_client(algorithm, access_token_signed_response_alg=algorithm)
            said = inspector.accepts(keycloak.access_token(client))
            equal((said.header["alg"], said.header["typ"]), (algorithm, "JWT"), "header")
    with checks.that("an ID token with ES384 is accepted for its client; azp and the claim typ can be required"):
        client = keycloak.new_client("people", id_token_signed_response_alg="ES384")
        said = inspector.accepts(keycloak.tokens(client)["id_token"], audience=client, **{
            "identityToken_authorizedParty": client, "identityToken_requiredClaim_type": "typ=ID",
            "identityToken_principalClaim": "preferred_username"})
        equal((said.header["alg"], said.claims["preferred_username"]), ("ES384", "alice"), "alg and user")
    rfc9068 = {"access_token_header_type_rfc9068": "true"}
    with checks.that("a client's own access token with typ at+jwt is accepted where at+jwt is asked for"):
        token = keycloak.own_token(keycloak.new_client("own", **rfc9068))
        equal(tokens.header(token)["typ"], "at+jwt", "typ")
        inspector.accepts(token, identityToken_type="at+jwt")
    with checks.that("a user's with typ at+jwt lacks client_id, which RFC 9068 wants: refused with TOKEN_CLAIM"):
        token = keycloak.access_token(keycloak.new_client("users", **rfc9068))
        equal((tokens.header(token)["typ"], "client_id" in tokens.claims(token)), ("at+jwt", False), "typ, client_id")
        inspector.refuses(token, "TOKEN_CLAIM", identityToken_type="at+jwt")
    with checks.that("with a mapper at Keycloak that adds client_id it is accepted"):
        token = keycloak.access_token(keycloak.new_client("mapped", claim=("client_id", "mapped"), **rfc9068))
        inspector.accepts(token, identityToken_type="at+jwt")
    with checks.that("the same token where no at+jwt is asked for is refused with TOKEN_TYPE"):
        inspector.refuses(token, "TOKEN_TYPE")


def bad_tokens_of_keycloak(checks, bench):
    keycloak, inspector = bench.keycloak, bench.on_keycloak
    plain = keycloak.new_client("refusals")
    good = keycloak.tokens(plain)
    token = good["access_token"]
    with checks.that("the token that the next checks change is accepted as it is"):
        inspector.accepts(token)

    def case(name, token, code, **changes):
        with checks.that(f"{name} is refused with {code}"):
            inspector.refuses(token() if callable(token) else token, code, **changes)

    def signed(algorithm):
        return keycloak.access_token(keycloak.new_client(f"x-{algorithm}", access_token_signed_response_alg=algorithm))

    case("a refresh token (HS512)", good["refresh_token"], "TOKEN_ALGORITHM")
    case("a token of a client set to HS256", lambda: signed("HS256"), "TOKEN_ALGORITHM")
    case("a token with ES512, whose key is in the set,", lambda: signed("ES512"), "TOKEN_ALGORITHM")
    case("a token with RS256 where only ES256 and EdDSA are allowed,", token, "TOKEN_ALGORITHM",
         identityToken_algorithms="ES256,EdDSA")
    case("a token whose header says another algorithm than its key's",
         lambda: tokens.with_header(token, alg="PS256"), "KEY_ALGORITHM")
    case("a token that names the key for encryption", lambda: tokens.with_header(token, kid=next(
        key["kid"] for key in keycloak.published() if key["alg"] == "RSA-OAEP")), "KEY_UNKNOWN")
    case("a token for another audience", token, "TOKEN_AUDIENCE", audience="somebody-else")
    case("an access token where its client is the audience,", token, "TOKEN_AUDIENCE", audience=plain)
    case("an ID token, which is for its client,", good["id_token"], "TOKEN_AUDIENCE")
    case("an ID token where at+jwt is asked for,", good["id_token"], "TOKEN_TYPE", audience=plain,
         identityToken_type="at+jwt")
    case("an ID token where the claim typ must be Bearer,", good["id_token"], "TOKEN_CLAIM_VALUE", audience=plain,
         identityToken_requiredClaim_type="typ=Bearer")
    case("a token without a required claim", token, "TOKEN_CLAIM", identityToken_requiredClaim_tenant="tenant=blue")
    case("a token without a required claim inside another", token, "TOKEN_CLAIM",
         identityToken_requiredClaim_x="/realm_access/tenant=blue")
    case("another client's token", token, "TOKEN_AUTHORIZED_PARTY", identityToken_authorizedParty="people")
    case("a token whose claims were changed", tokens.with_claims(token, sub="root"), "TOKEN_SIGNATURE")
    case("a token whose signature was changed", tokens.with_damaged_signature(token), "TOKEN_SIGNATURE")
    case("an access token that lives too long", token, "TOKEN_TOO_LONG_LIVED", identityToken_maxLifetime="5min")
    other = keycloak.new_realm("other")
    case("a token of another realm of the same server", token, "KEY_UNKNOWN", issuer=other)
    case("the same with the right realm's keys at hand", token, "TOKEN_ISSUER", issuer=other,
         jwks_url=keycloak.key_set_url())
    keycloak.new_key("ed448-first", "eddsa-generated", priority=300, eddsaEllipticCurveKey="Ed448")
    case("a token with EdDSA whose key is of Ed448", lambda: signed("EdDSA"), "KEY_UNKNOWN")
    with checks.that("a token that lived for 2 s is accepted, and 3 s later refused with TOKEN_EXPIRED"):
        client = keycloak.new_client("short", access_token_lifespan="2")
        short = keycloak.access_token(client)
        inspector.accepts(short, identityToken_clockSkew="30s")
        until("its end", lambda: time.time() > tokens.claims(short)["exp"] + 1, 10)
        inspector.refuses(short, "TOKEN_EXPIRED", identityToken_clockSkew="0s")
    with checks.that("the issuer with a slash at its end is another issuer's discovery: KEYS_DISCOVERY, no keys"):
        inspector.has_no_keys(token, IDENTITY_REFUSED, "KEYS_DISCOVERY", issuer=keycloak.realm + "/")
    with checks.that("a realm that is not there has no keys: KEYS_STATUS"):
        inspector.has_no_keys(token, UNREACHABLE, "KEYS_STATUS", issuer=keycloak.realm + "-gone")
    for n, (name, bad, code) in enumerate((
            ("a refresh token", good["refresh_token"], "TOKEN_ALGORITHM"),
            ("a changed token", tokens.with_claims(token, sub="root"), "TOKEN_SIGNATURE"))):
        with checks.that(f"a driver with {name} ends with {code} before any STS call, and nothing is served"):
            sts = Sts(STS_LIFE)
            job = Job(bench.root, f"keycloak-bad-{n}", keycloak.realm,
                      TokenVolume(bench.root / f"volume-bad-{n}", bad).file, sts.url)
            refused(job.start_driver(wait=False), IDENTITY_REFUSED, code)
            equal(sts.calls, [], "STS calls")
            nothing_served(job)
            sts.stop()


def keys_change_under_a_driver(checks, bench):
    keycloak = bench.keycloak
    client = keycloak.new_client("job")
    minted = [keycloak.access_token(client)]
    volume = TokenVolume(bench.root / "volume-keycloak", minted[0])
    sts = Sts(STS_LIFE)
    job = Job(bench.root, "keycloak", keycloak.realm, volume.file, sts.url)
    before = len(keycloak.fetches())

    def fetches():
        return keycloak.fetches()[before:]

    def put(token):
        minted.append(token)
        volume.rotate(token)
        return tokens.header(token)["kid"]

    def exchanged(kid, seconds):
        until(f"a token with key {kid} is exchanged", lambda: kid in sts.key_ids(), seconds)
        holds(job.driver.ended() is None, "the driver ended")

    with checks.that("a driver verifies Keycloak's token, exchanges it once and serves the credential"):
        first = tokens.header(minted[0])["kid"]
        job.start_driver()
        equal([(call.header["kid"], call.subject) for call in sts.calls],
              [(first, tokens.claims(minted[0])["sub"])], "exchanges")
        equal(ask_endpoint(job.driver_directory)[1]["AccessKeyId"], sts.calls[0].key, "access key id")
        equal(job.executor("one", "true").process.wait(30), 0, "an executor's exit status")
        equal(len(fetches()), 1, "fetches of the keys, by Keycloak's own log")
    with checks.that("after a rotation at Keycloak the running driver fetches the keys again and goes on"):
        keycloak.new_key("rotated", "rsa-generated", priority=200, algorithm="RS256", keySize=2048)
        second = put(keycloak.access_token(client))
        holds(second != first, "the key is the old one")
        exchanged(second, 75)
        equal(len(fetches()), 2, "fetches of the keys, by Keycloak's own log")
    with checks.that("a key that Keycloak made without a rotation, for RS512, is found in the same way"):
        third = put(keycloak.access_token(keycloak.new_client("job-rs512", access_token_signed_response_alg="RS512")))
        exchanged(third, 75)
        equal(sts.calls[-1].header["alg"], "RS512", "alg")
    with checks.that("a made-up key id costs a fetch each 30 s at most, and no exchange; a good token then passes"):
        known = len(fetches())
        calls = len(sts.calls)
        made_up = put(tokens.with_header(keycloak.access_token(client), kid="made-up"))
        until("two fetches", lambda: len(fetches()) >= known + 2, 100)
        holds("KEY_UNKNOWN" in job.driver.errors(), "the log does not say KEY_UNKNOWN")
        # What was exchanged since is at most the one call that was under way.
        holds(made_up not in sts.key_ids() and len(sts.calls) <= calls + 1, "it was exchanged")
        moments = fetches()
        gaps = [later - earlier for earlier, later in zip(moments, moments[1:])]
        holds(len(gaps) >= 4 and min(gaps) >= 29, f"seconds between fetches: {gaps}")
        put(keycloak.access_token(client))
        calls = len(sts.calls)
        until("an exchange", lambda: len(sts.calls) > calls, 45)
        equal(sts.calls[-1].header["kid"], second, "key id")
    nothing_leaked(checks, "Keycloak", job, minted)
    job.stop()
    sts.stop()


def nothing_leaked(checks, name, job, minted):
    """What the driver and its executors wrote, searched for every token that was in the volume."""
    with checks.that(f"no byte of {name}'s tokens is in the job's logs, audit or files"):
        hay = leaks.hay_of_files(job.log, job.audit_file, job.driver_directory)
        holds(len(hay) >= 4 and job.audit(), f"only {len(hay)} places were searched")
        equal(leaks.search(minted, hay), [], "tokens found")
        equal(leaks.search(minted[:1], {"planted": minted[0].encode()}) != [], True, "a planted token is found")


SCENARIOS = [tokens_of_every_algorithm, bad_tokens_of_keycloak, keys_change_under_a_driver]
