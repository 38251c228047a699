/* The definition that fits all values of a place: a union of what was seen there, null last.
 *
 * Integers. JSON has one kind of number, and schemas of Convex say v.number() for it: a field that happens to hold
 * whole numbers so far would refuse its first 1.5 as v.int64(). v.number() takes integers too (SPEC 10), so it fits.
 * Only where all are integers, and one of them is none that a float can be trusted with, are they meant as int64.
 *
 * Strings. Ids of one table; else literals, where few texts are shared by many values; else v.string(). One text alone
 * is no choice between several: it says how a field is set today, not what it may be.
 *
 * Records. Objects whose keys are ids of one table; or whose values are of one type, where a key begins with a digit (a
 * date, a hash, a number: no name that somebody gave) or where there are many keys, each in few of the objects. */
#include "infer_place.h"

#include <stdlib.h>

enum {
  LITERALS_MIN = 2,
  RECORD_NAMES_MIN = 12, /* so many names, */
  RECORD_SPARSITY = 4,   /* each in a quarter of the objects at most, on average */
  DEFINITION_DEPTH_MAX = MH_DEPTH_MAX - 3 /* a schema holds it as {"tables": [{"documentType": ... */
};

#define NUMBERS (MH_SEEN_INTEGER | MH_SEEN_FLOAT)

/* Writes definitions; `ok` becomes false when memory is gone. */
struct writer {
  struct mh_infer *infer;
  struct mh_buffer *out;
  bool ok;
};

/* ---- what it is ---- */

static const struct mh_id_table *table_of(const struct mh_infer *infer, const struct mh_infer_ids *ids) {
  if (ids->others || !ids->table) return NULL;
  for (size_t i = 0; i < infer->tables->count; i++)
    if (infer->tables->tables[i].number == ids->table) return &infer->tables->tables[i];
  return NULL;
}

static bool are_literals(const struct mh_infer_strings *strings) {
  return strings->distinct >= LITERALS_MIN && strings->distinct <= MH_INFER_LITERALS_MAX &&
         strings->count >= (uint64_t)strings->distinct * MH_INFER_SHARE_MIN;
}

static unsigned type_of(const struct mh_infer_place *place) {
  unsigned types = place->types & ~(unsigned)MH_SEEN_NULL;
  return types & NUMBERS ? (types & ~(unsigned)NUMBERS) | MH_SEEN_FLOAT : types;
}

/* Whether the fields are entries of a record. */
static bool has_data_keys(const struct mh_infer *infer, const struct mh_infer_object *object) {
  struct mh_infer_ids ids = {0};
  uint64_t present = 0;
  unsigned types = 0;
  bool digits = false;
  for (size_t i = 0; i < object->field_count; i++) {
    const struct mh_infer_field *field = &object->fields[i];
    if (mh_field_name_fault(field->name)) return true; /* damaged: no definition may say it */
    digits |= field->name.size && field->name.data[0] >= '0' && field->name.data[0] <= '9';
    mh_infer_see_id(&ids, field->name);
    present += field->place.count;
    types |= type_of(&field->place);
  }
  if (table_of(infer, &ids)) return true;
  bool one_type = (types & (types - 1)) == 0;
  bool sparse = object->field_count >= RECORD_NAMES_MIN &&
                present * RECORD_SPARSITY <= object->count * object->field_count;
  return one_type && (digits || sparse);
}

/* Turns objects with data keys into records before they are written. */
static void settle(struct writer *writer, struct mh_infer_place *place) {
  struct mh_infer_object *object = place->object;
  bool is_root = place == &writer->infer->root;
  if (!object || object->values || (place->types & MH_SEEN_ANYTHING)) return;
  if (!is_root && has_data_keys(writer->infer, object) && !mh_infer_make_record(writer->infer, place)) {
    writer->ok = false;
  }
  for (size_t i = 0; is_root && i < object->field_count; i++)
    if (mh_field_name_fault(object->fields[i].name)) mh_infer_make_any(place); /* a table's documents are no record */
}

/* ---- writing ---- */

static void add_text(struct writer *writer, const char *name, struct mh_slice text) {
  if (writer->ok) writer->ok = mh_bson_add_string(writer->out, mh_slice_text(name), text);
}

static void add_boolean(struct writer *writer, const char *name, bool value) {
  if (writer->ok) writer->ok = mh_bson_add_boolean(writer->out, mh_slice_text(name), value);
}

