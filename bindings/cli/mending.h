/* mending: the files that mend what a deploy found, and the commands that follow.
 *
 * A table whose documents do not fit gets a migration, scripts/fix_<table>.lua. Where the active schema would refuse
 * what that writes, there is a schema to deploy before: the active one, in which such a table takes documents as they
 * are and as they are to be (widen, migrate, narrow). Nothing is overwritten: a file that is there and holds something
 * else makes it fix_<table>_2.lua, which is another migration, as it should be; so does one of that name that has run. */
#ifndef MH_MENDING_H
#define MH_MENDING_H

#include "deployment.h"
#include "script_place.h"

struct mh_mending_file {
  const char *table;     /* of the report; NULL for the widened schema */
  uint64_t documents;    /* that it is for */
  mh_path path;          /* "": there is none */
  struct mh_buffer text;
  bool there;            /* the file exists, and holds just this */
};

struct mh_mending {
  const struct mh_deployment *deployment;
  struct mh_mending_file *scripts;
  size_t count;
  struct mh_mending_file widened;
};

/* Works out what is to be written; `mending` is all zero, and borrows from the report and the deployment. `store` is the
 * one that the report is of. */
mh_status mh_mending_plan(struct mh_mending *mending, const struct mh_deployment *deployment, mh_store *store,
                          const struct mh_deploy_report *report, struct mh_error *err);
mh_status mh_mending_write(const struct mh_mending *mending, struct mh_error *err);
void mh_mending_free(struct mh_mending *mending);

/* The scripts themselves, those that are short. */
void mh_mending_print_scripts(const struct mh_cli *cli, const struct mh_mending *mending);
/* The commands that mend, as a shell takes them; `written` tells whether the files are. */
mh_status mh_mending_print_commands(const struct mh_cli *cli, const struct mh_mending *mending, bool written,
                                    struct mh_error *err);

/* Appends the active schema widened, as Lua; nothing where it need not be. */
mh_status mh_mending_widen(const struct mh_deploy_report *report, const char *file, struct mh_buffer *out,
                           struct mh_error *err);

#endif
