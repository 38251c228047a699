/* What Convex's backend refuses and we store (SPEC 2; semantics/SEMANTICS.md 8, convex-backend value/src/size.rs,
 * common/src/document.rs). Its sizes: null and booleans 1, numbers 9, strings and bytes 2 + length, arrays 2 +
 * elements, objects 2 + (name + 1 + value)*. A document's depth counts itself, and scalars not. */
#include "check_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  CONVEX_DOCUMENT_BYTES = 1 << 20, /* with its system fields */
  CONVEX_DEPTH = 16,
  CONVEX_FIELDS = 1024,
  CONVEX_ELEMENTS = 8192
};

/* One document. */
struct look {
  bool passed[MH_CONVEX_LIMITS];
  char paths[MH_CONVEX_LIMITS][256]; /* of the first place */
};

/* Where it stands: the names on the path, innermost first. */
struct place {
  const struct place *outer;
  struct mh_slice name;
};

static void put_place(const struct place *place, char *path, size_t size) {
  if (!place) return;
  put_place(place->outer, path, size);
  mh_pointer_append(path, size, place->name);
}

static void pass(struct look *look, enum mh_convex_limit limit, const struct place *place) {
  if (look->passed[limit]) return;
  look->passed[limit] = true;
  put_place(place, look->paths[limit], sizeof look->paths[limit]);
}

static bool is_ascii(struct mh_slice name) {
  for (size_t i = 0; i < name.size; i++)
    if (name.data[i] >= 0x80) return false;
  return true;
}

static bool is_system(struct mh_slice name) {
  return mh_slice_equal(name, mh_slice_text("_id")) || mh_slice_equal(name, mh_slice_text("_creationTime"));
}

static void look_at_name(struct look *look, struct mh_slice name, unsigned depth, const struct place *place) {
  if (!is_ascii(name)) pass(look, MH_CONVEX_NAME, place);
  if (depth == 1 && name.size && name.data[0] == '_' && !is_system(name)) pass(look, MH_CONVEX_UNDERSCORE, place);
}

static uint64_t look_at_fields(struct look *look, struct mh_slice document, bool is_array, unsigned depth,
                               const struct place *outer);

static uint64_t size_of(struct look *look, const struct mh_field *field, unsigned depth, const struct place *place) {
  switch (field->type) {
    case MH_STRING:
    case MH_BYTES: return 2 + field->raw.size - 5;
    case MH_OBJECT:
    case MH_ARRAY: return look_at_fields(look, field->raw, field->type == MH_ARRAY, depth + 1, place);
    case MH_DOUBLE:
    case MH_INT64: return 9;
    default: return 1;
  }
}

/* Returns the size. */
static uint64_t look_at_fields(struct look *look, struct mh_slice document, bool is_array, unsigned depth,
                               const struct place *outer) {
  struct mh_bson_reader reader;
  struct mh_field field;
  uint64_t size = 2, count = 0;
  if (depth > CONVEX_DEPTH) pass(look, MH_CONVEX_DEPTH, outer);
  mh_bson_read(&reader, document);
  for (; mh_bson_next(&reader, &field); count++) {
    const struct place place = {outer, field.name};
    if (!is_array) {
      look_at_name(look, field.name, depth, &place);
      size += field.name.size + 1;
    }
    size += size_of(look, &field, depth, &place);
  }
  if (count > (is_array ? CONVEX_ELEMENTS : CONVEX_FIELDS))
    pass(look, is_array ? MH_CONVEX_ELEMENTS : MH_CONVEX_FIELDS, outer);
  return size;
}

static mh_status note(struct mh_convex_passed *passed, const char *path, struct mh_slice id, struct mh_error *err) {
  enum { IDS = sizeof passed->ids / sizeof *passed->ids };
  size_t place = passed->documents++;
  if (place == 0) snprintf(passed->path, sizeof passed->path, "%s", path);
  if (place >= IDS) return MH_OK;
  passed->ids[place] = strndup((const char *)id.data, id.size);
  return passed->ids[place] ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_convex_look(struct mh_convex_limits *limits, const struct mh_table *table, struct mh_slice id,
                         struct mh_slice document, struct mh_error *err) {
  struct look look;
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  for (size_t i = 0; i < MH_CONVEX_LIMITS; i++) {
    look.passed[i] = false;
    look.paths[i][0] = 0;
  }
  uint64_t size = look_at_fields(&look, document, false, 1, NULL);
  if (size > CONVEX_DOCUMENT_BYTES) pass(&look, MH_CONVEX_SIZE, NULL);
  if (!mh_id_parse(id, &number, internal) || number != table->number) pass(&look, MH_CONVEX_ID, NULL);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < MH_CONVEX_LIMITS; i++)
    if (look.passed[i]) status = note(&limits->passed[i], look.paths[i], id, err);
  return status;
}

static mh_status report(const struct mh_convex_passed *passed, const char *what, struct mh_check_part *part,
                        struct mh_error *err) {
  struct mh_error fault;
  const char *const *ids = (const char *const *)passed->ids;
  bool one = passed->documents == 1;
  mh_fail(&fault, MH_INVALID, "Convex refuses %llu document%s with %s%s%s%s: %s%s%s%s%s%s",
          (unsigned long long)passed->documents, one ? "" : "s", what, *passed->path ? " (" : "", passed->path,
          *passed->path ? ")" : "", ids[0], ids[1] ? ", " : "", ids[1] ? ids[1] : "", ids[2] ? ", " : "",
          ids[2] ? ids[2] : "", passed->documents > 3 ? ", ..." : "");
  mh_error_at(&fault, "%s", part->name);
  return mh_checking_add(part, MH_FINDING_CONVEX, &fault, err);
}

mh_status mh_convex_report(const struct mh_convex_limits *limits, struct mh_check_part *part, struct mh_error *err) {
  static const char *const what[MH_CONVEX_LIMITS] = {
      [MH_CONVEX_ID] = "an _id that is none of Convex's for this table",
      [MH_CONVEX_SIZE] = "a size above 1 MiB",
      [MH_CONVEX_DEPTH] = "values nested deeper than 16",
      [MH_CONVEX_FIELDS] = "an object of more than 1,024 fields",
      [MH_CONVEX_ELEMENTS] = "an array of more than 8,192 elements",
      [MH_CONVEX_NAME] = "a field name that is not ASCII",
      [MH_CONVEX_UNDERSCORE] = "a field name that starts with '_'",
  };
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < MH_CONVEX_LIMITS; i++)
    if (limits->passed[i].documents) status = report(&limits->passed[i], what[i], part, err);
  return status;
}

void mh_convex_free(struct mh_convex_limits *limits) {
  for (size_t i = 0; i < MH_CONVEX_LIMITS; i++)
    for (size_t k = 0; k < sizeof limits->passed[i].ids / sizeof *limits->passed[i].ids; k++)
      free(limits->passed[i].ids[k]);
}
