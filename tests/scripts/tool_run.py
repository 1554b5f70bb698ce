#!/usr/bin/env python3
"""tool_run.py FAUNA WORK: a run's folder is that run's. Another run is refused there, or takes all of it; a run goes on with
its own text alone; what a killed save left is gone after the next run. A NUL in the text is a character like others, and
an output that takes no more is an error. The model is the one of tool_train.sh with 30 characters.
"""
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import fauna_tool

fauna, work = sys.argv[1], pathlib.Path(sys.argv[2])
tool = fauna_tool.Tool(fauna, work)
checkpoints = ("best.safetensors", "last.safetensors")


def train(text, out, *words, **others):
    return tool.run("train", "--data", text, "--out-dir", out, "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16,
               "--dropout", 0.1, "--batch-size", 4, "--learning-rate", 1e-2, "--eval-iters", 2, *words, **others)


def trained(*words):
    status, said, errors = train(*words)
    assert status == 0, f"{words}: {errors}"
    return said


def refused(words, *arguments):
    status, said, errors = train(*arguments)
    assert status != 0 and all(w in errors for w in words) and "program is there" not in errors, f"{arguments}: {status}, {errors}, not {words}"
    return said


def files(out):
    return {p.name: p.read_bytes() for p in (work / out).iterdir()}


def sampled(out):
    status, said, errors = tool.run("sample", out, "--num-samples", 2, "--max-new-tokens", 40, "--start", "FILE:start.txt")
    assert status == 0, errors
    return said


def text_of(name, alphabet):
    letters = [alphabet[i * i * 7 % 30] + alphabet[i % 30] for i in range(1000)]
    (work / name).write_bytes("".join(letters).encode())


(work / "start.txt").write_bytes(b"\0")
text_of("a.txt", "\0" + "abcdefghijklmnopqrstuvwxyzABC")
text_of("same_letters.txt", ("\0" + "abcdefghijklmnopqrstuvwxyzABC")[::-1])
text_of("b.txt", "\0" + "0123456789!$%&()=?+-*/,;.:_<>")

# A second run in the folder of a first: refused, and nothing has changed; or it takes the folder.
evaluates, no_best = ("--max-iters", 20, "--eval-interval", 10), ("--max-iters", 20, "--eval-interval", 0)
trained("a.txt", "out", *evaluates)
before = files("out")
assert set(checkpoints) <= before.keys()
for again in (("b.txt", "out", *no_best), ("a.txt", "out", *evaluates), ("same_letters.txt", "out", *evaluates)):
    refused(["out/last.safetensors is of another run", "overwrite"], *again)
trained("a.txt", "out", "--init-from", "out/best.safetensors", "--eval-only")  # which writes nothing
assert files("out") == before
assert all(c in b"\0abcdefghijklmnopqrstuvwxyzABC\n-" for c in sampled("out"))
trained("b.txt", "out", *no_best, "--overwrite")
assert files("out").keys() == {"last.safetensors", "metrics.jsonl", "loss.svg", "loss.txt", "summary.json", "run.toml"}
written = sampled("out")
assert b"\0" in written and all(c in b"\x000123456789!$%&()=?+-*/,;.:_<>\n" for c in written), written

# Going on: with the same text, and not with another one of the same characters.
refused(["out/last.safetensors is of a text with the hash " + hashlib.sha256((work / "b.txt").read_bytes()).hexdigest(),
         hashlib.sha256((work / "a.txt").read_bytes()).hexdigest()], "a.txt", "out", "--init-from", "resume")
trained("a.txt", "going", *evaluates)
refused(["is of a text with the hash"], "same_letters.txt", "going", "--max-iters", 24, "--init-from", "resume")
trained("a.txt", "going", "--max-iters", 24, "--init-from", "resume")

# A text of its own validates: then all of the other trains.
(work / "short.txt").write_bytes((work / "same_letters.txt").read_bytes()[:500])
said = trained("a.txt", "apart", *evaluates, "--val-data", "short.txt")
assert b"2000 + 500 tokens of 30 characters" in said, said
assert b"1800 + 200 tokens of 30 characters" in trained("a.txt", "together", *evaluates)
refused(["there is no file gone.txt, expected a text that validates"], "a.txt", "apart", "--val-data", "gone.txt")
status, _, errors = train("a.txt", "other", *evaluates, "--val-data", "b.txt")
assert status != 0 and "unseen character" in errors and "(in b.txt)" in errors, errors
refused(["is of a text with the hash"], "a.txt", "apart", "--max-iters", 24, "--init-from", "resume")
trained("a.txt", "apart", "--max-iters", 24, "--init-from", "resume", "--val-data", "short.txt")

# Two runs in one folder, as they could come there: none is taken for the other.
shutil.copytree(work / "going", work / "mixed")
shutil.copy(work / "out/last.safetensors", work / "mixed")
for words in (("sample", "mixed"), ("export", "mixed", "no"), ("type", "mixed")):
    status, _, errors = tool.run(*words)
    assert status != 0 and "mixed/best.safetensors and last.safetensors are of different runs" in errors, (words, errors)
refused(["mixed/best.safetensors is of another run"], "b.txt", "mixed", "--max-iters", 24, "--init-from", "resume")
trained("b.txt", "mixed", *no_best, "--max-iters", 24, "--init-from", "resume", "--overwrite")
assert "best.safetensors" not in files("mixed")

# Temporaries: those of the dead go, those of the living stay.
dead = subprocess.Popen(["true"])
dead.wait()
left, alive, locked = (work / "going" / name for name in (
    f"best.safetensors.tmp{dead.pid}-0", f"last.safetensors.tmp{os.getpid()}-0", f"last.safetensors.tmp{dead.pid}-1"))
others = [work / "going" / name for name in (f"notes.tmp{dead.pid}", f"tmp{dead.pid}-0", f"x.tmp{dead.pid}-0.txt")]
for path in (left, alive, locked, *others):
    path.write_text("half")
with open(locked, "rb") as held:
    fcntl.flock(held, fcntl.LOCK_EX)  # by a process whose number means nothing here
    trained("a.txt", "going", "--max-iters", 26, "--init-from", "resume")
assert not left.exists() and alive.exists() and locked.exists() and all(p.exists() for p in others)
trained("a.txt", "killed", "--max-iters", 0, "--eval-interval", 0)
for i in range(4):
    child = subprocess.Popen([fauna, "train", "--data", "a.txt", "--out-dir", "killed", "--max-iters", "100000", "--eval-interval", "1",
                              "--eval-iters", "1", "--always-save-checkpoint", "true", "--init-from", "resume"],
                             cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1 + 0.037 * i)
    child.send_signal(signal.SIGKILL)
    child.wait()
trained("a.txt", "killed", "--max-iters", 0, "--eval-interval", 0, "--init-from", "resume")
assert not [p for p in (work / "killed").iterdir() if ".tmp" in p.name], sorted((work / "killed").iterdir())

with open("/dev/full", "wb") as full:
    for words in (("train", "--data", "a.txt", "--out-dir", "full", "--init-from", "going/best.safetensors", "--eval-only"),
                  ("sample", "going", "--num-samples", 1, "--start", "a")):
        status, _, errors = tool.run(*words, stdout=full)
        assert status != 0 and "No space left on device" in errors, f"{words}: {status}, {errors}"
