#include "record_line.h"

#include "../../core/run_rate.h"
#include "records.h"
#include "render.h"
#include "status_table.h"

static void print_figures(FILE *out, const struct mh_run_record *record) {
  char extent[96];
  mh_figure figure;
  double eta = mh_run_eta_s(record);
  mh_record_extent(record, extent, sizeof extent);
  fprintf(out, ", %d%%, %s documents, %s changed", (int)(mh_record_share(record) * 100), extent,
          mh_count_text(record->changed, figure));
  if (record->skipped) fprintf(out, ", %s skipped", mh_count_text(record->skipped, figure));
  fprintf(out, ", %s", mh_rate_text(record->rate, figure));
  if (eta >= 0) fprintf(out, ", ETA %s", mh_clock_text(eta, figure));
}

static void print_error(FILE *out, const struct mh_run_record *record) {
  struct mh_error fault;
  char document[MH_DOCUMENT_PLACE_BYTES], text[sizeof fault.place + sizeof fault.message];
  mh_record_fault(record, &fault, document);
  fputs("; ", out);
  mh_print_line_slice(out, mh_slice_text(mh_error_text(&fault, text, sizeof text)));
}

void mh_record_print_line(FILE *out, const struct mh_run_record *record) {
  mh_print_plain(out, record->name);
  fprintf(out, ": %s", mh_run_state_name(record->state));
  print_figures(out, record);
  if (record->error[0] && !mh_record_underway(record)) print_error(out, record);
  fputc('\n', out);
}
