#!/usr/bin/env python3
"""packages.py SOURCE WORK CXX: one version stands in all that names it; and a .deb of the headers unpacks to what a program compiles
against.
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
    unpacked = {**os.environ, "PKG_CONFIG_PATH": f"{root}/usr/share/pkgconfig"}
    flags = run("pkg-config", "--cflags", "--libs", "fauna", env=unpacked).split()
    assert any(flag.startswith(f"-I{root}/") for flag in flags), flags
    run(cxx, *flags, source / "tests/consumers/main.cpp", "-o", work / "consumer")
    assert run(work / "consumer").startswith(f"fauna {version},")

print(f"version {version} everywhere; {package.name}")
