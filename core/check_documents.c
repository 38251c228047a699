#include "check_parts.h"

#include "breaches.h"
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_AHEAD = 32 };

/* ---- one document ---- */

mh_status mh_check_take(const struct mh_table *table, struct mh_slice key, struct mh_slice bson,
                        struct mh_document *document, struct mh_slice *id, struct mh_error *fault) {
  struct mh_error found;
  mh_status status = mh_table_document(table, key, bson, document, fault);
  if (!status) status = mh_document_id(document, id, fault);
  if (status) return status;
  status = mh_bson_check(bson, &found);
  bool id_fits = id->size > 0 && id->size <= MH_FOREIGN_ID_BYTES_MAX;
  if (!status && id_fits) return MH_OK;
  if (status == MH_NOMEM) return mh_fail_nomem(fault);
  if (!status) mh_fail(&found, MH_INVALID, "its _id is empty, or longer than 400 bytes");
  mh_fail(fault, MH_DAMAGED, "the stored document is damaged: %s%s%s; restore a backup, or delete the document",
          found.place, *found.place ? ": " : "", found.message);
  if (!id_fits || !mh_utf8_valid(*id)) return mh_error_at(fault, "%s", table->name);
  return mh_error_at(fault, "%s/%.*s", table->name, (int)id->size, (const char *)id->data);
}

mh_status mh_check_get(struct mh_check_table *check, struct mh_slice key, enum mh_check_there *there,
                       struct mh_document *document, struct mh_slice *id, struct mh_error *err) {
  struct mh_slice bson;
  struct mh_error fault;
  bool found = false;
  *there = MH_CHECK_NOTHING;
  mh_status status = MH_OK;
  if (key.size == MH_KEY_BYTES)
    status = mh_kv_get(check->checking->kv, check->table->documents, key, &bson, &found, err);
  if (status || !found) return status;
  status = mh_check_take(check->table, key, bson, document, id, &fault);
  *there = status ? MH_CHECK_DAMAGED : MH_CHECK_DOCUMENT;
  return status == MH_NOMEM ? mh_fail_nomem(err) : MH_OK;
}

/* ---- every document ---- */

