"""Kubelet's way of putting a token into a volume."""

import os
import time
from pathlib import Path


class TokenVolume:
    """A projected volume as kubelet writes it: `token` -> `..data/token`, `..data` -> a folder with the time in its
    name. A rotation makes a new folder and swaps `..data` by one rename."""

    def __init__(self, directory, token):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.file = self.directory / "token"
        self.rotate(token)
        self.file.symlink_to("..data/token")

    def rotate(self, token):
        """Puts another token there, whole or not at all."""
        fresh = self.directory / f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{time.monotonic_ns()}"
        fresh.mkdir()
        (fresh / "token").write_text(token)
        (fresh / "token").chmod(0o600)
        data, new = self.directory / "..data", self.directory / "..data_tmp"
        old = os.readlink(data) if data.is_symlink() else None
        new.symlink_to(fresh.name)
        os.replace(new, data)
        if old:
            (self.directory / old / "token").unlink()
            (self.directory / old).rmdir()
