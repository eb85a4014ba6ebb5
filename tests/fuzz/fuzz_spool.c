/* Fuzzer: jobs and states of spools, as a process of our user could write them. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "io/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken must be written and taken again as the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(spool_status_fini) struct spool_status status = {0};
	AUTO(spool_status_fini) struct spool_status again = {0};
	struct spool_job *job, *job_again;
	struct str input = str_make(data, size);
	if (spool_job_parse(input, &job, &err)) {
		spool_job_format(job, &text);
		assert(spool_job_parse(buf_str(&text), &job_again, NULL));
		assert(str_eq(job->input, job_again->input) &&
		       job->deadline_ms == job_again->deadline_ms);
		for (size_t i = 0; job->argv[i]; i++)
			assert(!strcmp(job->argv[i], job_again->argv[i]));
		spool_job_free(job);
		spool_job_free(job_again);
	}
	buf_clear(&text);
	if (spool_status_parse(input, &status, &err)) {
		spool_status_format(&status, &text);
		assert(spool_status_parse(buf_str(&text), &again, NULL));
		assert(status.exit_code == again.exit_code && status.cpu_ms == again.cpu_ms);
	}
	return 0;
}
