/* Exec agents: what a run of theirs may reach, by the agent's section and the trust of its event.
 */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_confine.h"

#include "conf/conf.h"
#include "io/cgroup.h"

static const char read_only[] = "read-only";

static bool
reads_all(const struct conf_section *section)
{
	const char *const *items;
	size_t count = conf_list(section, "filesystem", &items);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(items[i], read_only))
			return true;
	return false;
}

/* Of any of its runs, for a check before there is one. */
static struct confine_rules
rules_of(const struct conf_section *section, bool untrusted)
{
	bool network = conf_bool(section, "network");

	if (untrusted && conf_is_set(section, "untrusted.network"))
		network = network && conf_bool(section, "untrusted.network");
	return (struct confine_rules){.no_network = !network,
				      .files = conf_is_set(section, "filesystem"),
				      .read_all = reads_all(section)};
}

bool
exec_confine_has_network(const struct conf_section *section)
{
	return !rules_of(section, true).no_network;
}

void
exec_confine_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct confine_rules rules = rules_of(section, true);
	struct confine_means means;
	const char *const *items;
	const char *path;
	size_t count = conf_list(section, "filesystem", &items);
	bool write;

	for (size_t i = 0; i < count; i++)
		if (strcmp(items[i], read_only) &&
		    !confine_path_parse(items[i], &write, &path, &err))
			conf_complain(report, section, "filesystem", "%s", err_text(&err));
	if (!rules.no_network && !rules.files)
		return;
	confine_probe(&means);
	if (!confine_check(&rules, &means, &err))
		conf_warn(report, section, rules.files ? "filesystem" : "network",
			  "%s; as it is, no such run starts", err_text(&err));
}

void
exec_confine_describe(const struct conf *conf, struct buf *out)
{
	const struct conf_section *daemon = conf_section(conf, "daemon", "");
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) char *groups = NULL;
	struct confine_means means;

	confine_probe(&means);
	confine_describe(&means, out);
	if (!cgroup_find(conf_str(daemon, "cgroup"), &groups, &err))
		buf_cat(out, "; runs not by control groups: ", err_text(&err));
	else if (groups)
		buf_cat(out, "; runs by control groups in ", groups);
	else
		buf_puts(out, "; runs not by control groups");
}

void
exec_confine_init(struct exec_confine *confine, const struct attempt *attempt, const char *workdir)
{
	const struct conf_section *section = attempt->agent->section;
	const char *const *items;
	struct buf own = BUF_INIT;
	size_t count = conf_list(section, "filesystem", &items), n = 0;

	*confine = (struct exec_confine){
		.rules = rules_of(section, attempt->trust == TRUST_UNTRUSTED)};
	if (!confine->rules.files)
		return;
	confine->paths = mem_alloc((count + 2) * sizeof(*confine->paths));
	for (size_t i = 0; i < count; i++)
		if (strcmp(items[i], read_only))
			confine->paths[n++] = items[i];
	/* The default is no folder of its own. */
	if (strcmp(workdir, "/")) {
		buf_cat(&own, "rw:", workdir);
		confine->paths[n++] = confine->workdir = buf_take(&own);
	}
	confine->rules.paths = confine->paths;
}

void
exec_confine_fini(struct exec_confine *confine)
{
	free(confine->paths);
	free(confine->workdir);
	*confine = (struct exec_confine){.workdir = NULL};
}
