/* mending_widen: the schema that takes documents as they are and as they are to be. */
#include "mending.h"

#include "../lua/schema_text.h"

/* Whether the active schema may refuse what the script of a table writes, which is what the new one takes. */
static bool must_widen(const struct mh_deploy_report *report, size_t place) {
  const struct mh_deploy_table *found = &report->tables[place];
  const struct mh_table *table = mh_catalogue_table(report->catalogue, mh_slice_text(found->name));
  return found->breaches.documents && table && table->validator &&
         !mh_validator_subset(report->schema->tables[place].validator, table->validator);
}

/* The members of a union; any other definition is the only one. */
static struct mh_slice members_of(const struct mh_field *definition) {
  struct mh_field type, members;
  bool is_union = mh_bson_find(definition->raw, mh_slice_text("type"), &type) && type.type == MH_STRING &&
                  mh_slice_equal(mh_field_string(&type), mh_slice_text("union"));
  return is_union && mh_bson_find(definition->raw, mh_slice_text("value"), &members) ? members.raw : mh_slice(NULL, 0);
}

static bool has_member(struct mh_slice members, struct mh_slice definition) {
  struct mh_bson_reader reader;
  struct mh_field member;
  for (mh_bson_read(&reader, members); mh_bson_next(&reader, &member);)
    if (mh_slice_equal(member.raw, definition)) return true;
  return false;
}

static bool add_member(struct mh_buffer *list, struct mh_field member, uint32_t *count) {
  char position[12];
  member.name = mh_bson_index_name((*count)++, position);
  return mh_bson_add_field(list, &member);
}

/* Adds the members of a definition that are not among `known`. */
static bool add_members(struct mh_buffer *list, const struct mh_field *definition, struct mh_slice known,
                        uint32_t *count) {
  struct mh_slice members = members_of(definition);
  struct mh_bson_reader reader;
  struct mh_field member;
  bool ok = true;
  if (!members.data) return has_member(known, definition->raw) || add_member(list, *definition, count);
  for (mh_bson_read(&reader, members); ok && mh_bson_next(&reader, &member);)
    if (!has_member(known, member.raw)) ok = add_member(list, member, count);
  return ok;
}

/* Appends {"type": "union", "value": [...]}: what is one or the other. */
static bool add_union(struct mh_buffer *out, const struct mh_field *one, const struct mh_field *other) {
  size_t mark, inner;
  uint32_t count = 0;
  return mh_bson_open(out, &mark) && mh_bson_add_string(out, mh_slice_text("type"), mh_slice_text("union")) &&
         mh_bson_add_open(out, MH_ARRAY, mh_slice_text("value"), &inner) &&
         add_members(out, one, mh_slice(NULL, 0), &count) && add_members(out, other, members_of(one), &count) &&
         mh_bson_close(out, inner) && mh_bson_close(out, mark);
}

static mh_status put_changed(struct mh_slice document, const char *name, struct mh_slice value, enum mh_type type,
                             struct mh_buffer *out, struct mh_error *err) {
  const struct mh_change change = {mh_slice_text(name), value, type};
  bool changed;
  return mh_bson_patch(document, &change, 1, out, &changed, err);
}

/* A table of the active schema, widened where it must be. */
static mh_status put_table(const struct mh_deploy_report *report, const struct mh_schema_table *active,
                           struct mh_slice bson, struct mh_buffer *out, bool *any, struct mh_error *err) {
  struct mh_buffer both = {0};
  for (size_t i = 0; i < report->table_count; i++) {
    if (strcmp(report->tables[i].name, active->name) != 0 || !must_widen(report, i)) continue;
    *any = true;
    mh_status status = add_union(&both, &active->definition, &report->schema->tables[i].definition)
                           ? put_changed(bson, "documentType", mh_buffer_slice(&both), MH_OBJECT, out, err)
                           : mh_fail_nomem(err);
    mh_buffer_free(&both);
    return status;
  }
  return mh_buffer_append(out, bson.data, bson.size) ? MH_OK : mh_fail_nomem(err);
}

/* The list of tables. */
static mh_status put_tables(const struct mh_deploy_report *report, struct mh_slice given, struct mh_buffer *out,
                            bool *any, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field table, name;
  size_t mark;
  mh_status status = mh_bson_open(out, &mark) ? MH_OK : mh_fail_nomem(err);
  mh_bson_read(&reader, given);
  while (!status && mh_bson_next(&reader, &table)) {
    mh_bson_find(table.raw, mh_slice_text("tableName"), &name); /* it was compiled: it is sound */
    status = mh_bson_add(out, MH_OBJECT, table.name)
                 ? put_table(report, mh_schema_table(report->catalogue->active, mh_field_string(&name)), table.raw, out,
                             any, err)
                 : mh_fail_nomem(err);
  }
  return status || mh_bson_close(out, mark) ? status : mh_fail_nomem(err);
}

mh_status mh_mending_widen(const struct mh_deploy_report *report, const char *file, struct mh_buffer *out,
                           struct mh_error *err) {
  const mh_schema *active = report->catalogue ? report->catalogue->active : NULL;
  struct mh_buffer tables = {0}, widened = {0};
  struct mh_field given;
  bool any = false;
  if (!active || !mh_bson_find(mh_buffer_slice(&active->bson), mh_slice_text("tables"), &given)) return MH_OK;
  mh_status status = put_tables(report, given.raw, &tables, &any, err);
  if (!status && any) {
    status = put_changed(mh_buffer_slice(&active->bson), "tables", mh_buffer_slice(&tables), MH_ARRAY, &widened, err);
    if (!status && !mh_buffer_format(out,
                                     "-- The active schema, widened: it takes documents as they are and as %s wants "
                                     "them,\n-- so that a migration can change them. Then deploy %s.\n",
                                     file, file))
      status = mh_fail_nomem(err);
    if (!status) status = mh_lua_write_schema(mh_buffer_slice(&widened), NULL, out, err);
  }
  mh_buffer_free(&tables);
  mh_buffer_free(&widened);
  return status;
}
