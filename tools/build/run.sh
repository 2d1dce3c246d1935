#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh terminal|window IMAGE - boots an image in QEMU.
#
# From the environment: QEMU_ARGS, words added at the end of the command line;
# ACCEL, tcg or kvm instead of what is found; MEMORY in MiB; UEFI=1 for UEFI
# firmware instead of a BIOS.

set -euo pipefail

where=$1
image=$2

[ -f "$image" ] || { echo "run: $image: there is no such image; \`make\` makes it" >&2; exit 1; }

# /dev/kvm may exist where guests cannot run, so the CPU is asked as well.
accel=${ACCEL:-}
if [ -z "$accel" ]; then
	accel=tcg
	if grep -qwE 'vmx|svm' /proc/cpuinfo && { : <>/dev/kvm; } 2>/dev/null; then
		accel=kvm
	fi
fi

# A disk that was partitioned for sectors of 4096 bytes has such sectors.
sectors=
if dd if="$image" bs=8 skip=512 count=1 status=none | cmp -s - <(printf 'EFI PART'); then
	sectors=,logical_block_size=4096,physical_block_size=4096
	[ -n "${UEFI:-}" ] || echo "run: a disk with sectors of 4096 bytes boots by UEFI only: UEFI=1"
fi

arguments=(
	-machine q35 -accel "$accel" -cpu max -m "${MEMORY:-512}" -nodefaults
	-drive "if=none,id=disk,format=raw,discard=unmap,file=$image"
	-device "virtio-blk-pci,drive=disk,disable-legacy=on$sectors"
)

if [ -n "${UEFI:-}" ]; then
	variables=${image%.img}.uefi-variables
	[ -f "$variables" ] || cp /usr/share/OVMF/OVMF_VARS_4M.fd "$variables"
	arguments+=(
		-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
		-drive "if=pflash,format=raw,file=$variables"
	)
fi

case $where in
terminal)
	# QEMU's own key is Ctrl-A, which begins a line everywhere else.
	arguments+=(-display none -echr 0x1d -chardev stdio,id=terminal,mux=on,signal=off
		-serial chardev:terminal -mon terminal)
	echo "run: leave with Ctrl-] x; that is a power cut, and the system goes on at the next run"
	;;
window)
	if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
		echo "run: there is no display to open a window on; \`make run\` stays in the terminal" >&2
		exit 1
	fi
	arguments+=(-display gtk -serial vc:100Cx30C)
	echo "run: close the window to leave; that is a power cut, and the system goes on at the next run"
	;;
esac
echo "run: QEMU with $accel, ${MEMORY:-512} MiB, $image"

# QEMU_ARGS is a list of words on purpose
exec qemu-system-x86_64 "${arguments[@]}" ${QEMU_ARGS:-}
