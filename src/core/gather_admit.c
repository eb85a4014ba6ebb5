/* Gathering: an event comes in, and opens a gathering or joins one. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "core/gather.h"

#include <inttypes.h>

#include "core/admission.h"
#include "core/envelope.h"
#include "store/events.h"

/* What it adds to the payload of the run. */
static int64_t
payload_bytes(const struct admission *a, const struct run_row *row)
{
	return row->payload ? (int64_t)strlen(row->payload)
			    : (int64_t)envelope_event_data(buf_str(&a->document)).len;
}

void
gather_payload(const struct admission *a, const struct run_row *row, struct buf *out)
{
	buf_puts(out, "{\"events\":[");
	buf_add_str(out, row->payload ? str_of(row->payload)
				      : envelope_event_data(buf_str(&a->document)));
	buf_puts(out, "]}");
}

/* Where no run could wait any more, none is promised. */
static bool
shed(struct admission *a, bool *ret_shed)
{
	bool known;

	*ret_shed = false;
	if (!gather_is_full(a->core))
		return true;
	if (!key_is_known(a, &known))
		return false;
	if (known)
		return true;
	*ret_shed = outcome_set(
		a, "shed", "as many runs wait, or are gathered for, as limits.max_queued allows");
	if (!event_keep(a, 0))
		return false;
	err_set(&a->err, E_RATE,
		"as many runs wait already as limits.max_queued allows; try again later");
	return true;
}

static void
due_set(const struct trigger *trigger, struct wall now, struct gathering *gathering)
{
	gathering->due = gathering->latest;
	if (trigger->quiet_ms && now.ms + trigger->quiet_ms < gathering->latest.ms)
		gathering->due.ms = now.ms + trigger->quiet_ms;
}

/* The least that is known of any of them, the strictest mode, the longest way. Text is literal. */
static void
run_merge(struct run_row *run, const struct run_row *more)
{
	static const char *const least[] = {"untrusted", "authenticated", "trusted"};

	for (size_t i = 0; i < ARRAY_LEN(least); i++) {
		if (strcmp(more->trust, least[i]) && strcmp(run->trust, least[i]))
			continue;
		free(run->trust);
		run->trust = mem_strdup(least[i]);
		break;
	}
	if (!strcmp(more->mode, "stage") && strcmp(run->mode, "stage")) {
		free(run->mode);
		run->mode = mem_strdup("stage");
	}
	if (more->hops > run->hops)
		run->hops = more->hops;
}

/* The first of a new one. */
static bool
gathering_open(struct admission *a, const struct run_row *row, int64_t bytes)
{
	const struct trigger *trigger = a->trigger;
	struct wall now = gather_now(a->core);
	struct gathering gathering = {.n = 1,
				      .bytes = bytes,
				      .latest = {now.ms + trigger->gather_ms},
				      .wait_ms = trigger->gather_ms,
				      .run = *row};

	due_set(trigger, now, &gathering);
	if (!gatherings_open(a->core->store, &gathering, &a->err) ||
	    !gatherings_add(a->core->store, &gathering, row->event, row->payload, &a->err))
		return false;
	if (trigger->quiet_ms)
		outcome_set(a, "held", "debounce = %s: waits for quiet, at most %" PRId64 " ms",
			    conf_str(trigger->section, "debounce"), trigger->gather_ms);
	else
		outcome_set(a, "held", "collect = %s: waits for others",
			    conf_str(trigger->section, "collect"));
	a->result.makes_run = true;
	gather_note_open(a->core);
	gather_wake(a->core, gathering.due);
	return event_keep(a, 0) && (gathering.n < trigger->gather_count ||
				    gather_close(a->core, gathering.seq, "it is full", &a->err));
}

static bool
gathering_join(struct admission *a, struct gathering *gathering, const struct run_row *row,
	       int64_t bytes)
{
	const struct trigger *trigger = a->trigger;

	gathering->n++;
	gathering->bytes += bytes;
	due_set(trigger, gather_now(a->core), gathering);
	run_merge(&gathering->run, row);
	if (!gatherings_add(a->core->store, gathering, row->event, row->payload, &a->err))
		return false;
	outcome_set(a, "coalesced", "%s: one run with event %s",
		    trigger->quiet_ms ? "debounce" : "collect",
		    gathering->run.event_id ? gathering->run.event_id : "that came before");
	a->result.makes_run = true;
	gather_wake(a->core, gathering->due);
	return event_keep(a, 0) && (gathering->n < trigger->gather_count ||
				    gather_close(a->core, gathering->seq, "it is full", &a->err));
}

bool
gather_admit(struct admission *a, const struct run_row *row)
{
	AUTO(gathering_fini) struct gathering open = {0};
	int64_t bytes = payload_bytes(a, row), known = 0;
	bool same = true, is_shed;

	if (!gatherings_find(a->core->store, row, &open, &a->err))
		return false;
	if (!open.seq && !shed(a, &is_shed))
		return false;
	if (!open.seq && is_shed)
		return true;
	/* Its run is not made yet: the key is the event's, until then. */
	if (!key_claim(a, -row->event, &known, &same))
		return false;
	if (known)
		return replay_keep(a, known, same);
	if (open.seq && open.n < a->trigger->gather_count && open.bytes + bytes <= GATHER_BYTES_MAX)
		return gathering_join(a, &open, row, bytes);
	if (open.seq && !gather_close(a->core, open.seq, "it is full", &a->err))
		return false;
	return gathering_open(a, row, bytes);
}
