# SPDX-License-Identifier: MIT
"""test_machines.py - a sample of the machines of docs/machines.md, against what it says."""

import os
import sys

import pytest
from conftest import ROOT, WORK, copy_sparse

sys.path.insert(0, os.path.join(ROOT, "tests/machines"))

import run as machines  # noqa: E402
import variants  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def fresh(base_image):
    machines.BASE = os.path.join(WORK, f"machines-{os.getpid()}.img")
    copy_sparse(base_image, machines.BASE)
    yield
    os.unlink(machines.BASE)


@pytest.mark.parametrize("name", variants.SAMPLE)
def test_as_the_table_says(name):
    assert machines.attempt(name) == machines.read_table()[name]


def test_table_is_of_the_list():
    """No row is of a machine that is not tried."""
    assert set(machines.read_table()) <= set(variants.VARIANTS)
