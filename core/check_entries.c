#include "check_parts.h"

#include "entries.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  READ_AHEAD = 32,
  MISSING_REMEMBERED = 65536 /* 1.6 MB. Beyond them, a document whose entry was moved counts as missing and as stale */
};

static const char IMPORT_AGAIN[] = "restore a backup, or export the table and import it with --replace";

/* What mends an index. */
static const char *remedy_of(const struct mh_table *table) {
  return mh_table_is_system(table) ? "restore the store from a backup"
                                   : "to build the index anew, deploy the schema without it, then with it";
}

/* The document that a finding is about, by its key where its id is not known. */
struct name {
  char text[MH_FOREIGN_ID_BYTES_MAX + 1];
};

static struct name name_of_key(struct mh_slice key) {
  struct name name;
  size_t shown = key.size < MH_KEY_BYTES ? key.size : MH_KEY_BYTES, used = 0;
  used += (size_t)snprintf(name.text, sizeof name.text, "key ");
  for (size_t i = 0; i < shown; i++)
    used += (size_t)snprintf(name.text + used, sizeof name.text - used, "%02x", key.data[i]);
  return name;
}

static struct name name_of_id(struct mh_slice id) {
  struct name name;
  snprintf(name.text, sizeof name.text, "%.*s", (int)id.size, (const char *)id.data);
  return name;
}

/* ---- counts ---- */

static mh_status compare_count(struct mh_check_part *part, const char *what, uint64_t walked, uint64_t counted,
                               const char *remedy, const struct mh_error *place, struct mh_error *err) {
  struct mh_error fault;
  if (walked == counted) return MH_OK;
  mh_fail(&fault, MH_DAMAGED, "there are %llu %s, and the store counts %llu; %s", (unsigned long long)walked, what,
          (unsigned long long)counted, remedy);
  mh_error_at(&fault, "%s", place->place);
  return mh_checking_add(part, MH_FINDING_COUNT, &fault, err);
}

static bool sums_equal(const struct mh_check_sum *a, const struct mh_check_sum *b) {
  return a->count == b->count && a->sum == b->sum;
}

/* ---- ids ---- */

