#!/bin/sh
# Every #include "…" stays on its floor or goes down: held against tests/floors. TAP.
# SPDX-License-Identifier: MIT
set -u
top=${srcdir:-.}
cd "$top" || exit 99
bad=0
n=0
for file in $(find src triggers plugins -name '*.[ch]' | LC_ALL=C sort); do
	case $file in
	src/*/*) room=$(printf '%s' "$file" | cut -d/ -f1-2) ;;
	*) room=$(printf '%s' "$file" | cut -d/ -f1) ;;
	esac
	may=$(sed -n "s|^$room:||p" tests/floors)
	n=$((n + 1))
	for inc in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file"); do
		case $inc in
		config.h) continue ;;
		triggers/* | plugins/*) to=${inc%%/*} ;;
		*/*) to=src/${inc%%/*} ;;
		*) to=$room ;;
		esac
		[ "$to" = "$room" ] && continue
		case " $may " in
		*" $to "*) ;;
		*)
			echo "# $file includes \"$inc\": $room may not see $to"
			bad=$((bad + 1))
			;;
		esac
	done
done
if [ "$n" -lt 5 ]; then
	echo "# only $n files were found"
	bad=1
fi
[ "$bad" = 0 ] && echo "ok 1 - $n files include only what lies on their floor or below" || echo "not ok 1 - $bad includes go up or sideways"
echo 1..1
[ "$bad" = 0 ]
