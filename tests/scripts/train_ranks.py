"""What the tests of `mpirun tools/fauna train` have in common. They are called with FAUNA WORK MPIRUN; WORK is made anew, with
a text.txt of 30 characters to train on.
"""
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

fauna, work, mpirun = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "FAUNA_MPIRUN": sys.argv[3], "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}
MODEL = ["--n-layer", 2, "--n-head", 2, "--n-embd", 16, "--block-size", 16]
RUN = ["--batch-size", 6, "--learning-rate", 1e-2, "--warmup-iters", 5, "--lr-decay-iters", 20, "--eval-interval", 10, "--eval-iters", 2,
       "--log-interval", 5, "--threads", 1]
SOON = 20  # seconds within which a failure has ended all ranks; about one where the machine is idle


def words(out, *more, model=MODEL):
    return [fauna, "train", "--data", "text.txt", "--out-dir", out, *model, *RUN, *more]


def command(ranks, *arguments):
    """The words that start so many ranks; 0: none but this process's."""
    return [*([mpirun, "-n", ranks] if ranks else []), *arguments]


def run(arguments, seconds=300, **others):
    done = subprocess.run([*map(str, arguments)], cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=seconds,
                          **others)
    return done.returncode, done.stdout + done.stderr


def trained(ranks, out, *more, **others):
    status, said = run(command(ranks, *words(out, *more, **others)))
    assert status == 0, f"{ranks} ranks, {more}: {status}\n{said}"
    return said


def tensors(path):
    data = (work / path).read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    return {name: data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]] for name, t in header.items()
            if not name.startswith("loss.")}


def interrupted(out, *interrupts, restarts=0, more=()):
    """interrupt(the process that was started) each time that a run on two ranks has gone on and saved: exit status, output and
    seconds from the last one to the end."""
    last = work / out / "last.safetensors"
    flags = words(out, "--max-iters", 10000000, "--eval-interval", 20, "--init-from", "resume", "--pieces", 6, "--zero", 3, *more)
    arguments = [*flags, "--restarts", restarts, "--ranks", 2] if restarts else command(2, *flags)
    with open(work / "said.txt", "w+", encoding="utf-8") as said:
        started = subprocess.Popen([*map(str, arguments)], cwd=work, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            for interrupt in interrupts:
                before = last.stat().st_mtime_ns
                for _ in range(6000):
                    if last.stat().st_mtime_ns > before:
                        break
                    assert started.poll() is None, (work / "said.txt").read_text(encoding="utf-8")
                    time.sleep(0.01)
                interrupt(started.pid)
            begin = time.monotonic()
            status = started.wait(SOON)
            return status, (work / "said.txt").read_text(encoding="utf-8"), time.monotonic() - begin
        finally:
            if started.poll() is None:
                started.kill()


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
alphabet = "".join(map(chr, range(97, 123))) + " \n.,"
draw = random.Random(1)


def text():
    return alphabet + "".join(draw.choices(alphabet, [8] * 10 + [1] * 20, k=6000))


(work / "text.txt").write_text(text(), encoding="ascii")
