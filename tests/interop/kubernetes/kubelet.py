"""The part of a kubelet that is needed to run our own containers: their volumes, their user, their root, and what they
may not do. Needs root. There is no image: every container's root has this machine's /usr."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

from cluster import NAMESPACE
from processes import Process

USER = 185

# $1 is the root, $2 `ro` or `rw`; then a folder, its place and its mode for each mount, `--`, and the command.
_SCRIPT = """
set -eu
root=$1 access=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /usr "$root/usr"
mount --rbind /proc "$root/proc"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    [ "$3" = rw ] || mount -o "remount,bind,$3" "$root$2"
    shift 3
done
shift
[ "$access" = rw ] || mount -o "remount,bind,$access" "$root"
cd /
exec /usr/sbin/chroot "$root" /usr/bin/setpriv --reuid=185 --regid=185 --groups=185 --no-new-privs --bounding-set=-all \\
    --inh-caps=-all --pdeathsig=KILL -- "$@"
"""


class Pod:
    """A pod of the API server with its volumes on disk. `files` are in the root of every container."""

    def __init__(self, cluster, pod, root, files):
        self._cluster, self.pod, self.root, self._files = cluster, pod, root, files
        self.name, self.spec = pod["metadata"]["name"], pod["spec"]
        self.volumes = {volume["name"]: self._volume(volume) for volume in self.spec["volumes"]}
        self._log, self._started = root / "log", 0
        self._log.mkdir()

    def _volume(self, volume):
        folder = self.root / "volumes" / volume["name"]
        folder.mkdir(parents=True)
        if "emptyDir" in volume:
            os.chown(folder, 0, USER)
            folder.chmod(0o2777)  # as kubelet does it, with fsGroup
            return folder
        source = volume.get("projected") or volume.get("secret") or volume.get("configMap")
        # Kubelet makes a new folder, links to it, and links the names through that: a rotation is one rename.
        data = folder / "..2026_11_23_08_00_00.1"
        data.mkdir()
        (folder / "..data").symlink_to(data.name)
        for name, content in self._content(volume).items():
            (data / name).write_bytes(content)
            (data / name).chmod(source.get("defaultMode", 0o644))
            os.chown(data / name, 0, USER)
            (folder / name).symlink_to(f"..data/{name}")
        return folder

    def _content(self, volume):
        if "secret" in volume:
            return self._of_secret(volume["secret"]["secretName"])
        if "configMap" in volume:
            return self._of_config_map(volume["configMap"]["name"])
        found = {}
        for source in volume["projected"]["sources"]:
            if "serviceAccountToken" in source:
                of = source["serviceAccountToken"]
                token = self._cluster.token(self.spec["serviceAccountName"], of.get("audience"), self.name)
                found[of["path"]] = token.encode()
            elif "configMap" in source:
                found |= self._of_config_map(source["configMap"]["name"])
            else:
                found["namespace"] = NAMESPACE.encode()
        return found

    def _of_secret(self, name):
        found = self._cluster.wants(200, "GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
        return {key: base64.b64decode(value) for key, value in found["data"].items()}

    def _of_config_map(self, name):
        found = self._cluster.wants(200, "GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")
        return {key: value.encode() for key, value in found["data"].items()}

    def container(self, name):
        return next(one for one in self.spec.get("initContainers", []) + self.spec["containers"] if one["name"] == name)

    def argv(self, name, image_command=None, command=None):
        """What starts a container, or a `command` (a probe) in its root."""
        container = self.container(name)
        self._started += 1
        root = self.root / "roots" / f"{self._started}-{name}"
        mounts = []
        for mount in container["volumeMounts"]:
            (root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
            mounts += [self.volumes[mount["name"]], mount["mountPath"], "ro" if mount.get("readOnly") else "rw"]
        for folder in ("usr", "proc", "tmp"):
            (root / folder).mkdir(exist_ok=True)
        for link in ("bin", "lib", "lib64"):
            (root / link).symlink_to(f"usr/{link}")
        for path, (content, mode) in self._files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, file)
            else:
                file.write_text(content)
            file.chmod(mode)
        access = "ro" if container["securityContext"].get("readOnlyRootFilesystem") else "rw"
        command = command or [*container.get("command", image_command or []), *container.get("args", [])]
        return ["unshare", "--mount", "--", "sh", "-c", _SCRIPT, "sh", root, access, *mounts, "--", *command]

    def environment(self, name):
        """The container's own variables, and what an engine adds. Fields of the pod are the two that Spark asks for."""
        fields = {"metadata.name": self.name, "status.podIP": "127.0.0.1"}

        def value(entry):
            source = entry.get("valueFrom", {})
            if "secretKeyRef" in source:
                return self._of_secret(source["secretKeyRef"]["name"])[source["secretKeyRef"]["key"]].decode()
            return fields[source["fieldRef"]["fieldPath"]] if source else entry["value"]

        own = {entry["name"]: value(entry) for entry in self.container(name).get("env", [])}
        return {"PATH": "/usr/bin", "HOSTNAME": self.name} | own

    def start(self, name, image_command=None):
        return Process(self.argv(name, image_command), self._log, self.environment(name), name)

    def run(self, name, image_command=None, command=None):
        """Runs a container, or a command in its root, to its end."""
        argv = [str(part) for part in self.argv(name, image_command, command)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=40, env=self.environment(name))
