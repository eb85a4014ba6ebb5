/* Macros of libraries whose headers cppcheck does not see, as plain loops and types. */
/* SPDX-License-Identifier: MIT */
#define json_array_foreach(array, i, value) for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value) for (key = json_first(object); key && (value = json_at(object, key)); key = json_next(object, key))
#define json_object_foreach_safe(object, n, key, value) for (n = json_iter(object), key = json_first(object); n && key && (value = json_at(object, key)); key = json_next(object, key))
#define HASH_ITER(hh, head, el, next) for (el = head, next = el ? el->hh.next : 0; el; el = next, next = el ? el->hh.next : 0)
#define LIST_HEAD(name, type) struct name { struct type *lh_first; }
#define LIST_ENTRY(type) struct { struct type *le_next, **le_prev; }
#define LIST_FOREACH(var, head, field) for (var = (head)->lh_first; var; var = var->field.le_next)
#define TAILQ_HEAD(name, type) struct name { struct type *tqh_first, **tqh_last; }
#define TAILQ_ENTRY(type) struct { struct type *tqe_next, **tqe_prev; }
#define TAILQ_FOREACH(var, head, field) for (var = (head)->tqh_first; var; var = var->field.tqe_next)
#define STAILQ_HEAD(name, type) struct name { struct type *stqh_first, **stqh_last; }
#define STAILQ_ENTRY(type) struct { struct type *stqe_next; }
#define STAILQ_FOREACH(var, head, field) for (var = (head)->stqh_first; var; var = var->field.stqe_next)
#define SLIST_HEAD(name, type) struct name { struct type *slh_first; }
#define SLIST_ENTRY(type) struct { struct type *sle_next; }
#define SLIST_FOREACH(var, head, field) for (var = (head)->slh_first; var; var = var->field.sle_next)
