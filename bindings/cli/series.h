/* series: migrations that run one after the other: scripts of a command line, a runner's members, the files of a
 * directory; and what is stored of them. */
#ifndef MH_SERIES_H
#define MH_SERIES_H

#include "run_flags.h"
#include "run_show.h"
#include "script_place.h"

struct mh_series_member {
  mh_script *script;
  size_t place;    /* in the script's own series */
  char *name;      /* of the migration */
  char *target;    /* what was named to open it: "scripts/x.lua:export" */
  bool complete;   /* before: there is nothing to do */
  struct mh_run_record record; /* as it stands; without a name where it never ran */
};

struct mh_series {
  const struct mh_cli *cli;
  const struct mh_option_value *own; /* mh_run_flags */
  struct mh_buffer command;  /* that goes on with it; ends in a zero */
  bool many;                 /* it is one, be it of one migration or none */
  bool from_directory;       /* `up`: what is complete is not worth a line */
  struct mh_series_member *members;
  mh_script **scripts;       /* opened */
  size_t count, room, script_count;
  struct mh_run_show show;   /* of the member that is run */
};

/* Opens a script and adds its migrations. `series` has cli, own, show.cli and the two flags, else all zero; its address
 * stays the same. MH_USAGE: one of that name is in it already. */
mh_status mh_series_add(struct mh_series *series, const char *target, struct mh_error *err);
/* The target that a name is of, among the scripts that this one is among: "migrations:a" of "scripts/migrations.lua:a". It
 * need not exist. MH_USAGE: it cannot be a name. */
mh_status mh_series_target_of(const mh_script *script, const char *name, mh_path target, struct mh_error *err);
/* Adds that of -e. */
mh_status mh_series_add_code(struct mh_series *series, struct mh_error *err);
/* Makes its script take it. */
const struct mh_migration *mh_series_take(const struct mh_series_member *member);
/* Makes its script take it. Appends the command that goes on with this one alone, and a zero. False when memory is gone. */
bool mh_series_own_command(const struct mh_series *series, const struct mh_series_member *member,
                           struct mh_buffer *command);
/* What the scripts say, as mh_run_flags_check() takes it. */
unsigned mh_series_facts(const struct mh_series *series);

/* Looks up what is stored of its members. MH_REFUSED: one of them runs elsewhere, or changed where --frozen is given. */
mh_status mh_series_look(struct mh_series *series, mh_store *store, struct mh_error *err);
/* Members that are to be run, after mh_series_look(). */
size_t mh_series_left(const struct mh_series *series);

void mh_series_free(struct mh_series *series);

#endif
