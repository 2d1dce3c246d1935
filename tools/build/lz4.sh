#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lz4.sh DIRECTORY VERSION SHA256 - gets the upstream source of LZ4 for the kernel.
#
# The source is Debian's source package: apt-get downloads it with a
# configuration of its own below DIRECTORY, so that neither root nor deb-src
# lines in the system's configuration are needed.  The sources are the
# system's own Debian entries with deb turned into deb-src.  The archive is
# checked against SHA256 before it is unpacked.  One that is already there is
# used without the network.

set -eu

directory=$1
version=$2
sha256=$3
upstream=${version%-*}
archive=lz4_$upstream.orig.tar.gz

fail() {
	echo "lz4: $1" >&2
	echo "lz4: or put $archive (SHA-256 $sha256) into $directory by hand" >&2
	exit 1
}

mkdir -p "$directory"
cd "$directory"

right() {
	[ -f "$archive" ] && echo "$sha256  $archive" | sha256sum --check --status
}

# The system's entries for its own release, as deb-src lines.  An entry of some
# other vendor names another suite.
sources() {
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	[ -n "$codename" ] || fail "/etc/os-release does not name a release (VERSION_CODENAME)"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		# deb [options] address suite component...
		sed -n -E "s/^deb(-src)?[[:space:]]+((\[[^]]*\][[:space:]]+)?[^[:space:]]+[[:space:]]+$codename(-[a-z]+)?[[:space:]].*)/deb-src \2/p" "$file"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		awk -v codename="$codename" '
			function value(line) { sub(/^[^:]*:[ \t]*/, "", line); return line }
			function finish(   address, suite, i, j) {
				address_count = split(addresses, address, /[ \t]+/)
				suite_count = split(suites, suite, /[ \t]+/)
				for (i = 1; i <= address_count; i++)
					for (j = 1; j <= suite_count; j++)
						if (enabled && index(suite[j] "-", codename "-") == 1)
							print "deb-src " options address[i], suite[j], components
				addresses = suites = components = options = ""
				enabled = 1
			}
			BEGIN { enabled = 1 }
			/^#/ { next }
			/^[ \t]*$/ { finish(); next }
			/^URIs:/ { addresses = value($0) }
			/^Suites:/ { suites = value($0) }
			/^Components:/ { components = value($0) }
			/^Enabled:[ \t]*no/ { enabled = 0 }
			/^Signed-By:[ \t]*\// { options = "[signed-by=" value($0) "] " }
			END { finish() }
		' "$file"
	done
}

if ! right; then
	command -v apt-get >/dev/null 2>&1 || fail "there is no apt-get to download it with"
	mkdir -p apt/lists/partial apt/cache/archives/partial apt/empty
	sources | sort -u >apt/sources.list
	[ -s apt/sources.list ] || fail "found no Debian entry in /etc/apt/sources.list*"
	cat >apt/apt.conf <<-CONF
		Dir::Etc::SourceList "$PWD/apt/sources.list";
		Dir::Etc::SourceParts "$PWD/apt/empty";
		Dir::State::Lists "$PWD/apt/lists";
		Dir::Cache "$PWD/apt/cache";
		Acquire::Languages "none";
		APT::Sandbox::User "";
	CONF
	export APT_CONFIG="$PWD/apt/apt.conf"
	echo "lz4: downloading the source package lz4 $version"
	apt-get update -qq >apt/log 2>&1 || {
		cat apt/log >&2
		fail "could not read the package lists"
	}
	apt-get source -qq --download-only "lz4=$version" >>apt/log 2>&1 || {
		cat apt/log >&2
		fail "could not download the source package lz4 $version"
	}
	right || fail "$archive does not have the pinned SHA-256"
	rm -rf apt
fi

rm -rf lz4
mkdir lz4
tar -xzf "$archive" --strip-components=2 -C lz4 "lz4-$upstream/lib/lz4.c" \
	"lz4-$upstream/lib/lz4.h" "lz4-$upstream/lib/LICENSE"
touch lz4/lz4.c lz4/lz4.h
