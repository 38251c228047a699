/* Whether the documents of an import fit the schema of their table.
 *
 * One thing is not known before the input has ended. v.id() of the table itself takes any string that is not in the id
 * format once the table has held such an id (SPEC 10), and the one that makes it so may come behind a document that
 * refers to it. So there are two validators: `as_is`, by what the table has held, and `if_foreign`, by what it may come
 * to hold.
 *
 *   fits as_is        yes                  the document is taken
 *   fits if_foreign   no                   it is refused, with the reason by if_foreign: that holds whatever comes
 *                     yes                  it is taken where a foreign id was seen; else taken for now, and the first
 *                                          such fault, by as_is, is told at the end if no foreign id came
 *
 * Nothing is stored for good before the end of the input, so nothing is refused that fits, and nothing stays that does
 * not. */
#include "import_parts.h"

#include <stdlib.h>

/* Compiles the table's validator as it would be, had the table held foreign ids. */
static mh_status compile_if_foreign(struct mh_importing *importing, struct mh_error *err) {
  const mh_catalogue *catalogue = importing->catalogue;
  struct mh_fitting *fitting = &importing->fitting;
  const struct mh_schema_table *schema = mh_schema_table(catalogue->active, mh_slice_text(importing->before->name));
  struct mh_id_tables tables = mh_catalogue_id_tables(catalogue);
  fitting->id_tables = calloc(tables.count + 1, sizeof *fitting->id_tables);
  if (!fitting->id_tables) return mh_fail_nomem(err);
  for (size_t i = 0; i < tables.count; i++) {
    fitting->id_tables[i] = tables.tables[i];
    if (&catalogue->tables[i] == importing->before) fitting->id_tables[i].foreign = true;
  }
  tables.tables = fitting->id_tables;
  return mh_validator_compile(&schema->definition, &tables, &fitting->if_foreign, err);
}

mh_status mh_importing_open_fitting(struct mh_importing *importing, struct mh_error *err) {
  const struct mh_table *before = importing->before;
  if (!before || !before->validator) return MH_OK;
  importing->fitting.as_is = before->validator;
  return before->foreign ? MH_OK : compile_if_foreign(importing, err);
}

void mh_importing_close_fitting(struct mh_importing *importing) {
  mh_validator_free(importing->fitting.if_foreign);
  free(importing->fitting.id_tables);
}

/* The document, as it is stored or without its system fields, does not fit what the table has held. */
static mh_status look_again(struct mh_importing *importing, uint64_t line, struct mh_slice document,
                            struct mh_error *err) {
  struct mh_fitting *fitting = &importing->fitting;
  bool may_fit = fitting->if_foreign && mh_validator_fits_document(fitting->if_foreign, document);
  if (may_fit && (importing->report->foreign_ids || fitting->fault_line)) return MH_OK;
  const mh_validator *told = may_fit || !fitting->if_foreign ? fitting->as_is : fitting->if_foreign;
  mh_validator_fail_document(told, document, err);
  mh_source_error_at(importing->source, line, err);
  if (!may_fit) return err->status;
  fitting->fault_line = line;
  fitting->fault = *err;
  return MH_OK;
}

mh_status mh_importing_check_fits(struct mh_importing *importing, uint64_t line, struct mh_slice document,
                                  struct mh_error *err) {
  const mh_validator *validator = importing->fitting.as_is;
  if (!validator || mh_validator_fits_document(validator, document)) return MH_OK;
  return look_again(importing, line, document, err);
}

mh_status mh_importing_check_all_fit(const struct mh_importing *importing, struct mh_error *err) {
  const struct mh_fitting *fitting = &importing->fitting;
  if (!fitting->fault_line || importing->report->foreign_ids) return MH_OK;
  *err = fitting->fault;
  return err->status;
}
