/* The sources that this program knows, listed by hand. */
/* SPDX-License-Identifier: MIT */
#include "triggers/kinds.h"

#include "triggers/after/after.h"
#include "triggers/cron/cron.h"
#include "triggers/file/file.h"
#include "triggers/git/git.h"
#include "triggers/imap/imap.h"
#include "triggers/manual/manual.h"
#include "triggers/poll/poll.h"
#include "triggers/topic/topic.h"
#include "triggers/webhook/webhook.h"

const struct source_kind *const trigger_kinds[] = {
	&webhook_kind, &cron_kind, &poll_kind, &after_kind,  &topic_kind,
	&file_kind,    &git_kind,  &imap_kind, &manual_kind, NULL};

void
triggers_add_routes(struct core *core, struct router *router)
{
	webhook_add_routes(core, router);
}