/* Reads all that is stored under the documents of a table. */
static mh_status read_all(struct mh_check_table *check, void *self,
                          mh_status (*take)(void *self, struct mh_slice key, struct mh_slice bson,
                                            struct mh_error *err),
                          struct mh_error *err) {
  struct mh_slice keys[READ_AHEAD], documents[READ_AHEAD];
  mh_kv_cursor *cursor = NULL;
  size_t count = READ_AHEAD;
  mh_status status = mh_kv_cursor_open(check->checking->kv, check->table->documents, &cursor, err);
  while (!status && count == READ_AHEAD) {
    status = mh_kv_read_ahead(cursor, keys, documents, READ_AHEAD, &count, err);
    for (size_t i = 0; !status && i < count; i++) status = take(self, keys[i], documents[i], err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

/* The first look at them. */
struct looking {
  struct mh_check_table *check;
  struct mh_breaches breaches;
  struct mh_convex_limits convex;
  uint64_t foreign; /* documents with ids that are not in the format */
  char foreign_id[MH_FOREIGN_ID_BYTES_MAX + 1];
};

static mh_status sum_entries(struct mh_check_table *check, const struct mh_document *document, struct mh_error *err) {
  for (size_t i = 0; i < check->table->index_count; i++) {
    const struct mh_index *index = &check->table->indexes[i];
    if (mh_index_is_pending(index)) continue;
    check->entry.size = 0;
    if (!mh_index_entry(&index->fields, document->bson, &document->key, &check->entry)) return mh_fail_nomem(err);
    mh_check_sum_add(check->checking, &check->indexes[i], mh_buffer_slice(&check->entry), mh_slice(NULL, 0));
  }
  return MH_OK;
}

static void note_foreign(struct looking *looking, struct mh_slice id) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  if (mh_id_parse(id, &number, internal) || looking->foreign++) return;
  memcpy(looking->foreign_id, id.data, id.size);
}

/* A row of the system's table. What Convex would say of it, nobody asks. */
static mh_status look_at_job(struct mh_check_table *check, const struct mh_document *document, struct mh_error *err) {
  struct mh_job job;
  struct mh_error fault;
  return mh_job_parse(document, &job, &fault) ? mh_checking_add(check->part, MH_FINDING_DOCUMENT, &fault, err) : MH_OK;
}

static mh_status look_at(void *self, struct mh_slice key, struct mh_slice bson, struct mh_error *err) {
  struct looking *looking = self;
  struct mh_check_table *check = looking->check;
  const struct mh_table *table = check->table;
  struct mh_document document;
  struct mh_slice id;
  struct mh_error fault;
  check->part->documents++;
  if ((check->part->documents & 1023) == 0) mh_checking_show(check->checking, table->name, 1024, 0);
  mh_status status = mh_check_take(table, key, bson, &document, &id, &fault);
  if (status == MH_NOMEM) return mh_fail_nomem(err);
  if (status) return mh_checking_add(check->part, MH_FINDING_DOCUMENT, &fault, err);
  if (!mh_id_spells_key(table, id, &document.key)) {
    mh_check_sum_add(check->checking, &check->ids, id, key);
    note_foreign(looking, id);
  }
  if (table->validator && !mh_validator_fits_document(table->validator, bson))
    status = mh_breaches_add(&looking->breaches, table->validator, bson, err);
  if (!status) status = sum_entries(check, &document, err);
  if (!status && mh_table_is_system(table)) return look_at_job(check, &document, err);
  if (!status && check->checking->options->convex) status = mh_convex_look(&looking->convex, table, id, bson, err);
  return status;
}

/* ---- what was found about all of them ---- */

static mh_status report_breach(struct mh_check_table *check, const struct mh_breach_group *group,
                               struct mh_error *err) {
  struct mh_error fault;
  char ids[MH_BREACH_IDS_MAX * (MH_FOREIGN_ID_BYTES_MAX + 2) + 1] = "";
  size_t used = 0;
  for (size_t i = 0; i < group->id_count; i++)
    used += (size_t)snprintf(ids + used, sizeof ids - used, "%s%s", i ? ", " : "", group->ids[i]);
  mh_fail(&fault, MH_INVALID,
          "%s, in %llu document%s: %s%s; mend them with a migration, or deploy a schema that they fit",
          group->first.reason, (unsigned long long)group->documents, group->documents == 1 ? "" : "s", ids,
          group->documents > group->id_count ? ", ..." : "");
  mh_error_at(&fault, "%s", group->first.pattern);
  mh_error_at(&fault, "%s", check->table->name);
  return mh_checking_add(check->part, MH_FINDING_SCHEMA, &fault, err);
}

static mh_status report_breaches(struct mh_check_table *check, struct mh_breaches *breaches, struct mh_error *err) {
  struct mh_error fault;
  mh_status status = MH_OK;
  mh_breaches_sort(breaches);
  for (size_t i = 0; !status && i < breaches->group_count; i++)
    status = report_breach(check, &breaches->groups[i], err);
  if (status || !breaches->ungrouped) return status;
  mh_fail(&fault, MH_INVALID, "%llu documents do not fit the schema in yet other ways",
          (unsigned long long)breaches->ungrouped);
  mh_error_at(&fault, "%s", check->table->name);
  return mh_checking_add(check->part, MH_FINDING_SCHEMA, &fault, err);
}

/* A table that holds such ids has to say so: v.id() takes them by that. */
static mh_status report_foreign(const struct looking *looking, struct mh_error *err) {
  struct mh_error fault;
  const struct mh_table *table = looking->check->table;
  if (!looking->foreign || table->foreign) return MH_OK;
  mh_fail(&fault, MH_DAMAGED,
          "the table is not marked as one with ids that are not in the id format, such as %s: v.id() refuses them; "
          "export the table and import it with --replace",
          looking->foreign_id);
  mh_error_at(&fault, "%s", table->name);
  return mh_checking_add(looking->check->part, MH_FINDING_CATALOGUE, &fault, err);
}

mh_status mh_check_documents(struct mh_check_table *check, struct mh_error *err) {
  struct looking looking = {.check = check};
  mh_status status = read_all(check, &looking, look_at, err);
  if (!status) status = report_breaches(check, &looking.breaches, err);
  if (!status) status = report_foreign(&looking, err);
  if (!status) status = mh_convex_report(&looking.convex, check->part, err);
  mh_breaches_free(&looking.breaches);
  mh_convex_free(&looking.convex);
  return status;
}

/* ---- another look ---- */

struct each {
  struct mh_check_table *check;
  void *self;
  mh_status (*take)(void *self, const struct mh_document *document, struct mh_slice id, struct mh_error *err);
};

static mh_status take_sound(void *self, struct mh_slice key, struct mh_slice bson, struct mh_error *err) {
  const struct each *each = self;
  struct mh_document document;
  struct mh_slice id;
  struct mh_error fault;
  mh_status status = mh_check_take(each->check->table, key, bson, &document, &id, &fault);
  if (status == MH_NOMEM) return mh_fail_nomem(err);
  return status ? MH_OK : each->take(each->self, &document, id, err);
}

mh_status mh_check_each(struct mh_check_table *check, void *self,
                        mh_status (*take)(void *self, const struct mh_document *document, struct mh_slice id,
                                          struct mh_error *err),
                        struct mh_error *err) {
  struct each each = {check, self, take};
  return read_all(check, &each, take_sound, err);
}
