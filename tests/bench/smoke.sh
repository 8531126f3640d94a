#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/bench.sh measures everything that its page shows, and the committed page is that of
# the committed results. How fast anything is, is no matter here.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl setpriv /usr/bin/python3
REPORT=$E2E_SOURCE/scripts/bench_report.py
COMMITTED=$E2E_SOURCE/docs/benchmarks

report() { run /usr/bin/python3 "$REPORT" "$@"; }

measured() {
	mkdir "$T/report" && run bash "$E2E_SOURCE/tests/bench/bench.sh" smoke "$T/report/results.json"
}

# As the original says it, but for one measure.
notices_what_is_missing() {
	report --complete "$T/report" && mkdir "$T/less" || return 1
	sed 's/"handshakes-1.2"/"other"/' "$T/report/results.json" >"$T/less/results.json"
	fails /usr/bin/python3 "$REPORT" --complete "$T/less" && matches "$OUT" '^handshakes-1\.2: not measured'
}

makes_a_page() {
	report "$T/report" && report --check "$T/report" || return 1
	matches "$T/report/README.md" '^\| warm signature: .* \| (yes|\*\*no\*\*) \|$' &&
		matches "$T/report/signatures-1.svg" '</svg>' || return 1
	sed -i 's/"cores": [0-9]*/"cores": 4711/' "$T/report/results.json"
	fails /usr/bin/python3 "$REPORT" --check "$T/report" && matches "$OUT" 'README\.md is not what'
}

for results in "$COMMITTED"/results.json "$COMMITTED"/*/results.json; do
	it "the page and the plots beside ${results#"$E2E_SOURCE"/} are made of it" report --check "${results%/*}"
done
if [ "$E2E_SANITIZE" = none ] && same_openssl openssl; then
	it 'everything is set up and measured' measured
	it 'no measure is missing, and it would be noticed' notices_what_is_missing
	it 'page and plots are made, and compared' makes_a_page
else
	note "skipped: no measures with sanitizers, or with another OpenSSL than that of the module. ${WHY:-}"
fi
done_testing
