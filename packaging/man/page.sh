#!/bin/sh
# Makes a manual page of section 7 of pages of docs/: page.sh NAME WHAT DATE VERSION PAGE.md... >NAME.7
# What is written once in docs/ is read in both places. LOWDOWN is the program that
# turns Markdown into roff (Debian: lowdown).
# SPDX-License-Identifier: MIT
set -eu
name=$1 what=$2 date=$3 version=$4
shift 4

# roff of one page: links become their words, and the last column of a table has the room.
section() {
	sed -e 's/\[\([^][]*\)\](\([^)]*\))/\1/g' "$1" |
		"${LOWDOWN:-lowdown}" -tman --parse-no-metadata |
		sed -e 's/ expand allbox;$/;/' \
			-e 's/^lb lb$/lbw(22n) lbx/' -e 's/^l l\.$/lw(22n) lx./' \
			-e 's/^lb lb lb$/lbw(12n) lbw(24n) lbx/' -e 's/^l l l\.$/lw(12n) lw(24n) lx./' \
			-e '/^\.S[HS]$/{' -e 'N' -e 's/\n\(.*\)/ "\1"/' -e 'N' -e 's/\n\.LP$//' -e '}' -e 's/\\fC/\\fB/g'
}

printf "'\\\\\" t\n.\\\\\" Made from docs/ by packaging/man/page.sh; change it there.\n"
printf '.TH %s 7 "%s" "rouse %s" "Rouse"\n.nh\n.ad l\n.SH NAME\n%s \\- %s\n' \
	"$(echo "$name" | tr a-z A-Z | sed 's/-/\\-/g')" "$date" "$version" "$(echo "$name" | sed 's/-/\\-/g')" "$what"
for page; do section "$page"; done
printf '.SH SEE ALSO\n.BR rouse (1),\n.BR roused (8),\n.BR rouse.conf (5)\n'
