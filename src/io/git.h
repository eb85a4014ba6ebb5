/* libgit2, loaded when it is needed: with all that it pulls in it would cost an idle daemon
 * megabytes, and most have nothing to do with git. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_GIT_H
#define ROUSE_IO_GIT_H

#include <git2.h>

#include "base/err.h"

/* What is called of it, by any room. */
#define GIT_CALLS(X)                                                                               \
	X(git_blob_create_from_buffer)                                                             \
	X(git_blob_free)                                                                           \
	X(git_blob_lookup)                                                                         \
	X(git_blob_rawcontent)                                                                     \
	X(git_blob_rawsize)                                                                        \
	X(git_branch_is_checked_out)                                                               \
	X(git_buf_dispose)                                                                         \
	X(git_checkout_options_init)                                                               \
	X(git_checkout_tree)                                                                       \
	X(git_commit_author)                                                                       \
	X(git_commit_create)                                                                       \
	X(git_commit_free)                                                                         \
	X(git_commit_id)                                                                           \
	X(git_commit_lookup)                                                                       \
	X(git_commit_message)                                                                      \
	X(git_commit_parent_id)                                                                    \
	X(git_commit_parentcount)                                                                  \
	X(git_commit_time)                                                                         \
	X(git_commit_tree)                                                                         \
	X(git_credential_ssh_key_memory_new)                                                       \
	X(git_credential_username_new)                                                             \
	X(git_credential_userpass_plaintext_new)                                                   \
	X(git_diff_free)                                                                           \
	X(git_diff_get_delta)                                                                      \
	X(git_diff_num_deltas)                                                                     \
	X(git_diff_tree_to_tree)                                                                   \
	X(git_error_clear)                                                                         \
	X(git_error_last)                                                                          \
	X(git_error_set_str)                                                                       \
	X(git_fetch_options_init)                                                                  \
	X(git_graph_descendant_of)                                                                 \
	X(git_index_add)                                                                           \
	X(git_index_find_prefix)                                                                   \
	X(git_index_free)                                                                          \
	X(git_index_get_bypath)                                                                    \
	X(git_index_has_conflicts)                                                                 \
	X(git_index_new)                                                                           \
	X(git_index_read_tree)                                                                     \
	X(git_index_remove)                                                                        \
	X(git_index_write)                                                                         \
	X(git_index_write_tree_to)                                                                 \
	X(git_libgit2_init)                                                                        \
	X(git_libgit2_opts)                                                                        \
	X(git_libgit2_shutdown)                                                                    \
	X(git_merge_file)                                                                          \
	X(git_merge_file_result_free)                                                              \
	X(git_object_free)                                                                         \
	X(git_object_id)                                                                           \
	X(git_object_lookup)                                                                       \
	X(git_object_peel)                                                                         \
	X(git_object_type)                                                                         \
	X(git_odb_free)                                                                            \
	X(git_odb_hash)                                                                            \
	X(git_odb_hashfile)                                                                        \
	X(git_odb_read_header)                                                                     \
	X(git_oid_cmp)                                                                             \
	X(git_oid_fromstr)                                                                         \
	X(git_oid_tostr)                                                                           \
	X(git_packbuilder_free)                                                                    \
	X(git_packbuilder_insert)                                                                  \
	X(git_packbuilder_insert_tree)                                                             \
	X(git_packbuilder_new)                                                                     \
	X(git_packbuilder_set_threads)                                                             \
	X(git_packbuilder_write)                                                                   \
	X(git_reference_create)                                                                    \
	X(git_reference_create_matching)                                                           \
	X(git_reference_delete)                                                                    \
	X(git_reference_free)                                                                      \
	X(git_reference_iterator_free)                                                             \
	X(git_reference_iterator_glob_new)                                                         \
	X(git_reference_iterator_new)                                                              \
	X(git_reference_lookup)                                                                    \
	X(git_reference_name)                                                                      \
	X(git_reference_name_to_id)                                                                \
	X(git_reference_next)                                                                      \
	X(git_reference_resolve)                                                                   \
	X(git_reference_symbolic_target)                                                           \
	X(git_reference_target)                                                                    \
	X(git_remote_connect_ext)                                                                  \
	X(git_remote_connect_options_init)                                                         \
	X(git_remote_create_anonymous)                                                             \
	X(git_remote_download)                                                                     \
	X(git_remote_free)                                                                         \
	X(git_remote_init_callbacks)                                                               \
	X(git_remote_ls)                                                                           \
	X(git_repository_commondir)                                                                \
	X(git_repository_free)                                                                     \
	X(git_repository_index)                                                                    \
	X(git_repository_init)                                                                     \
	X(git_repository_is_bare)                                                                  \
	X(git_repository_is_shallow)                                                               \
	X(git_repository_odb)                                                                      \
	X(git_repository_open_ext)                                                                 \
	X(git_repository_path)                                                                     \
	X(git_repository_set_head)                                                                 \
	X(git_repository_state)                                                                    \
	X(git_repository_workdir)                                                                  \
	X(git_revwalk_free)                                                                        \
	X(git_revwalk_hide)                                                                        \
	X(git_revwalk_new)                                                                         \
	X(git_revwalk_next)                                                                        \
	X(git_revwalk_push)                                                                        \
	X(git_signature_free)                                                                      \
	X(git_signature_now)                                                                       \
	X(git_status_list_entrycount)                                                              \
	X(git_status_list_free)                                                                    \
	X(git_status_list_new)                                                                     \
	X(git_status_options_init)                                                                 \
	X(git_tag_free)                                                                            \
	X(git_tag_lookup)                                                                          \
	X(git_tag_message)                                                                         \
	X(git_tag_name)                                                                            \
	X(git_tag_tagger)                                                                          \
	X(git_tree_entry_byindex)                                                                  \
	X(git_tree_entry_bypath)                                                                   \
	X(git_tree_entry_filemode)                                                                 \
	X(git_tree_entry_free)                                                                     \
	X(git_tree_entry_id)                                                                       \
	X(git_tree_entry_name)                                                                     \
	X(git_tree_entry_to_object)                                                                \
	X(git_tree_entrycount)                                                                     \
	X(git_tree_free)                                                                           \
	X(git_tree_lookup)

struct git {
	void *library;
#define X(name) __typeof__(name) *name;
	GIT_CALLS(X)
#undef X
};

/* Calls git2.h's functions by their own names. */
#define GIT_CALL(git, name, ...) ((git)->name(__VA_ARGS__))

/* E_UNAVAILABLE: it is not installed, or not the version that git2.h describes. It is not
 * initialised: git_libgit2_init(). */
bool git_load(struct git *git, struct err *err);
void git_unload(struct git *git);
/* No configuration but the repository's own is read. any_owner: repositories of other users are
 * opened too. After git_libgit2_init(). */
void git_confine(const struct git *git, bool any_owner);
/* What libgit2 said last; never NULL. */
const char *git_said(const struct git *git);

#endif
