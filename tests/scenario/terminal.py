# What the scenarios on a terminal share: a rouse in a tmux of its own, keys sent, screens captured.
# SPDX-License-Identifier: MIT
from lib import *


class Terminal:
    """One rouse in a tmux of its own."""

    def __init__(self, rouse, *words, env="", columns=80, rows=24):
        if not shutil.which("tmux"):
            raise Skip("tmux is not installed")
        self.rouse, self.name = rouse, os.path.join(rouse.dir, "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")
        self.tmux("set", "-g", "remain-on-exit", "on")
        self.line(f"export ROUSE_SOCKET={rouse.socket} HOME={rouse.dir} PS1='$ ' {env}; unset XDG_STATE_HOME VISUAL; clear; stty -a | tail -n +2 >{rouse.dir}/before")
        wait("the shell is there", lambda: os.path.exists(rouse.dir + "/before"))
        self.line(os.path.join(BUILD, "rouse") + " " + " ".join(words) + f"; echo ended=$?; stty -a | tail -n +2 >{rouse.dir}/after")

    def tmux(self, *words):
        # ASan may not be preloaded, nor leaks be looked for, in what is not ours.
        return subprocess.run(["tmux", "-S", self.name, *words], check=True, capture_output=True, text=True, timeout=60).stdout

    def line(self, text):
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def keys(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def shows(self, *texts):
        def there():
            screen = self.screen()
            if all(t in screen for t in texts):
                return screen
            raise Failed("\n" + screen)
        return wait(f"the screen shows {texts}", there, 60)

    def ended(self, code):
        self.shows(f"ended={code}")
        wait("stty has told", lambda: os.path.exists(self.rouse.dir + "/after") and open(self.rouse.dir + "/after").read())
        expect(open(self.rouse.dir + "/after").read(), open(self.rouse.dir + "/before").read(), "the terminal after it")

    def pids(self, verb="review"):
        """Those of rouse: the one that waits, and the one that has the screen."""
        found = [pid for pid in descendants() if cmdline(pid).startswith(os.path.join(BUILD, "rouse") + " " + verb)]
        return sorted(found)

    def close(self):
        try:
            self.tmux("kill-server")
        except subprocess.CalledProcessError:
            pass
