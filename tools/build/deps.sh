#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh GROUP... - installs the Debian packages of these groups that are missing.
#
# Whether a package is there is told by one file that it brings, so that the
# usual answer (nothing is missing) takes a few milliseconds and the build can
# ask every time.  Packages come from apt-get, as root or through sudo.

set -eu

# group  package  a file of it
packages='
build gcc                /usr/bin/gcc
build binutils           /usr/bin/objcopy
build libc6-dev          /usr/include/stdio.h
build liblz4-dev         /usr/include/lz4.h
build libxxhash-dev      /usr/include/xxhash.h
build python3            /usr/bin/python3
build mtools             /usr/bin/mcopy
build grub-common        /usr/bin/grub-mkimage
build grub-pc-bin        /usr/lib/grub/i386-pc/boot.img
build grub-efi-amd64-bin /usr/lib/grub/x86_64-efi/normal.mod
run   qemu-system-x86    /usr/bin/qemu-system-x86_64
run   ovmf               /usr/share/OVMF/OVMF_CODE_4M.fd
run   seabios            /usr/share/seabios/bios-256k.bin
window qemu-system-gui   /usr/lib/x86_64-linux-gnu/qemu/ui-gtk.so
test  libcmocka-dev      /usr/include/cmocka.h
test  python3-pytest     /usr/lib/python3/dist-packages/pytest/__init__.py
test  qemu-utils         /usr/bin/qemu-img
test  musl-tools         /usr/bin/musl-gcc
test  liblua5.4-dev      /usr/lib/x86_64-linux-gnu/liblua5.4.a
bench liblmdb-dev        /usr/include/lmdb.h
bench libsqlite3-dev     /usr/include/sqlite3.h
fuzz  clang              /usr/bin/clang
fuzz  libclang-rt-14-dev /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a
check clang              /usr/bin/clang
check clang-format       /usr/bin/clang-format
check clang-tidy         /usr/bin/clang-tidy
check cppcheck           /usr/bin/cppcheck
check pyflakes3          /usr/bin/pyflakes3
'

find_missing() {
	missing=
	while read -r group package file; do
		[ -n "$group" ] && [ ! -e "$file" ] || continue
		for wanted; do
			[ "$wanted" = "$group" ] && missing="$missing $package"
		done
	done <<-LIST
		$packages
	LIST
}

find_missing "$@"
if [ -n "$missing" ]; then
	# Another target of a parallel make may be installing already.
	exec 9<"$0"
	flock 9
	find_missing "$@"
fi
if [ -z "$missing" ]; then
	[ $# -lt 2 ] || echo "deps: nothing is missing"
	exit 0
fi

echo "deps: missing:$missing"
if [ "$(id -u)" = 0 ]; then
	root=
elif command -v sudo >/dev/null 2>&1; then
	root=sudo
else
	echo "deps: cannot install them: this is not root and there is no sudo." >&2
	echo "deps: run as root: apt-get install$missing" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "deps: cannot install them: there is no apt-get (Debian 12 is what this is built on)." >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
install="$root apt-get install -y --no-install-recommends"
# the lists are words on purpose
if ! $install $missing; then
	echo "deps: reading the package lists anew"
	$root apt-get update
	$install $missing
fi
