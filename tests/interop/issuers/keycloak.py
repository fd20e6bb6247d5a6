"""A real Keycloak on loopback with one realm: its keys, its clients, its tokens and its own log of who fetched what."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime

from checks import until
from job import AUDIENCE
from processes import Process, clean_environment
from web import free_port

_ADMIN = ("admin", "admin-pw")
USER, PASSWORD = "alice", "alice-pw"
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Keycloak:
    """One server with its database in memory; `realm` is an issuer with the user Alice."""

    def __init__(self, home, root):
        self.log = root / "keycloak"
        self.log.mkdir(parents=True)
        self.port, health = free_port(), free_port()
        # kc.sh starts Java as a child of its own: this makes the kernel end that one too, if we are killed.
        java = self.log / "java"
        java.write_text('#!/bin/sh\nexec setpriv --pdeathsig KILL -- java "$@"\n')
        java.chmod(0o700)
        environment = clean_environment() | {
            "JAVA": str(java), "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx384m",
            "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN[0], "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN[1],
        }
        self._process = Process(
            ["bash", home / "bin" / "kc.sh", "start-dev", "--db=dev-mem", "--cache=local", "--http-host=127.0.0.1",
             f"--http-port={self.port}", "--http-management-host=127.0.0.1", f"--http-management-port={health}",
             "--health-enabled=true", "--http-access-log-enabled=true", "--http-access-log-pattern=%t %r %s"],
            self.log, environment, "keycloak")
        self._url = f"http://127.0.0.1:{self.port}"
        until("Keycloak is ready", lambda: self._is_ready(health), 240, pause=0.5)
        self.realm = self.new_realm("lake")
        self.post("/lake/users", {
            "username": USER, "enabled": True, "email": "alice@example.test", "emailVerified": True, "firstName": "A",
            "lastName": "L", "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}]})

    def _is_ready(self, port):
        if self._process.ended() is not None:
            raise RuntimeError(f"Keycloak ended: {self._process.output()[-2000:]}{self._process.errors()[-2000:]}")
        try:
            return _opener.open(f"http://127.0.0.1:{port}/health/ready", timeout=5).status == 200
        except OSError:
            return False

    def post(self, path, body):
        """Creates something, as the administrator, whose own token lives for a minute only."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": _ADMIN[0], "password": _ADMIN[1]}
        admin = self._form(f"{self._url}/realms/master/protocol/openid-connect/token", form)["access_token"]
        headers = {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"}
        _send(f"{self._url}/admin/realms{path}", json.dumps(body).encode(), headers)

    def new_realm(self, name):
        """Makes a realm and returns its issuer."""
        self.post("", {"realm": name, "enabled": True, "sslRequired": "none", "accessTokenLifespan": 600})
        return f"{self._url}/realms/{name}"

    def new_key(self, name, provider, priority=50, **config):
        """Adds a key to the realm; of those for one algorithm, the one of the highest priority signs."""
        settings = {key: [str(value)] for key, value in ({"priority": priority} | config).items()}
        self.post("/lake/components", {"name": name, "providerId": provider, "config": settings,
                                       "providerType": "org.keycloak.keys.KeyProvider"})

    def new_client(self, name, claim=None, **attributes):
        """A client that logs Alice in. Its access tokens are for the STS, and have a further `claim` (name, value);
        `attributes` have `_` for dots."""
        mappers = [_mapper("audience", "oidc-audience-mapper", **{"included.custom.audience": AUDIENCE})]
        if claim:
            mappers.append(_mapper("claim", "oidc-hardcoded-claim-mapper", **{
                "claim.name": claim[0], "claim.value": claim[1], "jsonType.label": "String"}))
        self.post("/lake/clients", {
            "clientId": name, "secret": f"{name}-secret", "publicClient": False, "directAccessGrantsEnabled": True,
            "serviceAccountsEnabled": True, "standardFlowEnabled": False, "protocolMappers": mappers,
            "attributes": {key.replace("_", "."): value for key, value in attributes.items()}})
        return name

    def tokens(self, client):
        """Fresh tokens of Alice's: `access_token`, `id_token`, `refresh_token`."""
        return self._form(f"{self.realm}/protocol/openid-connect/token", {
            "grant_type": "password", "client_id": client, "client_secret": f"{client}-secret", "username": USER,
            "password": PASSWORD, "scope": "openid"})

    def access_token(self, client):
        return self.tokens(client)["access_token"]

    def own_token(self, client):
        """An access token of the client's own, not of Alice's."""
        return self._form(f"{self.realm}/protocol/openid-connect/token", {
            "grant_type": "client_credentials", "client_id": client, "client_secret": f"{client}-secret",
        })["access_token"]

    def key_set_url(self):
        return f"{self.realm}/protocol/openid-connect/certs"

    def published(self):
        """The realm's keys as everybody sees them."""
        return json.load(_opener.open(self.key_set_url(), timeout=20))["keys"]

    def fetches(self):
        """When the realm's keys were fetched, by Keycloak's own log, to the second."""
        found = re.findall(r"\[([^\]]+)\] GET /realms/lake/protocol/openid-connect/certs ", self._process.output())
        return [datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").timestamp() for at in found]

    def stop(self):
        self._process.stop(15)

    def _form(self, url, form):
        return json.loads(_send(url, urllib.parse.urlencode(form).encode(), {}))


def _mapper(name, kind, **config):
    """What adds something to a client's access tokens, and to them only."""
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind,
            "config": config | {"access.token.claim": "true", "id.token.claim": "false"}}


def _send(url, body, headers):
    try:
        return _opener.open(urllib.request.Request(url, body, headers), timeout=30).read()
    except urllib.error.HTTPError as refusal:
        raise RuntimeError(f"Keycloak answered {refusal.code}: {refusal.read()[:500]}") from None
