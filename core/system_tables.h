/* system_tables: the tables that every store has, whoever asks for them: today the one of jobs (jobs.h). */
#ifndef MH_SYSTEM_TABLES_H
#define MH_SYSTEM_TABLES_H

#include "store.h"

/* Makes those that the store lacks: it is new, or an older mighost made it. One lookup where it lacks none. */
mh_status mh_system_tables_make(mh_store *store, struct mh_error *err);

#endif
