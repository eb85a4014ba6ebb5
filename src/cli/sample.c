/* Samples on the command line: how many to look at, and what having looked proves. */
/* SPDX-License-Identifier: MIT */
#include "cli/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/look.h"
#include "pure/sample.h"

#define CONFIDENCE 0.95
#define MAX_DEFECT 0.05
#define WRONG_SHOWN 4

/* "95%" or "0.95". */
static bool
share(const struct cli *cli, const char *name, double def, double *ret, struct err *err)
{
	const char *text = cli_opt(cli, name);
	char *end;

	*ret = def;
	if (!text)
		return true;
	*ret = strtod(text, &end);
	if (end != text && !strcmp(end, "%"))
		*ret /= 100;
	else if (end == text || *end)
		*ret = NAN;
	return (*ret > 0 && *ret < 1) ||
	       err_set(err, E_USAGE, "--%s %s: expected a share, as 95%% or 0.95", name, text);
}

static bool
latest(struct cli *cli, const char *word, struct client_reply *ret, struct err *err)
{
	return cli_get(cli, ret, err, "/v1/samples?of=%s", word);
}

bool
sample_take(struct cli *cli, const char *word, json_t **ret, struct err *err)
{
	AUTO(client_reply_fini)
	struct client_reply reply = CLIENT_REPLY_INIT, old = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	struct err why = ERR_INIT;
	double confidence, max_defect;
	uint64_t size, seed;

	if (!word)
		return err_set(err, E_USAGE, "--sample is of a batch or a run; name one");
	if (!cli_number(cli, "sample", 0, 0, 10000, &size, err) ||
	    !cli_number(cli, "seed", 0, 0, INT32_MAX, &seed, err) ||
	    !share(cli, "confidence", CONFIDENCE, &confidence, err) ||
	    !share(cli, "max-defect", MAX_DEFECT, &max_defect, err))
		return false;
	if (!cli_has(cli, "seed") && latest(cli, word, &old, &why) &&
	    json_int(old.json, "open", 0) &&
	    (!size || json_int(old.json, "size", 0) == (int64_t)size)) {
		*ret = json_incref(old.json);
		return true;
	}
	err_fini(&why);
	json_put_str(body, "of", word);
	json_object_set_new(body, "size", json_integer((json_int_t)size));
	if (cli_has(cli, "seed"))
		json_object_set_new(body, "seed", json_integer((json_int_t)seed));
	json_object_set_new(body, "confidence", json_real(confidence));
	json_object_set_new(body, "max_defect", json_real(max_defect));
	if (!look_post(cli, "/v1/samples", body, &reply, err))
		return false;
	*ret = json_incref(reply.json);
	return true;
}

static void
put_sample(struct cli *cli, const char *word, const json_t *sample)
{
	int64_t open = json_int(sample, "open", 0);

	print_text(&cli->out, json_str(sample, "sentence"));
	print_f(&cli->out, ".\n");
	if (open)
		print_f(&cli->out,
			"%lld of the sample are still to be looked at: rouse review %s "
			"--sample %lld\n",
			(long long)open, word, (long long)json_int(sample, "size", 0));
	else if (json_bool(sample, "enough", false))
		print_f(&cli->out, "That is enough: rouse approve %s --sampled\n", word);
	else
		print_f(&cli->out, "That is not enough: not more than %.4g %% may be wrong.\n",
			json_num(sample, "max_defect", 0) * 100);
}

bool
sample_tell(struct cli *cli, const char *word, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!latest(cli, word, &reply, err))
		return false;
	put_sample(cli, word, reply.json);
	return true;
}

bool
verb_sample_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!latest(cli, cli_arg(cli, 0), &reply, err))
		return false;
	if (cli_json(cli, &reply))
		return true;
	put_sample(cli, cli_arg(cli, 0), reply.json);
	print_f(&cli->out, "seed %lld, drawn by ", (long long)json_int(reply.json, "seed", 0));
	print_text(&cli->out, json_str(reply.json, "drawn_by"));
	print_f(&cli->out, "\n");
	return true;
}

/* How many are proposed; 0: nobody was named. */
static bool
population(struct cli *cli, const char *word, uint64_t *ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	*ret = 0;
	if (!word || str_to_u64(str_of(word), ret))
		return true;
	if (!look_get(cli, word, NULL, 1, &reply, err))
		return false;
	*ret = (uint64_t)json_int(json_object_get(reply.json, "status"), "proposed", 0);
	return *ret || err_set(err, E_STATE, "nothing of %s is proposed", word);
}

bool
verb_sample_plan(struct cli *cli, struct err *err)
{
	double confidence, max_defect;
	uint64_t all;

	if (!share(cli, "confidence", CONFIDENCE, &confidence, err) ||
	    !share(cli, "max-defect", MAX_DEFECT, &max_defect, err) ||
	    !population(cli, cli_arg(cli, 0), &all, err))
		return false;
	for (uint64_t wrong = 0; wrong <= WRONG_SHOWN; wrong++) {
		uint64_t needed = sample_needed(wrong, confidence, max_defect);

		if (all && needed > all)
			needed = all;
		if (cli->out.json) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			buf_printf(&line, "{\"wrong\":%llu,\"look_at\":%llu}",
				   (unsigned long long)wrong, (unsigned long long)needed);
			print_json(&cli->out, buf_str(&line));
			continue;
		}
		if (!wrong)
			print_f(&cli->out,
				"To say with %.4g %% confidence that not more than %.4g %% are "
				"wrong, look at\n",
				confidence * 100, max_defect * 100);
		print_f(&cli->out, "  %llu, when %llu of them %s wrong\n",
			(unsigned long long)needed, (unsigned long long)wrong,
			wrong == 1 ? "is" : "are");
		if (all && needed == all)
			break;
	}
	return true;
}
