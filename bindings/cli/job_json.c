#include "job_json.h"

#include "../../core/json.h"
#include "render.h"

#include <unistd.h>

struct array {
  FILE *out;
  bool terminal;         /* it is one */
  struct mh_buffer text; /* of a row */
  bool begun;            /* a row stands in it */
};

static mh_status print_row(void *self, const struct mh_job *job, struct mh_error *err) {
  struct array *array = self;
  array->text.size = 0;
  mh_status status = mh_json_write(job->document.bson, MH_JSON_LINES, &array->text, err);
  if (status) return mh_error_at(err, MH_JOBS_TABLE "/%.*s", (int)job->id.size, (const char *)job->id.data);
  fputs(array->begun ? ",\n" : "", array->out);
  if (array->terminal) mh_print_to_terminal(mh_buffer_slice(&array->text));
  else fwrite(array->text.data, 1, array->text.size, array->out);
  array->begun = true;
  return ferror(array->out) ? mh_fail(err, MH_IO, "standard output is closed") : MH_OK;
}

mh_status mh_job_print_json(mh_store *store, const struct mh_job_choice *choice, FILE *out, struct mh_error *err) {
  struct array array = {.out = out, .terminal = out == stdout && isatty(STDOUT_FILENO)};
  mh_txn *txn = NULL;
  bool more;
  mh_status status = mh_txn_begin(store, &txn, err);
  if (status) return status;
  fputc('[', out);
  status = mh_job_each(txn, choice, print_row, &array, &more, err);
  fputs("]\n", out);
  mh_txn_end(txn);
  mh_buffer_free(&array.text);
  return status;
}
