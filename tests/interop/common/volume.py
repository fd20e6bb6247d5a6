"""Kubelet's way of putting files into a volume."""

import os
import shutil
import time
from pathlib import Path


class Volume:
    """A volume as kubelet writes it, for projections and secrets alike: `name` -> `..data/name`, `..data` -> a folder with
    the time in its name. A rotation makes a new folder and swaps `..data` by one rename."""

    def __init__(self, directory, files):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.replace(files)
        for name in files:
            (self.directory / name).symlink_to(f"..data/{name}")

    def replace(self, files):
        """Puts other contents there, all or none."""
        fresh = self.directory / f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{time.monotonic_ns()}"
        fresh.mkdir()
        for name, text in files.items():
            (fresh / name).write_text(text)
            (fresh / name).chmod(0o600)
        data, new = self.directory / "..data", self.directory / "..data_tmp"
        old = os.readlink(data) if data.is_symlink() else None
        new.symlink_to(fresh.name)
        os.replace(new, data)
        if old:
            shutil.rmtree(self.directory / old)


class TokenVolume(Volume):
    """A projected volume that holds a token."""

    def __init__(self, directory, token):
        super().__init__(directory, {"token": token})
        self.file = self.directory / "token"

    def rotate(self, token):
        """Puts another token there."""
        self.replace({"token": token})
