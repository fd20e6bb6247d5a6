"""An OpenID provider on loopback that mints good and bad tokens."""

import base64
import json
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from job import AUDIENCE
from web import Reply, Server


def _b64(number):
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


class Issuer:
    """Discovery and keys over HTTP; tokens from `mint`. Every token that was minted is remembered in `minted`."""

    def __init__(self):
        self.minted = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = Server(self._answer)
        self.url = self._server.url

    def mint(self, subject, audience=AUDIENCE, life=3600, forged=False, **more):
        """A token for `subject`, with `more` claims. A negative `life` has run out already; a forged one is signed by a key
        of nobody's."""
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": subject, "aud": audience, "jti": str(uuid.uuid4()),
            "iat": min(now, now + life - 600), "nbf": min(now, now + life - 600), "exp": now + life,
        } | more
        key = self._stranger if forged else self._key
        token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "interop-1"})
        self.minted.append(token)
        return token

    def without(self, claim, token):
        """A sound signature over what `token` says, less one claim."""
        claims = jwt.decode(token, options={"verify_signature": False})
        del claims[claim]
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "interop-1"})

    def _answer(self, request):
        if request.method != "GET":
            return Reply(405)
        if request.path == "/.well-known/openid-configuration":
            document = {
                "issuer": self.url, "jwks_uri": self.url + "/keys", "authorization_endpoint": self.url + "/none",
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        elif request.path == "/keys":
            public = self._key.public_key().public_numbers()
            document = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "interop-1",
                                  "n": _b64(public.n), "e": _b64(public.e)}]}
        else:
            return Reply(404)
        return Reply(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def close(self):
        self._server.stop()
