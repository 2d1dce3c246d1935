# SPDX-License-Identifier: MIT
"""conftest.py - images for the system tests: one made anew, copied for each test."""

import fcntl
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from machine import Machine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(ROOT, "build/tests/system")
PARTS = os.path.join(ROOT, "build/perdure")
MKSTORE = os.path.join(ROOT, "build/mkstore")
STORE_OFFSET = 36864 * 512  # where image.py puts the store partition

os.chdir(ROOT)


def copy_sparse(source, target):
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)


def make_image(path, size="1G", *options, manifest="disk/system.manifest"):
    """A fresh image, as `make fresh` makes it."""
    command = ["/usr/bin/python3", "tools/build/image.py", "fresh", str(path), "--yes"]
    command += ["--size", size, "--esp", f"{PARTS}/esp.img", "--core", f"{PARTS}/core.img"]
    command += ["--mkstore", MKSTORE, "--manifest", manifest]
    command += ["--files", "build/user", *options]
    subprocess.run(command, check=True)


def set_menu(image, words="", timeout=0, without=None, more="", files=()):
    """The same image with other words behind the kernel's name in GRUB's menu, which
    waits for so many seconds (-1: for ever), without what matches, and with further commands
    when all is loaded and files beside the kernel."""
    with open("disk/grub.cfg", encoding="ascii") as file:
        config = file.read()
    assert "kernel.elf\n" in config and "set timeout=1\n" in config
    config = config.replace("kernel.elf\n", f"kernel.elf {words}".rstrip() + "\n", 1)
    config = config.replace("set timeout=1\n", f"set timeout={timeout}\n")
    if without:
        assert re.search(without, config)
        config = re.sub(without, "true", config)
    if more:
        loaded = 'module2 "$store" store; fi\n'
        assert loaded in config
        config = config.replace(loaded, loaded + more + "\n", 1)
    path = image + ".grub.cfg"
    esp = image + ".esp"
    with open(path, "w", encoding="ascii") as file:
        file.write(config)
    script = "tools/build/image.py"
    parts = [f"{PARTS}/bootx64.efi=/EFI/BOOT/BOOTX64.EFI", f"{path}=/perdure/grub.cfg"]
    parts += [f"{PARTS}/kernel.elf=/perdure/kernel.elf"]
    parts += files
    subprocess.run(["/usr/bin/python3", script, "fat", esp, *parts], check=True)
    command = ["/usr/bin/python3", script, "ensure", image, "--esp", esp]
    command += ["--core", f"{PARTS}/core.img", "--mkstore", MKSTORE]
    command += ["--manifest", "disk/system.manifest", "--files", "build/user"]
    subprocess.run(command, check=True)
    os.unlink(path)
    os.unlink(esp)


def compiled(kind, *folders, without=()):
    """Objects of the sources in these folders; what is left of others is not among them."""
    sources = [source for folder in folders for source in sorted(pathlib.Path(folder).rglob("*.[cS]"))
               if str(source) not in without]
    objects = [f"build/{kind}/{str(source).removesuffix('.c')}.o" for source in sources]
    return [path for path in objects if os.path.exists(path)]


def program_command(source, made, *options):
    """What makes a program of this source; with `-c`, an object."""
    command = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I.", "-ffreestanding", "-isystem",
               "base/include", "-fPIE", "-O2", "-fno-stack-protector", *options, source, "-o", made]
    if "-c" in options:
        return command
    return [*command, "-static-pie", "-nostdlib", "-Wl,-z,separate-code", "-Wl,-z,now",
            "-Wl,-z,noexecstack", "-Wl,--no-dynamic-linker", "-Wl,--gc-sections",
            *compiled("ring3", "user/lib", "base"), "build/ring3/kernel/loader.o"]


def wait_for(machine, command, pattern, limit_s=900):
    """Asks again and again until the answer matches."""
    deadline = time.monotonic() + limit_s
    while True:
        said = machine.command(command)
        match = re.search(pattern, said)
        if match:
            return match
        assert time.monotonic() < deadline, said


MKSTORE_SECONDS = 600  # what takes so long never ends


def mkstore(*arguments, code=0):
    """Runs mkstore; fails unless it ends with this code (None: any)."""
    command = [MKSTORE, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace",
                            timeout=MKSTORE_SECONDS)
    said = f"{' '.join(command)}: {result.returncode}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
    assert code is None or result.returncode == code, said
    return result