/* Reads every entry of the ids space. */
static mh_status each_id(struct mh_check_table *check,
                         mh_status (*take)(struct mh_check_table *check, void *self, struct mh_slice id,
                                           struct mh_slice key, struct mh_error *err),
                         void *self, struct mh_error *err) {
  struct mh_slice ids[READ_AHEAD], keys[READ_AHEAD];
  mh_kv_cursor *cursor = NULL;
  size_t count = READ_AHEAD;
  mh_status status = mh_kv_cursor_open(check->checking->kv, check->table->ids, &cursor, err);
  while (!status && count == READ_AHEAD) {
    status = mh_kv_read_ahead(cursor, ids, keys, READ_AHEAD, &count, err);
    for (size_t i = 0; !status && i < count; i++) status = take(check, self, ids[i], keys[i], err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

static mh_status sum_id(struct mh_check_table *check, void *self, struct mh_slice id, struct mh_slice key,
                        struct mh_error *err) {
  (void)err;
  mh_check_sum_add(check->checking, self, id, key);
  return MH_OK;
}

static mh_status add_id_fault(struct mh_check_table *check, enum mh_finding_kind kind, struct name name,
                              struct mh_error *fault, struct mh_error *err) {
  mh_error_at(fault, "%s/%s", check->table->name, name.text);
  return mh_checking_add(check->part, kind, fault, err);
}

/* What is wrong with an entry by itself: what it leads to. */
static mh_status name_id_entry(struct mh_check_table *check, void *self, struct mh_slice id, struct mh_slice key,
                               struct mh_error *err) {
  (void)self;
  struct mh_document document;
  struct mh_slice actual;
  struct mh_error fault;
  enum mh_check_there there;
  mh_status status = mh_check_get(check, key, &there, &document, &actual, err);
  if (status || there == MH_CHECK_DAMAGED) return status; /* that document is a finding of its own */
  struct name name = name_of_id(mh_utf8_valid(id) ? id : mh_slice_text("(an id that is not UTF-8)"));
  if (there == MH_CHECK_NOTHING) {
    mh_fail(&fault, MH_DAMAGED, "the table knows this id, but not its document; %s", IMPORT_AGAIN);
    return add_id_fault(check, MH_FINDING_ID_EXTRA, name, &fault, err);
  }
  if (!mh_slice_equal(actual, id)) {
    mh_fail(&fault, MH_DAMAGED, "this id leads to another document, %s; %s", name_of_id(actual).text, IMPORT_AGAIN);
    return add_id_fault(check, MH_FINDING_ID_STALE, name, &fault, err);
  }
  if (!mh_id_spells_key(check->table, id, &document.key)) return MH_OK;
  mh_fail(&fault, MH_DAMAGED, "this id has an entry in the table of ids that it does not need; %s", IMPORT_AGAIN);
  return add_id_fault(check, MH_FINDING_ID_EXTRA, name, &fault, err);
}

/* Whether its id leads to the document. An entry that leads elsewhere is named by name_id_entry(), unless it is right
 * there. */
static mh_status name_id_of(void *self, const struct mh_document *document, struct mh_slice id, struct mh_error *err) {
  struct mh_check_table *check = self;
  struct mh_document other;
  struct mh_slice key, actual;
  struct mh_error fault;
  enum mh_check_there there;
  bool found;
  if (mh_id_spells_key(check->table, id, &document->key)) return MH_OK;
  mh_status status = mh_kv_get(check->checking->kv, check->table->ids, id, &key, &found, err);
  if (status) return status;
  if (!found) {
    mh_fail(&fault, MH_DAMAGED, "its id does not lead to it: the table has no entry for it; %s", IMPORT_AGAIN);
    return add_id_fault(check, MH_FINDING_ID_MISSING, name_of_id(id), &fault, err);
  }
  if (mh_slice_equal(key, mh_key_slice(&document->key))) return MH_OK;
  status = mh_check_get(check, key, &there, &other, &actual, err);
  if (status || there == MH_CHECK_NOTHING) return status;
  if (there == MH_CHECK_DAMAGED) {
    mh_fail(&fault, MH_DAMAGED, "its id leads to another document, a damaged one; %s", IMPORT_AGAIN);
    return add_id_fault(check, MH_FINDING_ID_STALE, name_of_id(id), &fault, err);
  }
  if (!mh_slice_equal(actual, id)) return MH_OK;
  mh_fail(&fault, MH_DAMAGED, "two documents have this id: those of %s and %s; %s",
          name_of_key(mh_key_slice(&other.key)).text, name_of_key(mh_key_slice(&document->key)).text, IMPORT_AGAIN);
  return add_id_fault(check, MH_FINDING_ID_TWICE, name_of_id(id), &fault, err);
}

mh_status mh_check_ids(struct mh_check_table *check, struct mh_error *err) {
  struct mh_check_sum actual = {0};
  struct mh_error place = {0};
  uint64_t counted;
  mh_error_at(&place, "%s", check->table->name);
  mh_status status = each_id(check, sum_id, &actual, err);
  if (!status) status = mh_kv_count(check->checking->kv, check->table->ids, &counted, err);
  if (!status)
    status = compare_count(check->part, "entries of ids", actual.count, counted, IMPORT_AGAIN, &place, err);
  if (status || sums_equal(&check->ids, &actual)) return status;
  status = mh_check_each(check, check, name_id_of, err);
  return status ? status : each_id(check, name_id_entry, NULL, err);
}

/* ---- indexes ---- */

/* One index, looked at entry by entry. */
struct comparing {
  struct mh_check_table *check;
  const struct mh_index *index;
  struct missing { /* documents without their entry, by key */
    struct mh_key key;
    bool moved; /* an entry of it was found elsewhere */
  } *missing;
  size_t missing_count, missing_room;
  uint64_t missing_more; /* that were not remembered */
};

/* Reads every entry of the index. */
static mh_status each_entry(struct comparing *comparing,
                            mh_status (*take)(struct comparing *comparing, void *self, struct mh_slice entry,
                                              struct mh_slice value, struct mh_error *err),
                            void *self, struct mh_error *err) {
  struct mh_checking *checking = comparing->check->checking;
  mh_entries_cursor *cursor = NULL;
  bool found = true;
  mh_status status = mh_entries_open(checking->kv, comparing->index->space, false, &cursor, err);
  while (!status) {
    struct mh_slice entry, value;
    status = mh_entries_next(cursor, &entry, &value, &found, err);
    if (status || !found) break;
    status = take(comparing, self, entry, value, err);
  }
  mh_entries_close(cursor);
  return status;
}

static mh_status sum_entry(struct comparing *comparing, void *self, struct mh_slice entry, struct mh_slice value,
                           struct mh_error *err) {
  (void)err;
  struct mh_check_sum *sum = self;
  struct mh_check_table *check = comparing->check;
  mh_check_sum_add(check->checking, sum, entry, value);
  if ((sum->count & 1023) == 0) mh_checking_show(check->checking, check->table->name, 0, 1024);
  return MH_OK;
}

static mh_status add_entry_fault(struct comparing *comparing, enum mh_finding_kind kind, struct name name,
                                 const char *what, struct mh_error *err) {
  struct mh_error fault;
  mh_fail(&fault, MH_DAMAGED, "%s; %s", what, remedy_of(comparing->check->table));
  mh_error_at(&fault, "%s.%s: entry of %s", comparing->check->table->name, comparing->index->name, name.text);
  return mh_checking_add(comparing->check->part, kind, &fault, err);
}

/* The entry that a document must have, until the next call. */
static mh_status right_entry(struct comparing *comparing, const struct mh_document *document, struct mh_slice *entry,
                             struct mh_error *err) {
  struct mh_buffer *buffer = &comparing->check->entry;
  buffer->size = 0;
  if (!mh_index_entry(&comparing->index->fields, document->bson, &document->key, buffer)) return mh_fail_nomem(err);
  *entry = mh_buffer_slice(buffer);
  return MH_OK;
}

static mh_status remember_missing(struct comparing *comparing, const struct mh_key *key, struct mh_error *err) {
  if (comparing->missing_count == MISSING_REMEMBERED) {
    comparing->missing_more++;
    return MH_OK;
  }
  if (comparing->missing_count == comparing->missing_room) {
    size_t room = comparing->missing_room ? 2 * comparing->missing_room : 64;
    struct missing *moved = realloc(comparing->missing, room * sizeof *moved);
    if (!moved) return mh_fail_nomem(err);
    comparing->missing = moved;
    comparing->missing_room = room;
  }
  comparing->missing[comparing->missing_count++] = (struct missing){.key = *key};
  return MH_OK;
}

static mh_status find_missing(void *self, const struct mh_document *document, struct mh_slice id,
                              struct mh_error *err) {
  (void)id;
  struct comparing *comparing = self;
  struct mh_slice entry, value;
  bool found = false;
  mh_checking_show(comparing->check->checking, comparing->check->table->name, 0, 1);
  mh_status status = right_entry(comparing, document, &entry, err);
  if (!status)
    status = mh_entries_get(comparing->check->checking->kv, comparing->index->space, entry, &value, &found, err);
  return status || found ? status : remember_missing(comparing, &document->key, err);
}

static int by_key(const void *key, const void *missing) {
  return memcmp(key, ((const struct missing *)missing)->key.bytes, MH_KEY_BYTES);
}

static mh_status name_stale(struct comparing *comparing, const struct mh_document *document, struct mh_slice id,
                            struct mh_error *err) {
  struct missing *missing =
      comparing->missing_count ? bsearch(document->key.bytes, comparing->missing, comparing->missing_count,
                                         sizeof *comparing->missing, by_key)
                               : NULL;
  if (missing) missing->moved = true;
  return add_entry_fault(comparing, MH_FINDING_ENTRY_STALE, name_of_id(id),
                         missing ? "it stands at other values than the document has"
                                 : "it stands at values that the document does not have, beside the right one",
                         err);
}

static mh_status name_entry(struct comparing *comparing, void *self, struct mh_slice entry, struct mh_slice value,
                            struct mh_error *err) {
  (void)self;
  struct mh_document document;
  struct mh_slice id, right = {0};
  struct mh_key key;
  enum mh_check_there there;
  mh_checking_show(comparing->check->checking, comparing->check->table->name, 0, 1);
  if (!mh_index_entry_key(entry, &key))
    return add_entry_fault(comparing, MH_FINDING_ENTRY_EXTRA, name_of_key(entry), "it is too short to be one", err);
  mh_status status = mh_check_get(comparing->check, mh_key_slice(&key), &there, &document, &id, err);
  if (status || there == MH_CHECK_DAMAGED) return status; /* that document is a finding of its own */
  if (there == MH_CHECK_NOTHING)
    return add_entry_fault(comparing, MH_FINDING_ENTRY_EXTRA, name_of_key(mh_key_slice(&key)),
                           "the document that it leads to is not there", err);
  status = right_entry(comparing, &document, &right, err);
  if (status) return status;
  if (!mh_slice_equal(right, entry)) return name_stale(comparing, &document, id, err);
  if (!value.size) return MH_OK;
  return add_entry_fault(comparing, MH_FINDING_ENTRY_STALE, name_of_id(id), "it has a value, and entries have none",
                         err);
}

/* Those that the index does not have at any values. */
static mh_status name_missing(struct comparing *comparing, struct mh_error *err) {
  struct mh_document document;
  struct mh_slice id;
  enum mh_check_there there;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < comparing->missing_count; i++) {
    if (comparing->missing[i].moved) continue;
    struct mh_slice key = mh_key_slice(&comparing->missing[i].key);
    status = mh_check_get(comparing->check, key, &there, &document, &id, err);
    if (!status)
      status = add_entry_fault(comparing, MH_FINDING_ENTRY_MISSING,
                               there == MH_CHECK_DOCUMENT ? name_of_id(id) : name_of_key(key),
                               "there is none: queries by this index do not find the document", err);
  }
  comparing->check->part->counts[MH_FINDING_ENTRY_MISSING] += comparing->missing_more;
  return status;
}

static mh_status name_differences(struct comparing *comparing, uint64_t entries, struct mh_error *err) {
  comparing->check->checking->total += comparing->check->part->documents + entries;
  mh_status status = mh_check_each(comparing->check, comparing, find_missing, err);
  if (!status) status = each_entry(comparing, name_entry, NULL, err);
  if (!status) status = name_missing(comparing, err);
  free(comparing->missing);
  return status;
}

mh_status mh_check_index(struct mh_check_table *check, size_t place, uint64_t *entries, struct mh_error *err) {
  struct comparing comparing = {.check = check, .index = &check->table->indexes[place]};
  struct mh_check_sum actual = {0};
  struct mh_error where = {0};
  uint64_t counted;
  mh_error_at(&where, "%s.%s", check->table->name, comparing.index->name);
  mh_status status = each_entry(&comparing, sum_entry, &actual, err);
  *entries = actual.count;
  if (!status) status = mh_entries_count(check->checking->kv, comparing.index->space, &counted, err);
  if (!status) status = compare_count(check->part, "entries", actual.count, counted, remedy_of(check->table), &where, err);
  if (!status && !sums_equal(&check->indexes[place], &actual)) status = name_differences(&comparing, actual.count, err);
  if (status != MH_DAMAGED) return status;
  mh_fail(&where, MH_DAMAGED, "its entries can be read no further than the first %llu; %s",
          (unsigned long long)actual.count, remedy_of(check->table));
  mh_error_at(&where, "%s.%s", check->table->name, comparing.index->name);
  return mh_checking_add(check->part, MH_FINDING_UNREADABLE, &where, err);
}
