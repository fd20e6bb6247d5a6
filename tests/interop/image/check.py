"""Builds the container image twice, has another tool judge it, and runs what is in it in an empty root.

TOOLS is the folder with crane, which pushes the image to a registry of its own on loopback; WORK a folder of this run's
own. Needs root, for chroot.
"""

import json
import os
import shutil
import signal
import ssl
import subprocess
import tarfile
import traceback
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

from authority import Authority
from checks import Checks, equal, holds, until
from processes import Process, clean_environment
from sts import Sts
from tokens import unsigned
from web import free_port, listens

MOST_SECONDS = 1400
LARGEST = 5_000_000
ROOT = Path(__file__).resolve().parents[3]
TOOLS = Path(os.environ["TOOLS"])
ISSUER, AUDIENCE = "https://issuer.example", "sts.amazonaws.com"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
USER = "65532"


def _stop(number, _):
    raise SystemExit(f"image: stopped by signal {number}")


def _build(checkout, folder, *binary, **environment):
    """What the script says: {"binary": digest, "image": digest}."""
    ran = subprocess.run([checkout / "examples" / "image" / "build", folder, *binary], capture_output=True, text=True,
                         timeout=900, env=os.environ | environment)
    holds(ran.returncode == 0, ran.stderr[-2000:])
    return dict(line.split()[:2] for line in ran.stdout.splitlines())


