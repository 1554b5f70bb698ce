#!/usr/bin/env python3
"""tool_hosts.py FAUNA WORK MPIRUN: training on two hosts, which are network namespaces with names of their own and a cable
between them: TCP and no memory in common. The run has the bits of one process with the same pieces; where the cable is pulled in the
middle, both ends of it end, soon and by name, and with --restarts the run goes on on the host that is left.

Not run where no namespace can be made, as without root's rights.
"""
import os
import shlex
import signal
import subprocess
import sys
import time

from train_ranks import SOON, environment, interrupted, mpirun, run, tensors, trained, words, work

NETWORK = "10.71.30"
HOSTS = {f"fauna-{os.getpid()}-{i}": f"{NETWORK}.{i}" for i in (1, 2)}
first, second = HOSTS
cables = [f"fauna{os.getpid() % 1000000}{side}" for side in "ab"]


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30)


def running(host):
    """The processes on a host."""
    found = subprocess.run(["ip", "netns", "pids", host], check=False, capture_output=True, text=True, timeout=30)
    return [*map(int, found.stdout.split())]


def on(host):
    """The words that run a command on a host: mpirun tells hosts, and what they share, by their names."""
    return ["ip", "netns", "exec", host, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host]


# What ssh is elsewhere: its first word is the host's address, the rest a shell's line.
agent = work / "agent"
agent.write_text(f"""#!/bin/sh
shift
exec {shlex.join(on(second))} sh -c 'exec sh -c "$*"' sh "$@"
""", encoding="ascii")
# mpirun on the first host, and on the second where it answers.
launcher = work / "launcher"
launcher.write_text(f"""#!/bin/sh
hosts={HOSTS[first]}:2
ip -n {second} link show {cables[1]} up | grep -q . && hosts={HOSTS[first]}:1,{HOSTS[second]}:1
exec {shlex.join(on(first))} {mpirun} --mca btl tcp,self --mca btl_tcp_if_include {NETWORK}.0/24 \\
  --mca oob_tcp_if_include {NETWORK}.0/24 --mca plm_rsh_agent {agent} --host $hosts "$@"
""", encoding="ascii")
for script in (agent, launcher):
    script.chmod(0o755)
environment |= {"FAUNA_MPIRUN": str(launcher), "OMPI_MCA_oob_tcp_keepalive_time": "2", "OMPI_MCA_oob_tcp_keepalive_intvl": "1",
                "OMPI_MCA_oob_tcp_keepalive_probes": "3"}


try:
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("link", "add", cables[0], "netns", first, "type", "veth", "peer", "name", cables[1], "netns", second)
        subprocess.run([*on(first), "true"], check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"two hosts need network namespaces: not run ({getattr(error, 'stderr', None) or error})")
        sys.exit()
    for (host, address), cable in zip(HOSTS.items(), cables):
        ip("-n", host, "address", "add", f"{address}/24", "dev", cable)
        for device in ("lo", cable):
            ip("-n", host, "link", "set", device, "up")

    status, said = run([launcher, "-n", 2, "hostname"])
    assert status == 0 and sorted(said.split()) == [first, second], f"{status}\n{said}"

    trained(0, "one", "--max-iters", 20, "--pieces", 6)
    status, said = run([launcher, "-n", 2, *words("two", "--max-iters", 20, "--pieces", 6, "--zero", 3)])
    assert status == 0, f"{status}\n{said}"
    for name in ("last.safetensors", "best.safetensors"):
        assert (work / "two" / name).read_bytes() == (work / "one" / name).read_bytes(), f"{name} differs"

    def gone(_):
        """Pulls the cable, and waits for what is cut off to end by itself."""
        ip("-n", second, "link", "set", cables[1], "down")
        deadline = time.monotonic() + SOON
        while running(second):
            assert time.monotonic() < deadline, f"{second} has still {running(second)}"
            time.sleep(0.1)

    status, said, _ = interrupted("two", gone, lambda pid: os.kill(pid, signal.SIGTERM), restarts=1)
    assert f"on node {HOSTS[second]}" in said and said.count("start 1 of 1 more") == 1, f"{status}\n{said}"
    trained(0, "two", "--max-iters", 0, "--pieces", 6, "--init-from", "resume")
    assert tensors("two/last.safetensors").keys() == tensors("one/last.safetensors").keys()
finally:
    for host in HOSTS:
        for process in running(host):
            os.kill(process, signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)
