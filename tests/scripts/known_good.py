"""Checks of sources whose good result is known are not run again: the same check, command and compiler, and the same
content of every file that the compiler read. A bad result is never remembered.

Results lie beside the compiler cache's, outside of any checkout, and paths below the checkout are relative, so that a fresh
clone finds them. As in that cache, a file that would be found earlier on the include path than one that was read is not
seen; `ignore` checks everything.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

MOST_ENTRIES, MOST_VERSIONS = 4000, 8


def dependencies(command, text=None):
    """The files that a compilation reads; None where the compiler cannot say."""
    run = subprocess.run([*command, "-M"], input=text, capture_output=True, text=True, check=False)
    return run.stdout.replace("\\\n", " ").partition(":")[2].split() if run.returncode == 0 else None


def version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout


class KnownGood:
    def __init__(self, root, *, ignore=False):
        self.root, self.ignore = pathlib.Path(root).resolve(), ignore
        cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        self.folder = pathlib.Path(cache) / "fauna/known_good"
        self.reused = self.asked = 0
        self.hashes = {}

    def check(self, what, files, run):
        """What `run()` returns; True without running it where `what`, texts that name the check, was good with the same
        content of all of `files()`, or of those that it had then."""
        self.asked += 1
        script = pathlib.Path(sys.argv[0]).read_text(encoding="utf-8")
        name = hashlib.sha256(json.dumps([script, *(self._relative(word) for word in what)]).encode()).hexdigest()
        entry = self.folder / f"{name[:32]}.json"
        try:
            known = json.loads(entry.read_text(encoding="utf-8"))
            os.utime(entry)
        except (OSError, ValueError):
            known = []
        if not self.ignore and any(all(self._hash(file) == was for file, was in version.items()) for version in known):
            self.reused += 1
            return True
        read = files()  # before the check, so that what is edited meanwhile is not taken for what was checked
        content = None if read is None else {self._relative(file): self._hash(self._relative(file)) for file in read}
        good = run()
        if good and content:
            self._write(entry, [content, *known][:MOST_VERSIONS])
        return good

    def __str__(self):
        return f"{self.reused} of {self.asked} known good"

    def _relative(self, text):
        return re.sub(rf"{re.escape(str(self.root))}/?", "", str(text))

    def _hash(self, file):
        if file not in self.hashes:
            path = self.root / file
            self.hashes[file] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"
        return self.hashes[file]

    def _write(self, entry, known):
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = entry.with_suffix(f".{os.getpid()}.json")
        fresh.write_text(json.dumps(known), encoding="utf-8")
        fresh.replace(entry)
        if len(os.listdir(self.folder)) > MOST_ENTRIES:
            with contextlib.suppress(FileNotFoundError):  # another process makes room as well
                for file in sorted(self.folder.iterdir(), key=lambda file: file.stat().st_mtime)[: MOST_ENTRIES // 4]:
                    file.unlink()