def _files(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def reproducible(checks, root):
    """Two builds from nothing, of which the second is elsewhere and in another environment."""
    first, second = root / "first", root / "second"
    with checks.that("the image is built without a container engine"):
        said = _build(ROOT, first)
        print(f"     {said}", flush=True)
    with checks.that("a copy of the sources at another path, in another environment, gives the same image, byte for byte"):
        copy = root / "a copy" / "of the sources"
        names = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
        environment = {"RUSTFLAGS": "-C debuginfo=2", "CARGO_TARGET_DIR": str(root / "elsewhere"), "TZ": "Asia/Tokyo",
                       "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "12345"}
        equal(_build(copy, second, **environment), said, "digests")
        equal(_files(second), _files(first), "layouts")
        holds(not (root / "elsewhere").exists(), "the caller's environment decides where it is built")
    with checks.that("another program gives another digest"):
        changed = root / "changed"
        changed.write_bytes((ROOT / "target/image/x86_64-unknown-linux-gnu/release/safe-conduct").read_bytes()[:-1])
        other = _build(ROOT, root / "other", changed)
        holds(set(other.values()).isdisjoint(said.values()), other)
    return first, said["image"]


class Registry:
    """A registry on loopback, and crane to speak with it."""

    def __init__(self, root):
        self.port = free_port()
        self.name = f"127.0.0.1:{self.port}/safe-conduct"
        self._environment = clean_environment() | {"DOCKER_CONFIG": str(root / "docker")}
        Process([TOOLS / "crane", "registry", "serve", "--address", f"127.0.0.1:{self.port}"], root, self._environment,
                "registry")
        until("the registry listens", lambda: listens(self.port), 20)

    def crane(self, *arguments):
        ran = subprocess.run([TOOLS / "crane", *map(str, arguments)], capture_output=True, timeout=60, env=self._environment)
        if ran.returncode:
            raise RuntimeError(ran.stderr.decode()[-800:])
        return ran.stdout


def judged(checks, root, layout, image):
    """By crane, which was not written for this script."""
    registry = Registry(root)
    with checks.that("crane pushes the layout to a registry under the digest that was printed, and finds it valid"):
        registry.crane("push", layout, f"{registry.name}:1")
        equal(registry.crane("digest", f"{registry.name}:1").decode().strip(), image, "digest")
        registry.crane("validate", "--remote", f"{registry.name}@{image}")
    with checks.that("crane refuses a layout in which one bit of the layer is another"):
        damaged = root / "damaged"
        shutil.copytree(layout, damaged)
        largest = max((damaged / "blobs" / "sha256").iterdir(), key=lambda blob: blob.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.write_bytes(content)
        # A registry that has the sound layer under that digest would not be sent this one.
        other = Registry(root)
        try:
            other.crane("push", damaged, f"{other.name}:1")
            other.crane("validate", "--remote", f"{other.name}:1")
        except RuntimeError:
            pass
        else:
            raise AssertionError("it is accepted")
    config = json.loads(registry.crane("config", f"{registry.name}@{image}"))
    manifest = json.loads(registry.crane("manifest", f"{registry.name}@{image}"))
    with checks.that(f"the image has less than {LARGEST} bytes: one layer of {manifest['layers'][0]['size']}"):
        equal(len(manifest["layers"]), 1, "layers")
        holds(sum(part["size"] for part in [manifest["config"], *manifest["layers"]]) < LARGEST, manifest)
    with checks.that("it says what the Containerfile says: one file, its user and what is started"):
        lines = [line.split(maxsplit=1) for line in (ROOT / "examples/image/Containerfile").read_text().splitlines()
                 if line and not line.startswith("#")]
        equal(lines, [["FROM", "scratch"], ["COPY", "--chmod=0755 safe-conduct /safe-conduct"],
                      ["USER", config["config"]["User"]],
                      ["ENTRYPOINT", json.dumps(config["config"]["Entrypoint"])]], "lines")
        equal(config["config"]["User"], f"{USER}:{USER}", "user")
    empty = root / "empty"
    empty.mkdir()
    with checks.that("in it is one file, root's, which everybody may run and only root may change"):
        (root / "export.tar").write_bytes(registry.crane("export", f"{registry.name}@{image}", "-"))
        with tarfile.open(root / "export.tar") as tar:
            found = [(member.name, member.mode, member.uid, member.gid, member.isfile()) for member in tar]
            equal(found, [("safe-conduct", 0o755, 0, 0, True)], "files")
            tar.extractall(empty, filter="tar")
    return empty


class Container:
    """The image's program in a root of its own, as the image's user."""

    def __init__(self, root):
        self.root = root

    def write(self, path, content):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def run(self, *arguments):
        # An empty environment, as a container's is but for PATH.
        return subprocess.run(["/usr/sbin/chroot", f"--userspec={USER}:{USER}", "--groups=", self.root, "/safe-conduct",
                               *map(str, arguments)], capture_output=True, text=True, timeout=40, env={"PATH": "/"})


def in_an_empty_root(checks, root, empty):
    container = Container(empty)
    version = next(line for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version"))
    with checks.that("in an empty root the program says its version"):
        equal(os.geteuid(), 0, "user (chroot needs root)")
        ran = container.run("--version")
        equal((ran.returncode, ran.stdout), (0, f"safe-conduct {version.split(chr(34))[1]}\n"), ran.stderr)
    with checks.that("positive control: a program that needs a loader does not start there"):
        shutil.copy("/bin/true", empty / "true")
        ran = subprocess.run(["/usr/sbin/chroot", empty, "/true"], capture_output=True, timeout=20)
        equal(ran.returncode, 127, ran.stderr)
        (empty / "true").unlink()
    authority = Authority("image-ca")
    authority.issue(root / "sts", "sts", ExtendedKeyUsageOID.SERVER_AUTH, names=["sts.test"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(root / "sts.pem", root / "sts.key")
    sts = Sts(3600, tls)
    container.write("token/token", unsigned({"iss": ISSUER, "sub": "alice", "aud": [AUDIENCE]}, 600))
    container.write("token/ca.pem", authority.pem())
    settings = {"identityToken.file": "/token/token", "identityToken.issuer": ISSUER, "identityToken.audience": AUDIENCE,
                "identityToken.dangerouslySkipSignature": "true", "aws.roleArn": "arn:aws:iam::123456789012:role/spark",
                "aws.caFile": "/token/ca.pem", "aws.stsEndpoint": sts.url, "startTimeout": "2s"}

    def resolve(**changes):
        wanted = settings | {key.replace("_", "."): value for key, value in changes.items()}
        return container.run("resolve", *(part for key, value in wanted.items() if value is not None
                                          for part in ("--conf", f"spark.security.oidc.{key}={value}")))

    def exchanges(ran):
        equal(ran.returncode, 0, ran.stderr)
        equal(json.loads(ran.stdout)["AccessKeyId"], sts.calls[-1].key, "credential")

    with checks.that("one exchange over TLS, with the authority in a file"):
        exchanges(resolve())
    with checks.that("without that file Mozilla's roots are used, which are compiled in: this authority is unknown"):
        ran = resolve(aws_caFile=None)
        equal((ran.returncode, "error[TLS_UNKNOWN_ISSUER]" in ran.stderr), (78, True), ran.stderr)
        holds("the compiled-in root certificates of Mozilla" in ran.stderr, ran.stderr)
        equal(len(sts.calls), 1, "calls")
    with checks.that("a bundle that is mounted where systems have theirs is found and used"):
        container.write(BUNDLE, authority.pem())
        ran = resolve(aws_caFile=None)
        holds(f"/{BUNDLE}" in ran.stderr, ran.stderr)
        exchanges(ran)
    with checks.that("a name is resolved as the engine's /etc/hosts says"):
        container.write("etc/hosts", "127.0.0.1 sts.test\n")
        exchanges(resolve(aws_stsEndpoint=sts.url.replace("127.0.0.1", "sts.test")))


def main():
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(MOST_SECONDS)
    root = Path(os.environ["WORK"]) / "run"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    checks = Checks("image")
    try:
        layout, image = reproducible(checks, root)
        in_an_empty_root(checks, root, judged(checks, root, layout, image))
    except Exception:
        traceback.print_exc()
        with checks.that("the image is built, judged and run to the end"):
            raise
    checks.finish()


if __name__ == "__main__":
    main()
