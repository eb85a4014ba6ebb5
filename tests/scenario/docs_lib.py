# What the scenarios of docs/ share: doing what a page says, and looking whether it is as it says.
# SPDX-License-Identifier: MIT
import re

from lib import *


def blocks(page, kind):
    with open(os.path.join(SOURCE, "docs", page)) as f:
        return re.findall(rf"^```{kind}\n(.*?)^```$", f.read(), re.M | re.S)


def follow(rouse, page, replace=()):
    """Does what the page says: files are written, sections added, commands run; each must print what stands below it."""
    srv = os.path.join(rouse.dir, "srv")

    def here(text):
        for old, new in (*replace, ("/srv", srv)):
            text = text.replace(old, new)
        return text

    for kind in ("sh", "python", "js", "c"):
        for text in blocks(page, kind):
            path = here(re.match(r"(?:#!.*\n)?(?:#|//|/\*) (/srv/[\w./-]+)", text)[1])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(here(text))
            os.chmod(path, 0o755)
    rouse.start()
    with open(rouse.conf, "a") as f:
        f.write("\n" + here("\n".join(blocks(page, "ini"))))
    script, wanted = "set -eu -o pipefail\n", []
    for line in "\n".join(blocks(page, "console")).splitlines():
        if line.startswith("$ "):
            script += f"echo '@@{len(wanted)}'\n{here(line[2:])}\n"
            wanted.append((line[2:], []))
        elif line:
            wanted[-1][1].append(line)
    check(wanted, f"{page} has commands")
    env = {"PATH": BUILD + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "ROUSE_SOCKET": rouse.socket}
    process = spawn(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, stdin=subprocess.DEVNULL)
    out, _ = process.communicate(timeout=60 * PATIENCE)
    expect(process.returncode, 0, f"exit status of the commands of {page}, which said: {out}")
    said = re.split(r"^@@\d+\n", out, flags=re.M)[1:]
    for (command, lines), text in zip(wanted, said):
        for line in lines:
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            check(any(re.fullmatch(pattern, t) for t in text.splitlines()), f"`{command}` should say {line!r}, and says {text!r}")
