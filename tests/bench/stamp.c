/* The smallest agent: notes when it started, as which run, and ends. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct timespec t;
	const char *run = getenv("ROUSE_RUN_ID");
	char line[128];
	int fd, len;

	clock_gettime(CLOCK_REALTIME, &t);
	if (argc != 2)
		return 64;
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0600);
	len = snprintf(line, sizeof(line), "%lld%09ld %.64s\n", (long long)t.tv_sec, t.tv_nsec,
		       run ? run : "");
	return fd < 0 || write(fd, line, (size_t)len) != len;
}
