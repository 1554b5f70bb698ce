#!/usr/bin/env python3
"""tool_ranks.py FAUNA WORK MPIRUN: `mpirun tools/fauna train`. Any number of ranks has the bits of one with the same pieces,
a run goes on with 1, 2 or 3 of them, what differs between ranks is refused, and a rank that fails or is killed ends all of
them, soon and by name, with a checkpoint that loads. Dropout, and all stages of ZeRO on all numbers of ranks, are tested in
one process (tests/dist); each start of mpirun takes seconds here.
"""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

from train_ranks import MODEL, command, draw, environment, fauna, interrupted, mpirun, run, tensors, text, trained, words, work


def refused(wanted, arguments, seconds=60):
    """Fails, and says so once."""
    status, said = run(arguments, seconds)
    assert status != 0 and said.count(wanted) == 1, f"{status}, {said.count(wanted)} times '{wanted}' in:\n{said}"


def children(pid):
    """The programs that mpirun, this process or one that it has started, runs: by their rank."""
    found = {}
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        try:
            variables = pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ranks = [int(v.split(b"=")[1]) for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
        found.update({ranks[0]: int(child)} if ranks else children(child))
    return found


# The same pieces: the same files, whether one process or ranks, whatever they share.
trained(0, "one", "--max-iters", 20, "--pieces", 6)
for ranks, zero, more in ((2, 0, ()), (3, 1, ("--overlap", "false")), (4, 3, ()), (6, 2, ("--replicas", 3))):
    out = f"ranks{ranks}-{zero}"
    said = trained(ranks, out, "--max-iters", 20, "--pieces", 6, "--zero", zero, *more)
    assert said.count("21 updates in") == 1 and said.count("different ones: the vocabulary") == 1, said
    for name in ("last.safetensors", "best.safetensors"):
        assert (work / out / name).read_bytes() == (work / "one" / name).read_bytes(), f"{out}/{name} differs"
    steps = [json.loads(line)["step"] for line in (work / out / "metrics.jsonl").read_text(encoding="ascii").splitlines()]
    assert steps == [0, 0, 5, 10, 10, 15, 20, 20], steps

# Half of the run on two ranks, the rest on 1, 3 or in one process: the same weights and moments.
trained(2, "half", "--max-iters", 9, "--pieces", 6, "--zero", 3, "--async-checkpoints")
for ranks, zero in ((0, 0), (1, 1), (3, 2)):
    out = f"on{ranks}-{zero}"
    shutil.copytree(work / "half", work / out)
    trained(ranks, out, "--max-iters", 20, "--pieces", 6, "--zero", zero, "--init-from", "resume", model=())
    assert tensors(f"{out}/last.safetensors") == tensors("one/last.safetensors"), f"{out} differs"


def summary(out):
    return json.loads((work / out / "summary.json").read_text(encoding="ascii"))


# The model in parts, by heads and columns or by layers, once or in two copies that share the batches, or the sequences in parts:
# the same run, to rounding. Checkpoints are of the whole model, so each way goes on where another has stopped.
wanted = summary("one")
for at, ranks, parts in ((4, 4, ("--tp", 2, "--pp", 2, "--sequence-parallel", "true", "--recompute", "selective")), (8, 4, ("--pp", 2, "--pp-schedule", "zb1p", "--zero", 1)),
                         (11, 4, ("--cp", 2, "--zero", 1, "--recompute", "full")), (14, 4, ("--tp", 2, "--sequence-parallel", "true", "--zero", 2)), (17, 4, ("--tp", 2, "--zero", 3)), (20, 0, ("--pieces", 1))):
    resume = ["--init-from", "resume"] if at > 4 else []
    said = trained(ranks, "turns", "--max-iters", at, *parts, *resume, model=() if resume else MODEL)
    assert said.count(f"{at + 1} updates in") == 1, said
    mine, whole = tensors("turns/last.safetensors"), tensors("one/last.safetensors")
    assert [(n, len(t)) for n, t in mine.items()] == [(n, len(t)) for n, t in whole.items()], parts
    assert summary("turns")["parameters"] == wanted["parameters"], parts
assert abs(summary("turns")["val_loss"] - wanted["val_loss"]) < 1e-4 * wanted["val_loss"], summary("turns")
refused("--tp 2 on 3 ranks, expected mpirun -n 2, or a multiple of that", command(3, *words("no", "--tp", 2)))
refused("--cp 2 on 3 ranks, expected mpirun -n 2, or a multiple of that", command(3, *words("no", "--cp", 2)))
for expected, flags in (("--pp 2 in one process, expected mpirun -n 2", ("--pp", 2)),
                        ("--pp 2 with --zero 2, expected one of the two", ("--pp", 2, "--zero", 2)),
                        ("--replicas without --zero, expected --zero 1, 2 or 3", ("--replicas", 2)),
                        ("--tp times --pp 4 in one process, expected mpirun -n 4", ("--pp", 2, "--tp", 2)),
                        ("--cp 2 with --pieces, expected one of the two", ("--cp", 2, "--pieces", 2))):
    refused(expected, words("no", *flags))

# A text is written in parts as by one process.
write = (fauna, "generate", "one", "--prompt", "ab", "--max-new-tokens", 15, "--threads", 1)
for how in (("--temperature", 0), ("--temperature", 0.8, "--seed", 7)):
    texts = [subprocess.run([*map(str, command(ranks, *write, *how, *parts))], cwd=work, env=environment, capture_output=True, text=True,
                            check=True, timeout=300).stdout for ranks, parts in ((0, ()), (4, ("--tp", 2, "--pp", 2)))]
    assert len(texts[0]) == 2 + 15 + 1 and texts[1] == texts[0], texts
for expected, ranks, flags in (("--tp 2 in one process, expected mpirun -n 2", 0, ("--tp", 2)),
                               ("--pp 2 on 3 ranks, expected mpirun -n 2", 3, ("--pp", 2)),
                               ("2 ranks without --tp or --pp, expected --tp 2", 2, ()),
                               ("--tp 2 with --draft ngram, expected one of the two", 2, ("--tp", 2, "--draft", "ngram"))):
    refused(expected, command(ranks, *write, *flags))
parts = ("--tp", 2, "--pp", 2)
refused("rank 1 has another program, or other flags, than rank 0",
        [mpirun, "-n", 1, *write, *parts, ":", "-n", 3, *write, *parts, "--max-new-tokens", 9])
(work / "other").mkdir()
(work / "prompt.txt").write_text("ab", encoding="ascii")
(work / "other/prompt.txt").write_text("cd", encoding="ascii")
write = (fauna, "generate", (work / "one").resolve(), "--prompt", "FILE:prompt.txt", "--max-new-tokens", 15, "--threads", 1, *parts)
refused("rank 2 has another prompt than rank 0", [mpirun, "-n", 2, *write, ":", "-n", 2, "-wdir", work / "other", *write])

# Experts dealt out, once or in two copies: the same run, to rounding, whose checkpoints are of the whole model.
config = json.loads((pathlib.Path(__file__).resolve().parents[1] / "golden/models/mixtral/config.json").read_text(encoding="utf-8"))
(work / "mixture").mkdir()
(work / "mixture/config.json").write_text(json.dumps({**config, "num_local_experts": 4}), encoding="utf-8")
mixture = ("--model", "mixture", "--block-size", 16)
trained(0, "together", "--max-iters", 10, model=mixture)
trained(2, "experts", "--max-iters", 10, "--ep", 2, model=mixture)
trained(4, "copies", "--max-iters", 5, "--ep", 2, model=mixture)
trained(2, "copies", "--max-iters", 10, "--ep", 2, "--init-from", "resume", model=("--block-size", 16))
names = [*tensors("experts/last.safetensors")]  # of weights, and of two moments each
assert sum(".experts." in name for name in names) == 3 * 2 * 4 * 3, names
losses = [summary(out)["val_loss"] for out in ("together", "experts", "copies")]
assert all(abs(loss - losses[0]) < 1e-4 * losses[0] for loss in losses), losses
trained(2, "cut", "--max-iters", 10, "--tp", 2, model=mixture)
assert abs(summary("cut")["val_loss"] - losses[0]) < 1e-4 * losses[0], summary("cut")
refused("--sequence-parallel with a mixture of experts", words("no", "--tp", 2, "--sequence-parallel", "true", model=mixture))
refused("--ep 2 with a model without experts", words("no", "--ep", 2))
refused("--ep 3 with 4 experts in a layer", words("no", "--ep", 3, model=mixture))
refused("--ep 2 in one process, expected mpirun -n 2", words("no", "--ep", 2, model=mixture))

# Each rank writes its part: the last two stay, another number of ranks goes on, and without parts there is one file again.
trained(3, "parts", "--max-iters", 20, "--pieces", 6, "--zero", 3, "--keep-checkpoints", 2, "--eval-interval", 5,
        "--always-save-checkpoint", "true", "--async-checkpoints")
assert sorted(p.name for p in (work / "parts").glob("step-*")) == ["step-20", "step-21"], list((work / "parts").iterdir())
(work / "parts/step-30").mkdir()  # of ranks that were killed as they wrote
trained(2, "parts", "--max-iters", 22, "--pieces", 6, "--zero", 2, "--keep-checkpoints", 1, "--init-from", "resume", model=())
assert sorted(p.name for p in (work / "parts").glob("step-*")) == ["step-20", "step-23"], list((work / "parts").iterdir())
refused("has its tensors in parts", [fauna, "export", "parts", "no"])
for out in ("parts", "one"):
    trained(0, out, "--max-iters", 22, "--pieces", 6, "--init-from", "resume", model=())
assert tensors("parts/last.safetensors") == tensors("one/last.safetensors")

# What differs between ranks, or is wrong on all of them: an error, said once.
refused("rank 1 has another program, or other flags, than rank 0",
        [mpirun, "-n", 1, *words("no"), ":", "-n", 1, *words("no", "--seed", 7)])
(work / "elsewhere").mkdir()
(work / "elsewhere/text.txt").write_text(text(), encoding="ascii")
refused("rank 1 has another text than rank 0",
        [mpirun, "-n", 1, *words("no"), ":", "-n", 1, "-wdir", work / "elsewhere", *words("no")])
refused("4 pieces of an update of 3 batches",  # and not tried again
        words("no", "--zero", 2, "--pieces", 4, "--gradient-accumulation-steps", 3, "--restarts", 1, "--ranks", 2))
refused("--restarts of ranks that were started already", command(2, *words("no", "--restarts", 1)))
refused("--ranks without --restarts", words("no", "--ranks", 2))
refused("there is no file nowhere.txt", command(2, *words("no", "--data", "nowhere.txt")))
refused("--zero 4, expected 0 to 3", words("no", "--zero", 4))
refused("one/last.safetensors is of another run", words("one", "--seed", 7))
assert not (work / "no").exists()

# One rank is killed: the others end, it is named, and the next run goes on from the last checkpoint, which with --restarts this
# one does by itself until it is asked to stop.
def signalled(number, rank):
    return lambda pid: os.kill(children(pid)[rank], number)


shutil.copytree(work / "half", work / "killed")
killed = signalled(signal.SIGKILL, 1)
status, said, _ = interrupted("killed", killed, lambda pid: os.kill(pid, signal.SIGTERM), restarts=2)
assert "rank 1" in said and "signal 9" in said and said.count("start 1 of 2 more") == 1 and "start 2" not in said, f"{status}\n{said}"
status, said, _ = interrupted("killed", signalled(signal.SIGTERM, 1))
assert status == 0 and "stopped by signal 15" in said, f"{status}\n{said}"

# One that hangs: whoever waits for it says so, and all end.
status, said, seconds = interrupted("killed", signalled(signal.SIGSTOP, 1), more=("--watchdog", 2))
assert status != 0 and re.search("has not ended after 2 s, expected messages (from|to) rank 1", said), f"{status}\n{said}"
assert 1 < seconds < 30, seconds
# One that is killed somewhere between two checkpoints, computing, exchanging or writing: the last checkpoint is whole.
for _ in range(3):
    delay = draw.uniform(0, 0.3)
    status, said, _ = interrupted("killed", lambda pid, d=delay: (time.sleep(d), signalled(signal.SIGKILL, draw.randrange(2))(pid)))
    assert status != 0 and "signal 9" in said, f"{delay}\n{status}\n{said}"

# A rank that throws, as it can write no more: its error, by name, and the last checkpoint is whole.
status, said, seconds = interrupted("killed", lambda _: (work / "killed").rename(work / "moved"))
errors = re.findall(r"\[rank 0 of 2\] \[io\] cannot (?:create|rename a temporary to) killed/", said)  # or as it was being written
assert status != 0 and len(errors) == 1, f"{status}\n{said}"
trained(2, "moved", "--max-iters", 0, "--pieces", 6, "--init-from", "resume", model=())

# A disk that takes no more: the error by name, and the last checkpoint is whole.
status, said, _ = interrupted("moved", lambda pid: resource.prlimit(children(pid)[0], resource.RLIMIT_FSIZE, (1024, 1024)))
assert status != 0 and len(re.findall(r"\[rank 0 of 2\] \[io\] cannot write moved/\S+ \(File too large\)", said)) == 1, f"{status}\n{said}"
trained(2, "moved", "--max-iters", 0, "--pieces", 6, "--init-from", "resume", model=())

# What checks a cluster finds nothing wrong here, and a launcher that starts nothing.
check, environment["FAUNA"] = pathlib.Path(__file__).resolve().parents[2] / "tools/cluster-check", fauna
status, said = run([check, "--launcher", mpirun, "--ranks", 2, "--out", work / "table.md"], 900)
rows = (work / "table.md").read_text(encoding="utf-8").splitlines()[2:]
assert status == 0 and len(rows) == 11 and not [r for r in rows if "fails" in r], f"{status}\n{said}"
refused("'false -n 2 hostname' fails", [check, "--launcher", "false", "--out", work / "table.md"])
