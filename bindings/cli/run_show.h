/* run_show: what a run says of itself: before it begins, while it goes on, and at its end. */
#ifndef MH_RUN_SHOW_H
#define MH_RUN_SHOW_H

#include "progress.h"
#include "records.h"
#include "../../core/scheduler.h"

struct mh_run_show {
  const struct mh_cli *cli;
  const char *command;          /* that goes on with the run, and with the series it is of */
  const struct mh_migration *migration; /* while it is running */
  bool retries;                 /* it begins with those that failed */
  bool running;                 /* its progress is shown */
  bool announced;               /* it was told how it goes on */
  struct mh_progress progress;
  struct mh_run_record before;  /* what was stored before; all zero when it begins anew */
  struct mh_lock_times locks;
  struct mh_run_pace { enum mh_run_state state; double lock_ms, throttle; } pace; /* as last shown */
  double seconds;               /* it took */
};

/* `show` has cli, command and before. Makes `options` show it, and first how it goes on. */
void mh_run_show_begin(struct mh_run_show *show, const struct mh_migration *migration, struct mh_run_options *options);
/* Something a script is told about, above the progress bar. */
void mh_run_show_notice(struct mh_run_show *show, const char *text);
/* A script hangs over `document`: the last words of the process. */
void mh_run_show_hang(struct mh_run_show *show, const struct mh_error *err, const char *document);
/* What mh_run() gave. Returns the exit status. Where it was complete already, that is told by mh_run_show_complete(). */
int mh_run_show_end(struct mh_run_show *show, const struct mh_migration *migration,
                    const struct mh_run_options *options, const struct mh_run_record *record,
                    enum mh_run_outcome outcome, mh_status status, const struct mh_error *err);

/* "add_role is complete (1,000 documents, 2026-11-20 22:00)" and what else is said of it: "; nothing to do. --reset runs it
 * again". */
void mh_run_show_complete(const struct mh_cli *cli, const struct mh_run_record *record, const char *advice);
/* Whether its script is another one than that which the record is of. */
bool mh_run_show_changed(const struct mh_migration *migration, const struct mh_run_record *record);

/* The record's object, with how long the write lock was held where it has been run now. NULL when memory is gone. */
cJSON *mh_run_show_json(const struct mh_run_show *show, const struct mh_run_record *record);

#endif
