/* Admission: what happened becomes an event, an event becomes (at most) a run. SPEC 4, 5. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ADMIT_H
#define ROUSE_CORE_ADMIT_H

#include "core/registry.h"
#include "store/facts.h"

/* What happened. Slices live until admit_event() returns. */
struct happening {
	const struct trigger *trigger; /* NULL: an invocation of `agent` by itself */
	const struct agent *agent;     /* only without trigger */
	struct str source;	       /* "webhook/NAME"; p NULL: KIND/NAME of the trigger */
	struct str type;	       /* p NULL: "rouse.KIND" */
	const char *event_id;	       /* of uuid_v7(), where something is kept under it; NULL */
	struct str id;		       /* the sender's own id; p NULL: the event's */
	struct str subject;	       /* p NULL */
	struct str time; /* when it happened, RFC 3339, where the sender says; p NULL: now */
	struct str content_type; /* p NULL: application/json */
	struct str data;	 /* JSON text, valid (json_check); p NULL: null */
	struct str extension;	 /* members of the `rouse` object beside trigger, JSON text without
				    braces: "\"method\":\"POST\",…"; p NULL */
	struct str attributes;	/* further members of the event itself (CloudEvents extensions), the
				   same way; p NULL */
	struct str natural_key; /* used where the trigger has no `key`; p NULL: none, every event is
				   new */
	struct str refused; /* the source has decided: outcome `filtered` with this rule (a ping); p
			       NULL */
	const char *refused_as; /* with refused: another word than `filtered`; NULL */
	struct str unreadable;	/* the source could not make an event of it: outcome `rejected` with
				   this rule, and E_MAPPING; p NULL */
	struct str correlation, traceparent, cause; /* headers of the caller; p NULL */
	struct str cursor;	/* of the source, kept in the same transaction; p NULL */
	struct str cursor_idle; /* in its place where no new run comes of it; p NULL: no matter */
	bool overlap_is_set;	/* then in place of the trigger's */
	enum overlap overlap;
	/* Facts of the source (store/facts.h), kept in the same transaction, whatever the outcome.
	 */
	const struct fact *facts;
	size_t fact_count;
	/* What is known of this one sender; counts where it is less than the trigger's and the
	 * trigger's section says nothing of trust. */
	bool trust_is_set;
	enum trust trust;
	struct str schedule;	 /* JSON of envelope.schedule; p NULL */
	struct str tenant, user; /* where no program says; p NULL */
	struct str session;	 /* name of the session; the same way */
	uint64_t fingerprint;	 /* of the request, for invocations (422 on another); 0 */
	bool caller_waits;	 /* for an answer: what cannot start today is refused, not queued */
	bool by_hand;		 /* fired by a person: works on a disabled trigger */
	bool again;		 /* a person wants it once more: no key is looked at */
	bool stage;		 /* asked for: nothing applied */
	bool by_change;		 /* the cause is an applied change: of a run that this trigger woke
				    itself it wakes nobody (looped) */
	const char *replay_of;	 /* run id; NULL */
};

struct admission_result {
	const char *outcome; /* ran replayed filtered skipped shed rejected looped paused ... */
	const char *rule;    /* what said so; "" */
	char event_id[40];
	char run_id[40]; /* "" when none */
	int64_t run_seq;
	bool replayed;
	bool makes_run;		/* a new run comes of it: now, or with other events */
	const char *run_status; /* of a replayed one; "queued" for a new one */
};

/* Once, after the COMMIT (or with the error: nothing was kept). Never from within admit_event(). A
 * `rejected` event is kept, and err says why (E_MAPPING); result is given in that case too. */
typedef void admit_on_done(void *arg, const struct admission_result *result, const struct err *err);
/* False (at once, nothing kept, on_done not called) for E_FULL, E_PAUSED, E_UNAVAILABLE. */
bool admit_event(struct core *core, const struct happening *happening, admit_on_done *on_done,
		 void *arg, struct err *err);

/* A number for `fingerprint`: the same for the same request, however its members are ordered.
 * Never 0. */
uint64_t admit_fingerprint(const json_t *payload);

/* `rouse trigger test`: the same without keeping anything. ret: owned JSON object (verdict, rule,
 * key, entity, …, envelope, error), given to on_tested later. */
typedef void admit_on_tested(void *arg, json_t *take_answer);
bool admit_test(struct core *core, const struct happening *happening, admit_on_tested *on_tested,
		void *arg, struct err *err);

#endif
