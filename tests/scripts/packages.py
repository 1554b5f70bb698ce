#!/usr/bin/env python3
"""packages.py SOURCE WORK CXX: one version stands in all that names it; a .deb of the headers unpacks to what a program compiles
against; and the Conan recipe makes a package that its test builds against, where there is Conan 2 (pip install conan).
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

source, work, cxx = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), sys.argv[3]
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
work = work.resolve()


def run(*command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


header = (source / "include/fauna/core/version.hpp").read_text(encoding="utf-8")
version = ".".join(re.findall(r"#define FAUNA_VERSION_[A-Z]+ (\d+)", header))
named = {
    "CITATION.cff": re.findall(r"^version: (.*)$", (source / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE),
    "vcpkg.json": [json.loads((source / "tools/packaging/vcpkg/fauna/vcpkg.json").read_text(encoding="utf-8"))["version"]],
    "CHANGELOG.md": re.findall(r"^## ([\d.]+)", (source / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[:1],
}
for name, found in named.items():
    assert found == [version], f"{name} says {found}, core/version.hpp {version}"

off = [f"-DFAUNA_{part}=OFF" for part in ("TESTS", "EXAMPLES", "TOOLS", "MPI")]
run("cmake", "-G", "Ninja", "-S", source, "-B", work / "build", f"-DCMAKE_CXX_COMPILER={cxx}", *off)
run("cpack", "-G", "DEB", cwd=work / "build")
(package,) = (work / "build").glob("*.deb")
assert package.name == f"libfauna-dev_{version}_all.deb", package
root = work / "root"
if shutil.which("dpkg-deb"):
    run("dpkg-deb", "-x", package, root)
    assert (root / "usr/include/fauna/fauna.hpp").exists() and (root / "usr/share/pkgconfig/fauna.pc").exists()
    run(cxx, "-std=c++20", f"-I{root}/usr/include", source / "tests/consumers/main.cpp", "-o", work / "consumer")
    assert run(work / "consumer").startswith(f"fauna {version},")

said = f"version {version} everywhere; {package.name}"
if shutil.which("conan"):
    environment = {**os.environ, "CONAN_HOME": str(work / "conan")}
    run("conan", "profile", "detect", env=environment)
    recipe = work / "recipe"  # what the test builds does not lie in the checkout
    for part in ("include", "LICENSE", "tests/consumers/main.cpp", "tools/packaging/conan"):
        (recipe / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (source / part).is_dir() else shutil.copy)(source / part, recipe / part)
    run("conan", "create", recipe / "tools/packaging/conan", "-s", "compiler.cppstd=20", env=environment)
    said += "; a Conan package that its test runs with"
else:
    said += "; no Conan here: its recipe was not run"
print(said)
