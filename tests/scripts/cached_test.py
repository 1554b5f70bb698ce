#!/usr/bin/env python3
"""tools/cached, measured.py and memory.py: objects are found from another checkout, and their peaks with them."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

source = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = ("tools/cached", "tests/scripts/measured.py", "tests/scripts/peak.py")


class Test(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        os.environ |= {"CCACHE_DIR": str(self.place / "cache"), "CCACHE_STATSLOG": str(self.place / "stats")}

    def checkout(self, name):
        """A folder with the scripts, a source and a header."""
        root = self.place / name
        for file in FILES:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / file, root / file)
        (root / "include").mkdir()
        (root / "build").mkdir()
        (root / "include/a.hpp").write_text("int f();\n")
        (root / "a.cpp").write_text("#include <a.hpp>\nint f() { int unused; return 1; }\n")
        return root

    def compiled(self, root, *launcher):
        """What the compiler said, and what ccache did."""
        (self.place / "stats").unlink(missing_ok=True)
        run = subprocess.run([*launcher, "g++", "-Wall", "-O1", f"-I{root}/include", "-c", f"{root}/a.cpp", "-o", "a.o"],
                             cwd=root / "build", capture_output=True, text=True, check=True)
        return run.stderr, (self.place / "stats").read_text()

    def measured(self, root):
        said, did = self.compiled(root, root / "tests/scripts/measured.py", "log.tsv")
        self.assertIn("unused", said)
        self.assertNotIn("fauna peak", said)
        name, _, peak, how = (root / "build/log.tsv").read_text().splitlines()[-1].split("\t")
        self.assertEqual(name, "a.o")
        self.assertGreater(float(peak), 10)  # MB: a compiler, not the cache
        return peak, how, "_cache_hit" in did

    def test_another_checkout_finds_object_and_peak(self):
        one, two = self.checkout("one"), self.checkout("two")
        peak, how, hit = self.measured(one)
        self.assertEqual((how, hit), ("measured", False))
        self.assertEqual(self.measured(two), (peak, "remembered", True))
        (two / "include/a.hpp").write_text("int f();\nint g();\n")
        self.assertEqual(self.measured(two)[1:], ("measured", False))

    def test_what_nobody_measured_is_measured(self):
        one = self.checkout("one")
        self.compiled(one, one / "tools/cached")
        self.assertIn("_cache_hit", self.compiled(one, one / "tools/cached")[1])
        self.assertEqual(self.measured(one)[1], "measured")
        self.assertEqual(self.measured(one)[1], "remembered")

    def test_memory_holds_every_unit_to_the_limit(self):
        (self.place / "a.o").touch()
        (self.place / "b.o").touch()
        (self.place / "log").write_text("a.o\t1.0\t900\tmeasured\nb.o\t1.0\t90\tremembered\na.o\t1.0\t300\tremembered\nc.o\t1\t999\tmeasured\n")
        for limit, status in (("250", 1), ("350", 0)):  # the last of a.o counts, and c.o is gone
            run = subprocess.run([sys.executable, source / "tests/scripts/memory.py", self.place / "log", limit],
                                 capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, status)
            self.assertIn("2 translation units, 0 measured and 2 remembered", run.stdout)


if shutil.which("ccache") is None:
    print("no ccache here: skipped")
    sys.exit(77)
unittest.main()