static size_t open(struct writer *writer, enum mh_type type, struct mh_slice name) {
  size_t mark = 0;
  if (writer->ok) writer->ok = mh_bson_add_open(writer->out, type, name, &mark);
  return mark;
}

static void close(struct writer *writer, size_t mark) {
  if (writer->ok) writer->ok = mh_bson_close(writer->out, mark);
}

/* {"type": type, */
static size_t open_definition(struct writer *writer, struct mh_slice name, const char *type) {
  size_t mark = open(writer, MH_OBJECT, name);
  add_text(writer, "type", mh_slice_text(type));
  return mark;
}

static void write_plain(struct writer *writer, struct mh_slice name, const char *type) {
  close(writer, open_definition(writer, name, type));
}

static void write_literal(struct writer *writer, struct mh_slice name, struct mh_slice text) {
  size_t mark = open_definition(writer, name, "literal");
  add_text(writer, "value", text);
  close(writer, mark);
}

static void write_id(struct writer *writer, struct mh_slice name, const char *table) {
  size_t mark = open_definition(writer, name, "id");
  add_text(writer, "tableName", mh_slice_text(table));
  close(writer, mark);
}

static void write_place(struct writer *writer, struct mh_infer_place *place, struct mh_slice name, unsigned depth);

/* name: {"fieldType": V, "optional": optional} */
static void write_field_type(struct writer *writer, struct mh_infer_place *place, struct mh_slice name, bool optional,
                             unsigned depth) {
  size_t mark = open(writer, MH_OBJECT, name);
  write_place(writer, place, mh_slice_text("fieldType"), depth + 1);
  add_boolean(writer, "optional", optional);
  close(writer, mark);
}

static void write_array(struct writer *writer, const struct mh_infer_place *place, struct mh_slice name,
                        unsigned depth) {
  struct mh_slice value = mh_slice_text("value");
  size_t mark = open_definition(writer, name, "array");
  if (place->elements) write_place(writer, place->elements, value, depth + 1);
  else write_plain(writer, value, "any"); /* always empty */
  close(writer, mark);
}

static void write_record(struct writer *writer, const struct mh_infer_object *object, struct mh_slice name,
                         unsigned depth) {
  const struct mh_id_table *table = table_of(writer->infer, &object->keys);
  struct mh_slice keys = mh_slice_text("keys");
  size_t mark = open_definition(writer, name, "record");
  if (table) write_id(writer, keys, table->name);
  else write_plain(writer, keys, "string");
  write_field_type(writer, object->values, mh_slice_text("values"), false, depth + 1);
  close(writer, mark);
}

static void write_object(struct writer *writer, const struct mh_infer_object *object, struct mh_slice name,
                         unsigned depth) {
  if (object->values) {
    write_record(writer, object, name, depth);
    return;
  }
  size_t mark = open_definition(writer, name, "object");
  size_t fields = open(writer, MH_OBJECT, mh_slice_text("value"));
  for (size_t i = 0; i < object->field_count; i++) {
    struct mh_infer_field *field = &object->fields[i];
    write_field_type(writer, &field->place, field->name, field->place.count < object->count, depth + 2);
  }
  close(writer, fields);
  close(writer, mark);
}

/* The members of the definition of a place, counted first: more than one make a union. */
struct members {
  struct writer *writer;
  struct mh_slice only; /* the name that a single one has */
  bool in_union;
  uint32_t count;
  char index[12];
};

static struct mh_slice next_name(struct members *members) {
  return members->in_union ? mh_bson_index_name(members->count++, members->index) : members->only;
}

static int compare_literals(const void *left, const void *right) {
  const struct mh_infer_literal *a = left, *b = right;
  return mh_slice_compare(mh_slice(a->text, a->size), mh_slice(b->text, b->size));
}

static void write_strings(struct members *members, struct mh_infer_strings *strings) {
  const struct mh_id_table *table = table_of(members->writer->infer, &strings->ids);
  if (table) {
    write_id(members->writer, next_name(members), table->name);
  } else if (are_literals(strings)) {
    qsort(strings->literals, strings->distinct, sizeof *strings->literals, compare_literals);
    for (unsigned i = 0; i < strings->distinct; i++) {
      const struct mh_infer_literal *literal = &strings->literals[i];
      write_literal(members->writer, next_name(members), mh_slice(literal->text, literal->size));
    }
  } else {
    write_plain(members->writer, next_name(members), "string");
  }
}

