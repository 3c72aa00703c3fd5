"""
A file system that can lose power: ext4 on a loop device. What a program wrote but did not sync is
in the memory of the mounted file system only; the image file has what was synced. A copy of the
image is therefore what the disk would hold after the plug was pulled at that instant.
"""

import os
import shutil
import subprocess

from .process import LabError


def run(*command):
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise LabError("%s: %s" % (" ".join(command), done.stderr.decode(errors="replace")))


class Disk:
    """A mounted directory `path`; cut() takes its power away and brings back what was synced."""

    def __init__(self, directory, megabytes=128):
        self.image = os.path.join(directory, "disk.img")
        self.path = os.path.join(directory, "disk")
        self.mounted = False
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        os.makedirs(self.path, exist_ok=True)
        self._mount()
        run("sync", "-f", self.path)

    def _mount(self):
        # a long commit interval: only what the program itself syncs reaches the image
        run("mount", "-o", "loop,commit=300", self.image, self.path)
        self.mounted = True

    def snapshot(self):
        """What would be left if the power failed now; the programs go on."""
        shutil.copyfile(self.image, self.image + ".cut")

    def restore(self):
        """The snapshot in place of the disk. Whoever used the disk must have ended."""
        self.close()
        os.replace(self.image + ".cut", self.image)
        self._mount()

    def close(self):
        if self.mounted:
            run("umount", self.path)
            self.mounted = False
