#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes what a release consists of, from the commit that is checked out:
# scripts/release.sh [OPTION...]
#   --output FOLDER  where it goes (build-release)
#   --draft          of a version that the changelog calls unreleased
# There are then in FOLDER, for a version V:
#   iotsafe-V.tar.gz       the sources
#   iotsafe-V.spdx         what they consist of, by SPDX 2.1 (needs `reuse`)
#   iotsafe-V.tag          the text for the tag: the changelog of V
#   iotsafe-V.sha256       checksums of these
# Whoever runs it on the same commit gets the same bytes. Nothing is published.
set -u
cd "$(dirname "$0")/.." || exit 1

usage() {
	sed -n '3,/^set/{/^set/d;s/^# \?//;p}' "$0"
}

output=build-release
draft=no
while [ $# -gt 0 ]; do
	case $1 in
	--output) output=${2:?a folder is missing} && shift ;;
	--draft) draft=yes ;;
	--help | -h) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

fail() {
	echo "release: $*" >&2
	exit 1
}

git rev-parse HEAD >/dev/null 2>&1 || fail 'this is no checkout of git'
git diff --quiet HEAD || fail 'there are changes that are not committed'
command -v reuse >/dev/null || fail 'reuse is not installed (Debian: reuse)'

# The version has one home; what repeats it must agree.
version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "meson.build: version $version is not like 1.2.3"
heading=$(grep -m 1 '^## \[' CHANGELOG.md)
[[ $heading == "## [$version] - "* ]] || fail "meson.build has version $version, CHANGELOG.md begins with: $heading"
[[ $(head -n 1 packaging/debian/changelog) == "iotsafe ($version-"* ]] ||
	fail "packaging/debian/changelog does not begin with version $version"
if [ "$draft" = no ]; then
	[[ $heading =~ \ -\ [0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || fail "CHANGELOG.md has no date for $version: $heading"
	! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || fail "there is a tag v$version already"
fi
reuse lint >/dev/null 2>&1 || fail 'licences are not in order, see reuse lint'

name=iotsafe-$version
mkdir -p "$output" && output=$(realpath "$output") || exit 1
work=$(mktemp -d "$output/work.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

git archive --format=tar --prefix="$name/" HEAD | gzip -n -9 >"$work/$name.tar.gz" || fail 'no archive was made'

# Time and namespace are those of the commit; files are in the order of their names.
tar -xzf "$work/$name.tar.gz" -C "$work" &&
	(cd "$work/$name" && reuse spdx) >"$work/spdx" 2>"$work/errors" || fail "reuse: $(tail -n 1 "$work/errors")"
/usr/bin/python3 - "$work/spdx" "$work/$name.spdx" "$name" "$(TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)" \
	"$(git rev-parse HEAD)" <<'END' || fail 'no SPDX document was made'
import re, sys
source, target, name, created, commit = sys.argv[1:]
text = open(source).read()
head, *files = re.split(r"\n(?=FileName: )", text.rstrip("\n"))
head = re.sub(r"^DocumentName: .*", f"DocumentName: {name}", head, flags=re.M)
head = re.sub(r"^DocumentNamespace: .*", f"DocumentNamespace: http://spdx.org/spdxdocs/{name}-{commit}", head, flags=re.M)
head = re.sub(r"^Created: .*", f"Created: {created}", head, flags=re.M)
lines = head.split("\n")
relations = sorted(line for line in lines if line.startswith("Relationship: "))
lines = [line for line in lines if not line.startswith("Relationship: ")]
licences = []
files = [part.rstrip("\n") for part in files]
if files and "\nLicenseID: " in files[-1]:
    files[-1], rest = re.split(r"\n\n?(?=LicenseID: )", files[-1], maxsplit=1)
    licences = [rest]
open(target, "w").write("\n\n".join(["\n".join(lines + relations).rstrip("\n"), *sorted(files), *licences]) + "\n")
END

{
	printf 'iotsafe %s\n\n' "$version"
	sed -n "/^## \[$version\]/,/^## \[/{/^## \[/d;p}" CHANGELOG.md | sed -e '/./,$!d'
} >"$work/$name.tag"
(cd "$work" && sha256sum "$name.spdx" "$name.tag" "$name.tar.gz") >"$work/$name.sha256" || exit 1
mv "$work/$name".* "$output/" || exit 1
cat "$output/$name.sha256"
[ "$draft" = yes ] || echo "next: git tag -s -F $output/$name.tag v$version && git push origin v$version"