static uint32_t count_members(const struct mh_infer *infer, const struct mh_infer_place *place) {
  unsigned types = place->types & NUMBERS ? (place->types & ~(unsigned)NUMBERS) | MH_SEEN_FLOAT : place->types;
  uint32_t count = (uint32_t)__builtin_popcount(types);
  bool literals = place->strings && !table_of(infer, &place->strings->ids) && are_literals(place->strings);
  return literals ? count - 1 + place->strings->distinct : count;
}

static void write_members(struct members *members, struct mh_infer_place *place, unsigned depth) {
  struct writer *writer = members->writer;
  unsigned types = place->types;
  bool int64 = place->beyond_double && !(types & MH_SEEN_FLOAT);
  if (types & MH_SEEN_STRING) write_strings(members, place->strings);
  if (types & NUMBERS) write_plain(writer, next_name(members), int64 ? "bigint" : "number");
  if (types & MH_SEEN_BOOLEAN) write_plain(writer, next_name(members), "boolean");
  if (types & MH_SEEN_BYTES) write_plain(writer, next_name(members), "bytes");
  if (types & MH_SEEN_ARRAY) write_array(writer, place, next_name(members), depth);
  if (types & MH_SEEN_OBJECT) write_object(writer, place->object, next_name(members), depth);
  if (types & MH_SEEN_NULL) write_plain(writer, next_name(members), "null");
}

/* `depth` is that of the definition to be written. */
static void write_place(struct writer *writer, struct mh_infer_place *place, struct mh_slice name, unsigned depth) {
  /* A union of an object is followed by the list of members, the object, its fields, one of them, and at last another
   * definition, which is v.any() at least. */
  enum { LEVELS = 5 };
  settle(writer, place);
  bool is_any = place->types == 0 || (place->types & MH_SEEN_ANYTHING);
  if (is_any || depth + LEVELS > DEFINITION_DEPTH_MAX) {
    write_plain(writer, name, "any");
    return;
  }
  struct members members = {.writer = writer, .only = name, .in_union = count_members(writer->infer, place) > 1};
  if (!members.in_union) {
    write_members(&members, place, depth);
    return;
  }
  size_t mark = open_definition(writer, name, "union");
  size_t list = open(writer, MH_ARRAY, mh_slice_text("value"));
  write_members(&members, place, depth + 2);
  close(writer, list);
  close(writer, mark);
}

mh_status mh_infer_definition(mh_infer *infer, struct mh_slice name, struct mh_buffer *out, struct mh_error *err) {
  struct writer writer = {.infer = infer, .out = out, .ok = true};
  size_t before = out->size;
  write_place(&writer, &infer->root, name, 1);
  if (writer.ok) return MH_OK;
  out->size = before;
  return mh_fail_nomem(err);
}

/* ---- notes ---- */

/* Takes the next step off a JSON pointer, unescaped (RFC 6901) into `step`. False where it is none, or too long. */
static bool take_step(const char **path, char step[MH_FIELD_NAME_BYTES_MAX + 1], size_t *size) {
  const char *at = *path;
  if (*at++ != '/') return false;
  for (*size = 0; *at && *at != '/'; at++) {
    if (*size == MH_FIELD_NAME_BYTES_MAX) return false;
    bool escaped = *at == '~' && (at[1] == '0' || at[1] == '1');
    step[(*size)++] = escaped ? (at[1] == '0' ? '~' : '/') : *at;
    at += escaped;
  }
  *path = at;
  return true;
}

bool mh_infer_note(const mh_infer *infer, const char *path, struct mh_infer_note *note) {
  const struct mh_infer_place *place = &infer->root;
  char step[MH_FIELD_NAME_BYTES_MAX + 1];
  size_t size;
  uint64_t of = place->count;
  while (*path) {
    const struct mh_infer_object *object = place->object;
    if (!take_step(&path, step, &size)) return false;
    bool star = size == 1 && step[0] == '*';
    size_t index = object ? mh_infer_find_field(object, mh_slice(step, size), 0) : SIZE_MAX;
    of = 0;
    if (index != SIZE_MAX) {
      of = object->count;
      place = &object->fields[index].place;
    } else if (star && place->elements) {
      place = place->elements;
    } else if (star && object && object->values) {
      place = object->values;
    } else {
      return false;
    }
  }
  *note = (struct mh_infer_note){.present = place->count,
                                 .of = of ? of : place->count,
                                 .distinct = place->strings ? place->strings->distinct : 0};
  return true;
}
