#!/usr/bin/env python3
# Scenario: the manual pages are whole, and say what the programs say.
# SPDX-License-Identifier: MIT
import re

from lib import *

SECTION7 = ("rouse-agent.7", "rouse-triggers.7", "rouse-review.7")
PAGES = ("rouse.1", "rouse.conf.5", "roused.8", *SECTION7)


def path(name):
    """A page that was built, or that came with the tarball; those of section 7 need lowdown to be made."""
    for folder in (BUILD, SOURCE):
        if os.path.exists(os.path.join(folder, "packaging/man", name)):
            return os.path.join(folder, "packaging/man", name)
    if name in SECTION7:
        needs_program("lowdown")
    check(False, f"{name} was made")


def page(name):
    with open(path(name)) as f:
        return f.read()


def said(*argv):
    out = subprocess.run([os.path.join(BUILD, argv[0]), *argv[1:]], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30 * PATIENCE)
    expect(out.returncode, 0, f"exit status of {' '.join(argv)}")
    return out.stdout


def plain(roff):
    """Without escapes: what a reader sees of a word."""
    return re.sub(r"\\f.", "", roff).replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "")


for name in PAGES:

    @scenario(f"mandoc finds nothing wrong with {name}")
    def _(rouse, name=name):
        needs_program("mandoc")
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path(name)], capture_output=True, text=True)
        expect((lint.stdout + lint.stderr, lint.returncode), ("", 0), "what mandoc says")

    @scenario(f"man shows {name} without a warning")
    def _(rouse, name=name):
        needs_program("groff")
        text = subprocess.run(["groff", "-t", "-K", "utf8", "-man", "-Tutf8", "-ww", "-P-c", path(name)], capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        expect((text.stderr, text.returncode), ("", 0), "what groff says")
        check(len(text.stdout) > 2000, "there is a page")

    @scenario(f"{name} has no placeholder left")
    def _(rouse, name=name):
        expect(re.findall(r"@\w+@", page(name)), [], "placeholders")


@scenario("every key of the parser stands in rouse.conf(5), below its section")
def _(rouse):
    found, section = set(), None
    for line in page("rouse.conf.5").splitlines():
        if line.startswith(".SS "):
            section = plain(line[4:].strip('"'))
        elif line.startswith("\\fB"):
            found.add((section, plain(line[3 : line.index("\\fR")])))
    keys = [json.loads(line) for line in said("roused", "--keys-json").splitlines()]
    check(len(keys) > 50, "there are keys")
    for key in keys:
        title = f"[{key['section']}{' NAME' if key['named'] else ''}]"
        if key["selector"]:
            title += " {} = {}".format(*key["selector"].split("=", 1))
        check((title, key["key"]) in found, f"{title} {key['key']} stands in rouse.conf(5)")


@scenario("every verb of the overview stands in rouse(1)")
def _(rouse):
    lines = [line for line in said("rouse", "help").splitlines() if line.startswith("  rouse ")]
    check(len(lines) > 40, "there are verbs")
    titles = [plain(line) for line in page("rouse.1").splitlines() if line.startswith(".SS ")]
    for line in lines:
        usage = re.split(r"  +", line.strip())[0]
        usage = next((t for t in titles if line.strip().startswith(t[5:-1])), None)
        check(usage, f"{line.strip()!r} stands in rouse(1)")


@scenario("every option of roused --help stands in roused(8), and every exit status that it ends with")
def _(rouse):
    text = plain(page("roused.8"))
    options = re.findall(r"(?<![\w-])--?[a-z][\w-]*", said("roused", "--help"))
    check(len(options) > 6, "there are options")
    for option in options:
        check(option in text, f"{option} stands in roused(8)")
    rouse.section("daemon", nonsense="1")
    rouse.launch()
    code = rouse.ended()
    check(f".B {code}\n" in text, f"exit status {code} stands in roused(8)")


main()
