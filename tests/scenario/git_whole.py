#!/usr/bin/env python3
# Scenario: all that is true of remote repositories is true where git is not installed, and libgit2 fetches them whole.
# SPDX-License-Identifier: MIT
import os
import runpy

import lib

launch = lib.Rouse.launch


def launch_without_git(rouse, **env):
    launch(rouse, **{"PATH": os.path.join(rouse.dir, "nothing"), **env})


lib.Rouse.launch = launch_without_git
runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "git_remote.py"), run_name="__main__")
