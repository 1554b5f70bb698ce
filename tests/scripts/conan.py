#!/usr/bin/env python3
"""conan.py SOURCE WORK: the Conan recipe makes a package that its test builds against. Not run without Conan 2 (pip install conan)."""
import os
import pathlib
import shutil
import subprocess
import sys

source, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).absolute()
if not shutil.which("conan"):
    print("there is no Conan: its recipe is not run")
    sys.exit()
shutil.rmtree(work, ignore_errors=True)
recipe, environment = work / "recipe", {**os.environ, "CONAN_HOME": str(work / "conan")}  # what the test builds does not lie in the checkout
for part in ("include", "LICENSE", "tests/consumers/main.cpp", "tools/packaging/conan"):
    (recipe / part).parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if (source / part).is_dir() else shutil.copy)(source / part, recipe / part)
for command in (["profile", "detect"], ["create", recipe / "tools/packaging/conan", "-s", "compiler.cppstd=20"]):
    subprocess.run(["conan", *map(str, command)], check=True, env=environment)
