/* rouse-git: a remote repository: its refs, and what they point to, into a cache of our own. */
/* SPDX-License-Identifier: MIT */
#include "git_parts.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/os.h"

/* Each fetch is a pack; libgit2 joins none. So many, and the cache begins anew. */
#define PACKS_MAX 400
#define TRIES_MAX 2

struct transfer {
	struct look *look;
	unsigned tries;
	bool too_large;
};

/* --- who we are, and who they are --------------------------------------------------------- */

static int
refuse(struct look *look, const char *why)
{
	GIT_CALL(&look->git, git_error_set_str, GIT_ERROR_CALLBACK, why);
	return GIT_EUSER;
}

static int
on_credentials(git_credential **ret, const char *url UNUSED, const char *user, unsigned allowed,
	       void *arg)
{
	struct transfer *transfer = arg;
	struct look *look = transfer->look;
	const struct git *git = &look->git;
	const char *secret = look->request.secret;
	AUTO(auto_free) char *name = NULL;
	const char *colon;

	user = user && *user ? user : "git";
	if (!secret)
		return refuse(look, "it asks who we are; give the trigger credentials");
	if (allowed == GIT_CREDENTIAL_USERNAME)
		return GIT_CALL(git, git_credential_username_new, ret, user);
	if (++transfer->tries > TRIES_MAX)
		return refuse(look, "it does not take our credentials");
	if (str_starts(str_of(secret), STR("-----BEGIN "))) {
		if (!(allowed & GIT_CREDENTIAL_SSH_MEMORY))
			return refuse(look, "it takes no ssh key; give a password or a token");
		return GIT_CALL(git, git_credential_ssh_key_memory_new, ret, user, NULL, secret,
				NULL);
	}
	if (!(allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT))
		return refuse(look, "it takes no password; give the private key as credentials");
	colon = strchr(secret, ':');
	if (colon)
		name = str_dup(str_make(secret, (size_t)(colon - secret)));
	return GIT_CALL(git, git_credential_userpass_plaintext_new, ret, name ? name : user,
			colon ? colon + 1 : secret);
}

/* valid is what libgit2 found: a certificate that leads to a known root, a host key that stands in
 * known_hosts. */
static int
on_certificate(git_cert *cert, int valid, const char *host UNUSED, void *arg)
{
	struct transfer *transfer = arg;

	if (valid)
		return 0;
	return refuse(transfer->look, cert->cert_type == GIT_CERT_HOSTKEY_LIBSSH2
					      ? "its host key does not stand in known_hosts; add "
						"it there (ssh-keyscan), once you know it is right"
					      : "its certificate is not to be trusted");
}

static int
on_progress(const git_indexer_progress *progress, void *arg)
{
	struct transfer *transfer = arg;

	if (progress->received_bytes <= (size_t)transfer->look->request.fetch_max)
		return 0;
	transfer->too_large = true;
	return refuse(transfer->look, "larger than fetch_max");
}

static void
callbacks_fill(struct transfer *transfer, git_remote_callbacks *callbacks)
{
	GIT_CALL(&transfer->look->git, git_remote_init_callbacks, callbacks,
		 GIT_REMOTE_CALLBACKS_VERSION);
	callbacks->credentials = on_credentials;
	callbacks->certificate_check = on_certificate;
	callbacks->transfer_progress = on_progress;
	callbacks->payload = transfer;
}

/* --- the cache ------------------------------------------------------------------------------ */

static size_t
packs_count(const char *path)
{
	AUTO(buf_fini) struct buf folder = BUF_INIT;
	size_t count = 0;
	DIR *dir;

	buf_cat(&folder, path, "/objects/pack");
	dir = opendir(buf_cstr(&folder));
	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count / 2;
}

/* A cache that is broken or has grown old is thrown away: it holds nothing that could not be
 * fetched again. So is one that is cut off where only libgit2 fetches: it would trip over it. */
static bool
cache_open(struct look *look, struct err *err)
{
	const struct git *git = &look->git;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, look->request.cache, "/repository.git");
	if (packs_count(buf_cstr(&path)) < PACKS_MAX && !access(buf_cstr(&path), F_OK) &&
	    !cut_was_broken(look) &&
	    !GIT_CALL(git, git_repository_open_ext, &look->repository, buf_cstr(&path),
		      GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE, NULL) &&
	    (look->courier || !walk_is_needed(look)))
		return true;
	GIT_CALL(git, git_repository_free, look->repository);
	look->repository = NULL;
	if (!os_remove_tree(buf_cstr(&path), err))
		return false;
	cut_is_mended(look);
	if (!GIT_CALL(git, git_repository_init, &look->repository, buf_cstr(&path), 1))
		return true;
	return git_failed(look, err, "cannot make a cache");
}

/* --- listing -------------------------------------------------------------------------------- */

static void
heads_note(struct look *look, const git_remote_head **heads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct str name = str_of(heads[i]->name);
		bool peeled = str_ends(name, STR("^{}"));
		struct ref *ref;

		if (peeled)
			name.len -= 3;
		if (!ref_is_wanted(look, name))
			continue;
		ref = ref_note(look, name);
		GIT_CALL(&look->git, git_oid_tostr, peeled ? ref->peeled : ref->found,
			 sizeof(ref->found), &heads[i]->oid);
	}
}

