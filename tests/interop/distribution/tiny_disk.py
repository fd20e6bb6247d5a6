"""A file system of some pages that can be filled to the last byte."""

import atexit
import os
import subprocess
from pathlib import Path

PAGE = 4096


class TinyDisk:
    """`pages` pages at `directory`, until this program ends."""

    def __init__(self, directory, pages):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages * PAGE},mode=0700", "tmpfs", directory],
                              capture_output=True, text=True, timeout=10)
        if made.returncode != 0:
            raise OSError(made.stderr.strip())
        atexit.register(self.close)
        self._filler = self.directory / "filler"

    def fill(self, free=0):
        """Leaves so many pages free."""
        with open(self._filler, "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(PAGE)) == PAGE:
                    pass
            except OSError:
                pass
            filler.truncate(max(0, os.fstat(filler.fileno()).st_size - free * PAGE))

    def empty(self):
        self._filler.unlink()

    def files(self):
        """Everything but the filler, by its name."""
        return {file.name: file.read_bytes() for file in self.directory.rglob("*")
                if file.is_file() and file != self._filler}

    def close(self):
        leave(self.directory)


def leave(root):
    """Takes away what is mounted at `root` or below, also by a run that was killed."""
    for line in Path("/proc/mounts").read_text().splitlines():
        at = line.split()[1]
        if at == str(root) or at.startswith(f"{root}/"):
            subprocess.run(["umount", "--lazy", at], check=False, capture_output=True, timeout=10)
