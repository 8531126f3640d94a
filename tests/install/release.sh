#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/release.sh makes the same bytes twice, of a commit whose versions agree.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need git gzip reuse sha256sum tar /usr/bin/python3
[ "$E2E_SANITIZE" = none ] || skip_all 'has nothing to do with sanitizers'
git -C "$E2E_SOURCE" rev-parse HEAD >/dev/null 2>&1 || skip_all 'the sources are no checkout of git'
TREE=$T/tree
VERSION=$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$E2E_SOURCE/meson.build")
NAME=iotsafe-$VERSION

release() { (cd "$TREE" && patiently env HOME="$T" scripts/release.sh "$@"); }
commit() { git -C "$TREE" -c user.name=test -c user.email=test@localhost commit -qam "$1"; }

# refused PATTERN ARGUMENT...: one line says why, and nothing is left.
refused() {
	local pattern=$1
	shift
	fails release --output "$T/none" "$@" && equal "$(wc -l <"$ERR")" 1 'lines on standard error' && matches "$ERR" "^release: $pattern" &&
		equal "$(find "$T/none" -type f 2>/dev/null | wc -l)" 0 files
}

makes() {
	git clone -q --no-hardlinks "$E2E_SOURCE" "$TREE" && run release --draft --output "$T/one" || return 1
	equal "$(cd "$T/one" && ls)" "$(printf '%s\n' "$NAME.sha256" "$NAME.spdx" "$NAME.tag" "$NAME.tar.gz")" files &&
		(cd "$T/one" && run sha256sum -c "$NAME.sha256") && matches "$T/one/$NAME.tag" "^iotsafe $VERSION\$"
}

# Elsewhere, later, with another umask.
same_bytes() {
	git clone -q --no-hardlinks "$TREE" "$T/again" && (umask 077 && cd "$T/again" && TZ=Asia/Tokyo run patiently env HOME="$T" \
		scripts/release.sh --draft --output "$T/two") && run diff -r "$T/one" "$T/two"
}

components() {
	mkdir "$T/unpacked" && tar -xzf "$T/one/$NAME.tar.gz" -C "$T/unpacked" &&
		run /usr/bin/python3 "$(dirname "$0")/check_spdx.py" "$T/one/$NAME.spdx" "$T/unpacked/$NAME" || return 1
	sed '/^FileChecksum/s/.$/x/' "$T/one/$NAME.spdx" >"$T/wrong.spdx"
	fails /usr/bin/python3 "$(dirname "$0")/check_spdx.py" "$T/wrong.spdx" "$T/unpacked/$NAME" &&
		run diff <(git -C "$TREE" ls-files | sort) <(cd "$T/unpacked/$NAME" && find . ! -type d -printf '%P\n' | sort)
}

wants_order() {
	sed -i "s/^## \[$VERSION\] - .*/## [$VERSION] - unreleased/" "$TREE/CHANGELOG.md"
	git -C "$TREE" diff --quiet || commit unreleased
	refused "CHANGELOG.md has no date for $VERSION" || return 1
	echo >>"$TREE/README.md" && refused 'there are changes that are not committed' && git -C "$TREE" checkout -q README.md || return 1
	sed -i "s/version: '$VERSION'/version: '9.9.9'/" "$TREE/meson.build" && commit version &&
		refused 'meson.build has version 9.9.9, CHANGELOG.md begins with' --draft && git -C "$TREE" reset -q --hard HEAD~1 || return 1
	echo 'int i;' >"$TREE/tools/new.c" && sed -i 's/^Files: .*/Files: README.md/' "$TREE/.reuse/dep5" && git -C "$TREE" add tools/new.c &&
		commit licence && refused 'licences are not in order' --draft && git -C "$TREE" reset -q --hard HEAD~1
}

dated() {
	sed -i "s/^## \[$VERSION\] - .*/## [$VERSION] - 2026-12-01/" "$TREE/CHANGELOG.md" && commit release &&
		run release --output "$T/dated" && matches "$OUT" "^next: git tag -s -F .*/$NAME.tag v$VERSION" || return 1
	git -C "$TREE" tag "v$VERSION" && refused "there is a tag v$VERSION already"
}

it 'the files of a release' makes
it 'the same bytes from the same commit' same_bytes
it 'the SPDX document is one, and of all files of the archive' components
it 'what does not agree is refused' wants_order
it 'a version with a date, and no tag yet' dated
done_testing