bool
remote_list(struct look *look, struct err *err)
{
	const struct git *git = &look->git;
	struct transfer transfer = {.look = look};
	git_remote_connect_options options;
	const git_remote_head **heads;
	size_t count;

	if (!cache_open(look, err))
		return false;
	GIT_CALL(git, git_remote_connect_options_init, &options,
		 GIT_REMOTE_CONNECT_OPTIONS_VERSION);
	callbacks_fill(&transfer, &options.callbacks);
	/* To where another server says we would carry our credentials. */
	options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
	if (GIT_CALL(git, git_remote_create_anonymous, &look->remote, look->repository,
		     look->request.repo) ||
	    GIT_CALL(git, git_remote_connect_ext, look->remote, GIT_DIRECTION_FETCH, &options) ||
	    GIT_CALL(git, git_remote_ls, &heads, &count, look->remote))
		return git_failed(look, err, "cannot list the refs");
	heads_note(look, heads, count);
	return true;
}

/* --- fetching ------------------------------------------------------------------------------- */

/* What was too large once is not begun again, unless more is allowed now. */
static bool
size_is_known(const struct look *look, bool note)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	int64_t allowed;

	buf_cat(&path, look->request.cache, "/too-large", cut_is_possible(look) ? "-shallow" : "");
	if (!note)
		return os_read_file(buf_cstr(&path), 64, &text, NULL) &&
		       str_to_i64(buf_str(&text), &allowed) && allowed >= look->request.fetch_max;
	buf_printf(&text, "%lld", (long long)look->request.fetch_max);
	return os_write_file(buf_cstr(&path), buf_str(&text), 0600, NULL);
}

/* A name in the cache for what was fetched; those of before that no ref points to any more go. */
static void
cache_keep(struct look *look, struct ref *const *refs, size_t count)
{
	const struct git *git = &look->git;
	git_reference_iterator *iterator = NULL;
	git_reference *reference;
	size_t kept = 0;

	if (!GIT_CALL(git, git_reference_iterator_glob_new, &iterator, look->repository, KEPT "*"))
		while (!GIT_CALL(git, git_reference_next, &reference, iterator)) {
			if (++kept > 2 * (size_t)look->request.changes_max)
				GIT_CALL(git, git_reference_delete, reference);
			GIT_CALL(git, git_reference_free, reference);
		}
	GIT_CALL(git, git_reference_iterator_free, iterator);
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf name = BUF_INIT;
		git_oid id;

		buf_cat(&name, KEPT, refs[i]->found);
		reference = NULL;
		if (!refs[i]->found[0] || GIT_CALL(git, git_oid_fromstr, &id, refs[i]->found))
			continue;
		GIT_CALL(git, git_reference_create, &reference, look->repository, buf_cstr(&name),
			 &id, 1, NULL);
		GIT_CALL(git, git_reference_free, reference);
	}
}

static bool
download(struct look *look, const git_strarray *names, struct err *err)
{
	const struct git *git = &look->git;
	struct transfer transfer = {.look = look};
	git_fetch_options options;

	GIT_CALL(git, git_fetch_options_init, &options, GIT_FETCH_OPTIONS_VERSION);
	callbacks_fill(&transfer, &options.callbacks);
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	options.update_fetchhead = 0;
	options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
	if (!GIT_CALL(git, git_remote_download, look->remote, names, &options))
		return true;
	if (!transfer.too_large)
		return git_failed(look, err, "cannot fetch");
	look->incomplete = "the history is larger than fetch_max";
	size_is_known(look, true);
	return true;
}

/* By git; whole, where git or the server is not able to cut it off. */
static bool
download_cut(struct look *look, struct ref *const *refs, size_t count, const git_strarray *names,
	     struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;

	if (cut_fetch(look, refs, count, &why))
		return true;
	if (why.code == E_INVALID && !walk_is_needed(look))
		return download(look, names, err);
	if (why.code != E_TOO_LARGE)
		return err_move(err, &why);
	look->incomplete = "the history is larger than fetch_max";
	size_is_known(look, true);
	return true;
}

bool
remote_fetch(struct look *look, struct ref *const *refs, size_t count, struct err *err)
{
	AUTO(auto_free) char **names = mem_alloc_array(count + 1, sizeof(char *));
	git_strarray wanted = {.strings = names};
	bool ok = true;

	for (size_t i = 0; i < count; i++)
		if (refs[i]->found[0])
			names[wanted.count++] = refs[i]->name;
	if (!wanted.count)
		return true;
	if (size_is_known(look, false)) {
		look->incomplete = "the history is larger than fetch_max";
		return true;
	}
	if (cut_is_possible(look)) {
		ok = download_cut(look, refs, count, &wanted, err);
	} else {
		ok = download(look, &wanted, err);
		if (ok)
			cut_forget(look);
	}
	if (ok && !look->incomplete)
		cache_keep(look, refs, count);
	return ok;
}
