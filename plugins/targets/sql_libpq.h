/* SQL targets: libpq, loaded when a target first needs it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_SQL_LIBPQ_H
#define ROUSE_PLUGINS_SQL_LIBPQ_H

#include <libpq-fe.h>
#include <pthread.h>

#include "base/err.h"

#define PQ_CALLS(X)                                                                                \
	X(PQclear)                                                                                 \
	X(PQcmdTuples)                                                                             \
	X(PQconnectPoll)                                                                           \
	X(PQconnectStartParams)                                                                    \
	X(PQconsumeInput)                                                                          \
	X(PQerrorMessage)                                                                          \
	X(PQfinish)                                                                                \
	X(PQflush)                                                                                 \
	X(PQfname)                                                                                 \
	X(PQftype)                                                                                 \
	X(PQgetResult)                                                                             \
	X(PQgetisnull)                                                                             \
	X(PQgetlength)                                                                             \
	X(PQgetvalue)                                                                              \
	X(PQisBusy)                                                                                \
	X(PQnfields)                                                                               \
	X(PQntuples)                                                                               \
	X(PQresultErrorField)                                                                      \
	X(PQresultErrorMessage)                                                                    \
	X(PQresultStatus)                                                                          \
	X(PQsendPrepare)                                                                           \
	X(PQsendQuery)                                                                             \
	X(PQsendQueryPrepared)                                                                     \
	X(PQsetNoticeProcessor)                                                                    \
	X(PQsetnonblocking)                                                                        \
	X(PQsocket)                                                                                \
	X(PQstatus)                                                                                \
	X(PQtransactionStatus)

struct libpq {
	pthread_mutex_t lock;
	void *library;
#define X(name) __typeof__(name) *name;
	PQ_CALLS(X)
#undef X
};
extern struct libpq pq;

/* From any thread. E_UNAVAILABLE: it is not there. Afterwards all of pq's calls are. */
bool libpq_load(struct err *err);

#endif
