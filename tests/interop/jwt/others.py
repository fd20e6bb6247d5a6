"""PyJWT and joserfc, each as strict as it can be told to be, over the same token, keys and policy as everybody else."""

import functools
import json
import warnings

import jwt
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt

ISSUER = "https://issuer.example"
AUDIENCE = "sts.example"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
CLAIMS = ["iss", "aud", "sub", "iat", "exp"]
LEEWAY = 30

warnings.simplefilter("ignore")  # joserfc says at each token that RFC 9864 has a new name for EdDSA


@functools.lru_cache(maxsize=64)
def _pyjwt_keys(jwks):
    return jwt.PyJWKSet.from_json(jwks)


def _pyjwt(token, jwks):
    keys = _pyjwt_keys(jwks).keys
    # The key by its id; without one, a set of one key. The library leaves this to its user.
    header = jwt.get_unverified_header(token)
    wanted = [key for key in keys if key.key_id == header["kid"]] if "kid" in header else keys
    if "kid" in header and wanted:
        wanted = wanted[:1]
    if len(wanted) != 1:
        raise ValueError("no such key")
    # A PyJWK without an `alg` of its own stands for RS256 alone, so there the key itself is given.
    key = wanted[0] if "alg" in wanted[0]._jwk_data else wanted[0].key
    jwt.decode(token, key, algorithms=ALGORITHMS, issuer=ISSUER, audience=AUDIENCE, leeway=LEEWAY,
               options={"require": CLAIMS, "verify_sub": True, "verify_jti": True})


@functools.lru_cache(maxsize=64)
def _joserfc_keys(jwks):
    return joserfc_jwk.KeySet.import_key_set(json.loads(jwks))


_REGISTRY = joserfc_jwt.JWTClaimsRegistry(
    leeway=LEEWAY, iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True}, iat={"essential": True}, exp={"essential": True})


def _joserfc(token, jwks):
    claims = joserfc_jwt.decode(token, _joserfc_keys(jwks), algorithms=ALGORITHMS).claims
    _REGISTRY.validate(claims)


def judged(line):
    """The case of a JSON line with the verdicts of both added: `ok`, or the name of what was raised."""
    case = json.loads(line)
    for name, judge in (("PyJWT", _pyjwt), ("joserfc", _joserfc)):
        try:
            judge(case["token"], case["jwks"])
            case[name] = "ok"
        except Exception as refusal:  # whatever is raised is a refusal
            case[name] = type(refusal).__name__
    del case["token"], case["jwks"]
    return case
