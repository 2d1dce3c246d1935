# SPDX-License-Identifier: MIT
"""test_speed.py - the figures that Perdure promises, measured by bench/measure.py."""

import os
import sys

from conftest import WORK, copy_sparse, make_image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))

import measure  # noqa: E402

MIB = 1 << 20


def test_resume_does_not_depend_on_the_size(image):
    """A boot reads as much with 64 GiB as with 1 GiB; `make bench` prints the times."""
    large = os.path.join(WORK, "64G.img")
    make_image(large, "64G")
    try:
        # The least of three: what was under way when the power went is different each time.
        small_reads, small_bytes = map(min, zip(*(measure.resume_reads(image) for _ in range(3))))
        large_reads, large_bytes = map(min, zip(*(measure.resume_reads(large) for _ in range(3))))
        print(f"1 GiB: {small_reads} reads, {small_bytes} bytes")
        print(f"64 GiB: {large_reads} reads, {large_bytes} bytes")
        assert large_reads <= 1.2 * small_reads
        assert large_bytes <= 1.2 * small_bytes
    finally:
        os.unlink(large)


def test_memory_after_boot(image):
    """Beyond what programs touch: 4 MiB, 1 % of memory, and the staging buffer."""
    memory = measure.memory_bytes(image)
    print(memory)
    own = memory["memory"] - memory["frames"] - memory["staging"]
    tables = memory["tables"]
    assert own + tables < 4 * MIB + memory["memory"] / 100
    # The rest of memory is there for programs.
    assert memory["free"] > 0.9 * memory["memory"]


def test_kernel_is_small():
    assert measure.kernel_bytes() < 512 * 1024


def test_checkpoints_cost_little(image, base_image):
    """50 checkpoints cost a computation less than 5 % of its instructions."""
    other = image + ".other"
    copy_sparse(base_image, other)
    os.chmod(other, 0o644)
    try:
        cost, count = measure.checkpoint_cost(image, other)
        print(f"{count} checkpoints cost {cost * 100:.2f} %")
        assert count >= 50
        assert cost < 0.05
    finally:
        os.unlink(other)
