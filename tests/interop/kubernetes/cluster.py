"""The cluster of the examples: a real API server without kubelets, kubectl, and requests as one of its accounts."""

import json
import os
import subprocess
from pathlib import Path

import yaml

from checks import until
from control_plane import ControlPlane

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "kubernetes"
NAMESPACE, JOB = "spark", "etl"
POLICY = "spark-drivers"
TOOLS = Path(os.environ["TOOLS"])


class Cluster:
    """An empty cluster. `apply` and `requests` change it as users would."""

    def __init__(self, root):
        self.plane = ControlPlane(TOOLS, root / "cluster")
        self.plane.new_signing_key("first", "rsa")
        self.plane.start("first", "first")
        self._tokens = {}
        self._config = root / "kubeconfig"
        self._config.write_text(json.dumps(self._kubeconfig()))

    def _kubeconfig(self):
        root = self.plane.root
        cluster = {"server": self.plane.issuer, "certificate-authority": str(self.plane.ca)}
        user = {"client-certificate": str(root / "admin.pem"), "client-key": str(root / "admin.key")}
        return {"apiVersion": "v1", "kind": "Config", "current-context": "here",
                "clusters": [{"name": "here", "cluster": cluster}], "users": [{"name": "admin", "user": user}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}]}

    def kubectl(self, *arguments, text=None):
        """What kubectl says, as the administrator. Warnings count as failures."""
        ran = subprocess.run([TOOLS / "kubectl", "--kubeconfig", self._config, *map(str, arguments)], input=text,
                             capture_output=True, text=True, timeout=60)
        if ran.returncode or ran.stderr:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))}: {ran.stderr.strip()}")
        return ran.stdout

    def define(self):
        """Installs the definitions of objects that are not Kubernetes' own."""
        for file in sorted((TOOLS / "definitions").iterdir()):
            # A client-side apply would copy the whole into an annotation, for which it is too long.
            self.kubectl("create", "-f", file)
        served = ("sparkoperator.k8s.io/v1beta2/sparkapplications", "cert-manager.io/v1/certificates",
                  "cert-manager.io/v1/issuers")
        for path in served:
            until(f"{path} are served", lambda path=path: self.request(None, "GET", f"/apis/{path}")[0] == 200, 30)

    def token(self, account, audience=None, pod=None):
        """A token of an account of the namespace, for the API server unless an audience is named."""
        return self.plane.token(NAMESPACE, account, audience, pod)

    def request(self, account, method, path, body=None, headers=None):
        """Sends a request as an account of the namespace, or as the administrator (None): (status, object or text)."""
        if account and account not in self._tokens:
            # Longer than a run may take.
            self._tokens[account] = self.plane.token(NAMESPACE, account, seconds=3600)
        status, answer = self.plane.request(method, path, body, self._tokens.get(account), headers)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode(errors="replace")

    def wants(self, status, method, path, body=None, headers=None):
        """As the administrator, with only one good outcome."""
        found, answer = self.request(None, method, path, body, headers)
        if found != status:
            raise RuntimeError(f"{method} {path}: {found} {answer}")
        return answer


def objects(text):
    """The objects of a file with several."""
    return [found for found in yaml.safe_load_all(text) if found]


def templates(cluster, folder, to):
    """The two pod templates of a folder, as `kubectl kustomize -o` writes them: (driver, executor)."""
    to.mkdir(parents=True)
    cluster.kubectl("kustomize", folder, "-o", to)
    return tuple(yaml.safe_load((to / f"v1_pod_{name}.yaml").read_text()) for name in ("driver", "executor"))


def in_force(cluster, wanted):
    """Waits until the policy's binding, just made or just deleted, has been noticed by the API server."""
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}}
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?dryRun=All"
    until(f"the policy is{'' if wanted else ' not'} in force",
          lambda: (cluster.request(f"{JOB}-driver", "POST", path, probe)[0] == 403) == wanted, 30, pause=0.3)