def mkstore_json(*arguments):
    return json.loads(mkstore(arguments[0], "--json", *arguments[1:]).stdout)


def live_generation(image):
    """The generation on the disk of a running system; None when the look failed half-way."""
    result = mkstore("info", "--json", "--live", image, code=None)
    return json.loads(result.stdout)["generation"] if result.returncode == 0 else None


def wait_durable(machine, image, limit_s=600):
    """Waits until what is true of the running system now has been committed.

    The commit under way may have begun before; the one after it has not.
    """
    deadline = time.monotonic() + limit_s
    first = None
    while True:
        generation = live_generation(image)
        if first is None:
            first = generation
        elif generation is not None and generation >= first + 2:
            return
        assert machine.running() and time.monotonic() < deadline, (first, generation)
        time.sleep(0.1)


def verify(image):
    """The store in this image is without fault."""
    mkstore("verify", image)


def cat(image, path):
    return mkstore("cat", image, path).stdout


def numbers(text):
    """The numbers of a line, in order."""
    return [int(number) for number in re.findall(r"\d+", text)]


def named_numbers(text):
    """A line of `word number` pairs, as `lost 0`, by word."""
    return {word: int(number) for word, number in re.findall(r"([a-z]+) (\d+)", text)}


DEMO = {
    "count": r"^\d+$",
    "exchange": r"^sent \d+ received \d+ lost \d+ repeated \d+$",
    "primes": r"^found \d+ largest \d+ checked \d+ errors \d+$",
}


def demo(machine, name, limit_s=900):
    """What the program behind /demo/NAME says of itself: it may not have begun when the
    prompt is there, or be in the middle of saying it."""
    deadline = time.monotonic() + limit_s
    while not re.search(DEMO[name], said := machine.command(f"cat /demo/{name}").strip()):
        assert time.monotonic() < deadline, said
    return named_numbers(said) or int(said)


def demos_are_exact(machine):
    """None of the programs that check themselves has seen anything wrong."""
    exchange, primes = demo(machine, "exchange"), demo(machine, "primes")
    assert exchange["lost"] == exchange["repeated"] == 0, exchange
    assert primes["errors"] == 0, primes


@pytest.fixture(scope="session")
def base_image():
    """One fresh image for all tests of this run, shared by the processes."""
    os.makedirs(WORK, exist_ok=True)
    path = os.path.join(WORK, "base.img")
    inputs = [f"{PARTS}/esp.img", MKSTORE, "disk/system.manifest"]
    inputs += [f"build/user/{name}" for name in os.listdir("build/user")]
    with open(os.path.join(WORK, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(map(os.path.getmtime, inputs))
        if not os.path.exists(path) or os.path.getmtime(path) < newest:
            # What tests count is what they did themselves.
            with open("disk/system.manifest", encoding="utf-8") as shipped:
                text = re.sub(r"(?m)^retention .*$", "retention off", shipped.read())
            manifest = os.path.join(WORK, "manifest")
            with open(manifest, "w", encoding="utf-8") as changed:
                changed.write(text)
            # It was made read-only; only root can open it for writing all the same.
            if os.path.exists(path):
                os.unlink(path)
            make_image(path, manifest=manifest)
            # Nobody is there who would choose from the menu.
            set_menu(path)
        # A test that wrote to it would spoil all others.
        os.chmod(path, 0o444)
    return path


@pytest.fixture
def image(base_image, request):
    """A copy for one test; kept when the test fails, for a look at it."""
    name = re.sub(r"\W+", "-", f"{request.module.__name__}-{request.node.name}")
    path = os.path.join(WORK, f"{name}.img")
    copy_sparse(base_image, path)
    os.chmod(path, 0o644)
    yield path
    if getattr(request.node, "succeeded", False):
        os.unlink(path)


@pytest.fixture
def used_image(image):
    """One with a note and a snapshot, stopped cleanly."""
    with Machine(image) as machine:
        machine.wait_prompt()
        machine.command("echo kept > /notes/kept")
        machine.command("snapshot before")
        machine.type("poweroff\r")
        machine.wait_off()
    return image


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.succeeded = outcome.get_result().passed
