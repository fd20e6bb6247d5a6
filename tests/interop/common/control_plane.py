"""A real Kubernetes control plane on loopback: etcd, and kube-apiserver with its service account issuer."""

import http.client
import ipaddress
import json
import ssl
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

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
        authority = _Authority("interop-ca")
        self.ca, self.other_ca = self.root / "ca.pem", self.root / "other-ca.pem"
        self.ca.write_bytes(authority.pem())
        self.other_ca.write_bytes(_Authority("another-ca").pem())
        authority.issue(self.root / "server", "kube-apiserver", ExtendedKeyUsageOID.SERVER_AUTH)
        authority.issue(self.root / "admin", "admin", ExtendedKeyUsageOID.CLIENT_AUTH, "system:masters")
        self._tls = ssl.create_default_context(cafile=self.ca)
        self._tls.load_cert_chain(self.root / "admin.pem", self.root / "admin.key")

    def new_signing_key(self, name, kind):
        """Makes a key for tokens, `rsa` (RS256) or `ec` (ES256); the API server gets it at its next start."""
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        _write_key(self.root / f"{name}.key", key)
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


class _Authority:
    """A CA that lives for a day."""

    def __init__(self, name):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False,
                              data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
                              encipher_only=False, decipher_only=False)
        self._certificate = self._sign(self._name, self._key.public_key(), [
            (x509.BasicConstraints(ca=True, path_length=None), True), (usage, True),
            (x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)])

    def _sign(self, subject, public, extensions):
        now = datetime.now(timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(public)
                   .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
                   .not_valid_after(now + timedelta(days=1)))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())

    def pem(self):
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, path, name, usage, group=None):
        """Writes `path`.key and `path`.pem: for this machine's loopback, or for a client of `group`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group:
            subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = self._sign(x509.Name(subject), key.public_key(), [
            (x509.BasicConstraints(ca=False, path_length=None), True), (x509.ExtendedKeyUsage([usage]), False),
            (x509.SubjectAlternativeName(names), False), (authority, False)])
        path.with_suffix(".pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(path.with_suffix(".key"), key)


def _write_key(file, key):
    file.touch(0o600)
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()))
