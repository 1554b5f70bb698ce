#!/usr/bin/env python3
"""mpi_ranks.py PROGRAM MPIRUN: dist/mpi_ranks.cpp on 1 to 4 ranks: parcels arrive, and a rank that throws, exits, hangs or is killed
ends the others soon, by name.
"""
import os
import re
import subprocess
import sys

program, mpirun = sys.argv[1:]
environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}


def run(ranks, *words):
    done = subprocess.run([mpirun, "-n", str(ranks), program, *words], env=environment, capture_output=True, text=True, check=False,
                          timeout=20)
    return done.returncode, done.stdout + done.stderr


for ranks, how in ((1, "cut"), (2, "cut"), (3, "whole"), (4, "cut")):
    status, said = run(ranks, how)
    assert status == 0 and f"{ranks} ranks have exchanged" in said, f"{status}\n{said}"
for rank in ("0", "2"):
    status, said = run(3, rank, "throw")
    assert status == 1 and said.count(f"[rank {rank} of 3] no more") == 1, f"{status}\n{said}"
status, said = run(3, "1", "exit")
assert status == 3 and ",1]" in said.replace("\n", " "), f"{status}\n{said}"
status, said = run(3, "1", "kill")
assert status == 137 and "rank 1" in said and "signal 9" in said, f"{status}\n{said}"
for rank in (0, 1):
    status, said = run(3, str(rank), "stop")
    assert status != 0 and re.search(rf"\[rank \d of 3\] \[mpi\] an exchange of 3 ranks has not ended after 2 s, expected messages [^:]*rank {rank}[^:]*: does a rank hang", said), f"{status}\n{said}"
