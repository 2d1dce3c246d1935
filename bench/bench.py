#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench.py - `make bench`: prints what is measured, one line each."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)
sys.path.insert(0, os.path.join(ROOT, "bench"))

import measure  # noqa: E402
from conftest import program_command  # noqa: E402

WORK = "build/bench"
MIB = 1 << 20


def make_image(name, size="1G"):
    path = os.path.join(WORK, f"{name}.img")
    parts = "build/perdure"
    command = ["/usr/bin/python3", "tools/build/image.py", "fresh", path, "--yes", "--size", size]
    command += ["--esp", f"{parts}/esp.img", "--core", f"{parts}/core.img"]
    command += ["--mkstore", "build/mkstore", "--manifest", "disk/system.manifest"]
    command += ["--files", "build/user"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def put_program(image, name):
    """A program of bench/, into /bin."""
    program = os.path.join(WORK, name)
    subprocess.run(program_command(f"bench/{name}.c", program), check=True)
    subprocess.run(["build/mkstore", "put", image, program, f"/bin/{name}"], check=True)
    return image


def main():
    os.makedirs(WORK, exist_ok=True)
    for size in ("1G", "64G"):
        milliseconds = measure.resume_ms(make_image("resume", size))
        print(f"resume, store of {size:3}          {milliseconds:8.0f} ms", flush=True)
    memory = measure.memory_bytes(make_image("memory"))
    frames = memory["frames"] - memory["free"]
    print(f"memory, kernel and tables     {memory['kernel'] / MIB:8.2f} MiB")
    print(f"memory, staging buffer        {memory['staging'] / MIB:8.2f} MiB")
    print(f"memory, page frames in use    {frames / MIB:8.2f} MiB")
    print(f"kernel file                   {measure.kernel_bytes() / 1024:8.0f} KiB", flush=True)
    longest, what = measure.longest_kept_waiting(make_image("latency"))
    print(f"longest kept waiting          {longest:8} instructions: {what}", flush=True)
    rows, clock = measure.view_costs(put_program(make_image("views"), "views"))
    for count, attach, detach, touch in rows:
        print(f"view of {count:5} attachments     attach {attach - clock:6}, detach "
              f"{detach - clock:6}, touch {touch - clock:6} instructions", flush=True)
    for names, said in measure.names_cost(put_program(make_image("names"), "names")):
        print(f"{names:>8} names, instructions: {said}", flush=True)
    cost, count = measure.checkpoint_cost(make_image("with"), make_image("without"))
    print(f"{count} checkpoints, 1 s apart       {cost * 100:8.2f} % of the computation")


if __name__ == "__main__":
    main()
