"""Commands that run on a terminal."""

import contextlib
import os
import pty
import subprocess


def on_terminal(command, env, only_stderr=False, watch=lambda shown: None):
    """Runs a command whose output (or only standard error) is a terminal: (what the terminal got, exit status).

    `watch` is called with what the terminal got so far, each time that it got something."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL if only_stderr else theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody holds the other end any more
            while block := os.read(ours, 65536):
                shown += block
                watch(shown.decode(errors="replace"))
        os.close(ours)
        return shown.decode(errors="replace"), process.wait(60)
