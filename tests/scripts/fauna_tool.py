"""tools/fauna as tests call it: in a folder of theirs, with what it says; and safetensors files, by their own description."""
import json
import shutil
import struct
import subprocess


class Tool:
    def __init__(self, program, work):
        """Empties the folder in which the program will run."""
        self.program, self.work = program, work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)

    def run(self, *words, stdout=subprocess.PIPE):
        """Exit status, bytes on stdout, text on stderr."""
        done = subprocess.run([self.program, *map(str, words)], stdout=stdout, stderr=subprocess.PIPE, check=False, cwd=self.work)
        return done.returncode, done.stdout, done.stderr.decode()

    def succeeds(self, *words):
        status, said, errors = self.run(*words)
        assert status == 0, f"{words}: {status}, {errors}"
        return said, errors

    def all_said(self, *words):
        """Exit status and text, stdout's and then stderr's."""
        status, said, errors = self.run(*words)
        return status, said.decode() + errors

    def says(self, *words):
        """The text on stdout of what succeeds."""
        return self.succeeds(*words)[0].decode()

    def refused(self, words, *arguments, early=True):
        """An error with these words, one or several texts: `early` before anything is compiled."""
        words = [words] if isinstance(words, str) else words
        status, said, errors = self.run(*arguments)
        assert status != 0 and all(w in errors for w in words), f"{arguments}: {status}, {errors}, not {words}"
        assert not early or ("compil" not in errors and "program is there" not in errors), f"{arguments}: {errors}"
        return said


def read_tensors(path):
    """Metadata, and of each tensor its dtype, shape and bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    return head.pop("__metadata__", {}), {n: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0] : 8 + length + t["data_offsets"][1]])
                                          for n, t in head.items()}


def write_tensors(path, tensors):
    head, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
