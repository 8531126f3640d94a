#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Formats all C sources with clang-format 14, or tells which ones differ from
# that form, and which sources lack an SPDX line.
#
# usage: scripts/format.sh [--check]
set -u
cd "$(dirname "$0")/.." || exit 1

formatter=
for name in clang-format-14 clang-format; do
	if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then
		formatter=$name
		break
	fi
done
if [ -z "$formatter" ]; then
	echo 'clang-format 14 is not installed (Debian package clang-format-14)' >&2
	exit 2
fi
mapfile -t sources < <(find . -name 'build*' -prune -o -name .git -prune -o -name '*.[ch]' -print)

case ${1:-} in
'') "$formatter" -i "${sources[@]}" && exit ;;
--check) ;;
*)
	echo 'usage: scripts/format.sh [--check]' >&2
	exit 2
	;;
esac

status=0
"$formatter" --dry-run -Werror --ferror-limit=1 "${sources[@]}" || status=1
while read -r file; do
	echo "$file has no SPDX line"
	status=1
done < <(find . -name 'build*' -prune -o -name .git -prune -o \
	\( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name meson.build \) -print0 |
	xargs -0 grep -L 'SPDX-License-Identifier')
exit "$status"
