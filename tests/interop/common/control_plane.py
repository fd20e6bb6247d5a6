"""A real Kubernetes control plane on loopback: etcd, and kube-apiserver with its service account issuer."""

import http.client
import json
import ssl
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from authority import Authority, write_key
from checks import until
from processes import Process, clean_environment
from web import free_port

_POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "nonResourceURLs": ["/openid/*", "/.well-known/*"]}, {"level": "None"}],
}


class ControlPlane:
    """The API server can be stopped and started with other signing keys; etcd, port and issuer stay."""

    def __init__(self, binaries, root):
        self._binaries, self.root = binaries, root
        self.root.mkdir(parents=True)
        self.port, self._etcd_port, peer = free_port(), free_port(), free_port()
        self.issuer = f"https://127.0.0.1:{self.port}"
        self._make_certificates()
        (root / "audit-policy.json").write_text(json.dumps(_POLICY))
        client, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{peer}"
        self._etcd = Process(
            [binaries / "etcd", "--name=interop", f"--data-dir={root / 'etcd-data'}", "--unsafe-no-fsync",
             "--log-level=warn", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
             f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
             f"--initial-cluster=interop={peers}"], root, clean_environment(), "etcd")

    def _make_certificates(self):
        authority = Authority("interop-ca")
        self.ca, self.other_ca = self.root / "ca.pem", self.root / "other-ca.pem"
        self.ca.write_bytes(authority.pem())
        self.other_ca.write_bytes(Authority("another-ca").pem())
        authority.issue(self.root / "server", "kube-apiserver", ExtendedKeyUsageOID.SERVER_AUTH)
        authority.issue(self.root / "admin", "admin", ExtendedKeyUsageOID.CLIENT_AUTH, "system:masters")
        self._tls = ssl.create_default_context(cafile=self.ca)
        self._tls.load_cert_chain(self.root / "admin.pem", self.root / "admin.key")

    def new_signing_key(self, name, kind):
        """Makes a key for tokens, `rsa` (RS256) or `ec` (ES256); the API server gets it at its next start."""
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        write_key(self.root / f"{name}.key", key)
        (self.root / f"{name}.pub").write_bytes(key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def start(self, signing, *published):
        """Starts the API server: `signing` signs, and the public halves of `published` are in the key set."""
        root = self.root
        self._server = Process(
            [self._binaries / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
             "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}",
             f"--tls-cert-file={root / 'server.pem'}", f"--tls-private-key-file={root / 'server.key'}",
             f"--client-ca-file={self.ca}", f"--cert-dir={root}", "--endpoint-reconciler-type=none",
             "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=Node,RBAC", "--profiling=false",
             f"--service-account-issuer={self.issuer}", f"--service-account-jwks-uri={self.issuer}/openid/v1/jwks",
             f"--service-account-signing-key-file={root / signing}.key",
             *(f"--service-account-key-file={root / name}.pub" for name in published),
             f"--audit-policy-file={root / 'audit-policy.json'}", f"--audit-log-path={root / 'audit.log'}"],
            root, clean_environment(), "kube-apiserver")
        until("the API server is ready", self._is_ready, 120, pause=0.3)

    def _is_ready(self):
        for process in (self._etcd, self._server):
            if process.ended() is not None:
                raise RuntimeError(f"{process.name} ended: {process.errors()[-2000:]}")
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        """Ends the API server, not etcd."""
        self._server.stop(20)

    def end(self):
        self.stop()
        self._etcd.stop()

    def request(self, method, path, body=None, token=None, headers=None):
        """Sends a request, as the administrator or as the bearer of `token`, and returns status and answer."""
        tls = ssl.create_default_context(cafile=self.ca) if token else self._tls
        link = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=tls)
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            link.request(method, path, body and json.dumps(body),
                         {"Content-Type": "application/json"} | bearer | (headers or {}))
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def create(self, path, **body):
        """Posts an object as the administrator and returns what the server made of it."""
        status, answer = self.request("POST", path, body)
        if status not in (200, 201):
            raise RuntimeError(f"the API server answered {status} to {path}: {answer[:500]}")
        return json.loads(answer)

    def token(self, namespace, account, audience=None, pod=None, seconds=600):
        """A token by TokenRequest, as kubelet asks for one."""
        spec = {"expirationSeconds": seconds, "audiences": [audience] if audience else []}
        if pod:
            spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": pod}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        made = self.create(path, apiVersion="authentication.k8s.io/v1", kind="TokenRequest", spec=spec)
        return made["status"]["token"]

    def fetches(self):
        """Who fetched the keys and when, by the API server's own audit: (time, user, status)."""
        file = self.root / "audit.log"
        entries = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [(datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp(), entry["user"]["username"],
                 entry["responseStatus"]["code"]) for entry in entries if entry["requestURI"] == "/openid/v1/jwks"]
