#!/usr/bin/env python3
"""known_good.py: what is remembered, and what is not."""
import os
import pathlib
import shutil
import tempfile
import unittest
import unittest.mock

import known_good


class Test(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        os.environ["XDG_CACHE_HOME"] = str(self.place / "cache")
        self.root = self.place / "one"
        self.root.mkdir()
        self.header, self.source = self.root / "a.hpp", self.root / "a.cpp"
        self.header.write_text("int f();\n")
        self.source.write_text('#include "a.hpp"\n')

    def checked(self, *, root=None, result=True, flag="-O1", ignore=False):
        """Whether the check had to run."""
        root = root or self.root
        command, ran = ["g++", flag, str(root / "a.cpp")], []
        known = known_good.KnownGood(root, ignore=ignore)
        good = known.check(command, lambda: known_good.dependencies(command), lambda: ran.append(1) or result)
        self.assertEqual(good, True if not ran else result)
        self.assertEqual(str(known), f"{1 - len(ran)} of 1 known good")
        return bool(ran)

    def test_the_same_is_known(self):
        self.assertTrue(self.checked())
        self.assertFalse(self.checked())

    def test_another_content_of_a_dependency_is_not(self):
        self.checked()
        self.header.write_text("int g();\n")
        self.assertTrue(self.checked())
        self.assertFalse(self.checked())
        self.header.write_text("int f();\n")
        self.assertFalse(self.checked(), "what was good before is still known")
        self.header.unlink()
        self.assertTrue(self.checked())

    def test_other_flags_are_not(self):
        self.checked()
        self.assertTrue(self.checked(flag="-O2"))

    def test_a_bad_result_is_never_remembered(self):
        self.assertTrue(self.checked(result=False))
        self.assertTrue(self.checked(result=False))
        self.assertTrue(self.checked())

    def test_a_file_that_the_compiler_cannot_read_is_never_remembered(self):
        self.header.unlink()
        self.assertTrue(self.checked())
        self.assertTrue(self.checked())

    def test_another_checkout_of_the_same_content_is_known(self):
        self.checked()
        other = self.place / "two"
        shutil.copytree(self.root, other)
        self.assertFalse(self.checked(root=other))
        (other / "a.hpp").write_text("int g();\n")
        self.assertTrue(self.checked(root=other))

    def test_all_ignores_what_is_known(self):
        self.checked()
        self.assertTrue(self.checked(ignore=True))

    def test_the_oldest_make_room(self):
        with unittest.mock.patch.object(known_good, "MOST_ENTRIES", 8):
            for i in range(20):
                self.checked(flag=f"-DN{i}")
        self.assertLessEqual(len(list((self.place / "cache/fauna/known_good").iterdir())), 8)
        self.assertFalse(self.checked(flag="-DN19"))


unittest.main()
