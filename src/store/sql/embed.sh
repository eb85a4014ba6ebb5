#!/bin/sh
# Prints the numbered SQL files given, in order, as the C table that schema.h declares.
# SPDX-License-Identifier: MIT
set -eu
LC_ALL=C
export LC_ALL
echo '/* Made by embed.sh from src/store/sql; do not edit. */'
echo '#include "store/schema.h"'
echo 'const struct migration schema_migrations[] = {'
want=1
for file; do
	name=${file##*/}
	number=${name%%-*}
	number=${number#"${number%%[!0]*}"}
	if [ "$number" != "$want" ]; then
		echo "embed.sh: $file: expected number $want" >&2
		exit 1
	fi
	want=$((want + 1))
	echo "{$number, \"$name\","
	# Comments that fill a line stay in the source; those inside a statement stay in the schema,
	# which is what sqlite3 shows with .schema.
	sed -e '/^--/d' -e '/^[[:space:]]*$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^\(.*\)$/"\1\\n"/' "$file"
	echo '},'
done
echo '};'
echo 'const int schema_version = sizeof(schema_migrations) / sizeof(schema_migrations[0]);'
