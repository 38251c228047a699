#include "shapes.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- keys ---- */

/* Of both, with a zero between: a name has none. */
static uint64_t hash_of(const char *table, struct mh_slice text) {
  return mh_slice_hash(mh_slice_hash(MH_HASH_BEGIN, mh_slice(table, strlen(table) + 1)), text);
}

static void copy_text(char *to, size_t room, struct mh_slice text) {
  snprintf(to, room, "%.*s", (int)text.size, (const char *)text.data);
}

/* ---- tables ---- */

/* NULL where there is no room for another. */
static struct mh_shapes_table *touch(struct mh_shapes *shapes, const char *table, bool *first) {
  *first = false;
  for (size_t i = 0; i < shapes->touched_count; i++)
    if (strcmp(shapes->touched[i].table, table) == 0) return &shapes->touched[i];
  if (shapes->touched_count == MH_TOUCHED_MAX) return NULL;
  struct mh_shapes_table *touched = &shapes->touched[shapes->touched_count++];
  *touched = (struct mh_shapes_table){0};
  copy_text(touched->table, sizeof touched->table, mh_slice_text(table));
  *first = true;
  return touched;
}

static void count_document(struct mh_shapes *shapes, struct mh_shapes_table *touched, bool was_there, bool is_there) {
  struct mh_shapes_table ignored, *table = touched ? touched : &ignored;
  if (!was_there) {
    shapes->inserted++;
    table->inserted++;
  } else if (!is_there) {
    shapes->deleted++;
    table->deleted++;
  } else {
    shapes->changed++;
    table->changed++;
  }
}

/* ---- shapes ---- */

/* The bytes of `text` that fit in `room`, cut between characters. */
static size_t fit(struct mh_slice text, size_t room) {
  if (text.size <= room) return text.size;
  while (room && (text.data[room] & 0xc0) == 0x80) room--;
  return room;
}

/* "+role, -legacyField": as many as have room, and how many more there are. */
static void shape_of_differences(const struct mh_differences *differences, char text[MH_SHAPE_BYTES_MAX + 1]) {
  static const char signs[] = {[MH_FIELD_ADDED] = '+', [MH_FIELD_REMOVED] = '-', [MH_FIELD_CHANGED] = '~'};
  enum { MORE_BYTES = 32 /* " and 1000000 more" */ };
  size_t used = 0, i = 0, all = differences->count + differences->more;
  for (; i < differences->count; i++) {
    struct mh_slice path = mh_difference_path(differences, &differences->list[i]);
    size_t taken = used + (i ? strlen(", ") : 0) + 1 + (i + 1 < all ? MORE_BYTES : 0);
    size_t room = taken < MH_SHAPE_BYTES_MAX ? MH_SHAPE_BYTES_MAX - taken : 0;
    if (i && path.size > room) break;
    used += (size_t)snprintf(text + used, MH_SHAPE_BYTES_MAX + 1 - used, "%s%c%.*s", i ? ", " : "",
                             signs[differences->list[i].kind], (int)fit(path, room), (const char *)path.data);
  }
  if (i < all) snprintf(text + used, MH_SHAPE_BYTES_MAX + 1 - used, " and %zu more", all - i);
  if (!all) strcpy(text, "order of fields");
}

static void add_id(struct mh_shape *shape, struct mh_slice document) {
  struct mh_field id;
  if (shape->id_count == MH_SHAPE_IDS_MAX || !mh_bson_find(document, mh_slice_text("_id"), &id) || id.type != MH_STRING)
    return;
  copy_text(shape->ids[shape->id_count++], sizeof shape->ids[0], mh_field_string(&id));
}

static mh_status add_shape(struct mh_shapes *shapes, const char *table, const char *text, struct mh_slice document,
                           const struct mh_shape **found, struct mh_error *err) {
  uint64_t hash = hash_of(table, mh_slice_text(text));
  struct mh_shape *shape = NULL;
  for (size_t i = 0; i < shapes->count && !shape; i++) {
    struct mh_shape *each = &shapes->list[i];
    if (each->hash == hash && strcmp(each->text, text) == 0 && strcmp(each->table, table) == 0) shape = each;
  }
  if (!shape && shapes->count == MH_SHAPES_MAX) {
    shapes->others++;
    *found = NULL;
    return MH_OK;
  }
  if (!shape) {
    struct mh_shape *list = mh_array_reserve(shapes->list, shapes->count, &shapes->room, sizeof *list);
    if (!list) return mh_fail_nomem(err);
    shapes->list = list;
    shape = &list[shapes->count++];
    *shape = (struct mh_shape){.hash = hash};
    copy_text(shape->table, sizeof shape->table, mh_slice_text(table));
    copy_text(shape->text, sizeof shape->text, mh_slice_text(text));
  }
  shape->count++;
  add_id(shape, document);
  *found = shape;
  return MH_OK;
}

/* ---- losses ---- */

static enum mh_lost lost_kind(enum mh_type type) {
  switch (type) {
    case MH_STRING: return MH_LOST_STRINGS;
    case MH_INT64:
    case MH_DOUBLE: return MH_LOST_NUMBERS;
    case MH_BOOLEAN: return MH_LOST_BOOLEANS;
    case MH_BYTES: return MH_LOST_BYTES;
    case MH_ARRAY: return MH_LOST_ARRAYS;
    default: return MH_LOST_OBJECTS;
  }
}

const char *mh_lost_name(enum mh_lost kind) {
  static const char *const names[MH_LOST_KINDS] = {
      [MH_LOST_STRINGS] = "string", [MH_LOST_NUMBERS] = "number", [MH_LOST_BOOLEANS] = "boolean",
      [MH_LOST_BYTES] = "bytes",    [MH_LOST_ARRAYS] = "array",   [MH_LOST_OBJECTS] = "object"};
  return names[kind];
}

static bool is_lost(const struct mh_difference *difference) {
  return difference->kind != MH_FIELD_ADDED && difference->before.type != MH_NULL &&
         (difference->kind == MH_FIELD_REMOVED || difference->after.type == MH_NULL);
}

static mh_status add_loss(struct mh_shapes *shapes, const char *table, struct mh_slice path, enum mh_type type,
                          struct mh_error *err) {
  uint64_t hash = hash_of(table, path);
  struct mh_loss *loss = NULL;
  for (size_t i = 0; i < shapes->loss_count && !loss; i++) {
    struct mh_loss *each = &shapes->losses[i];
    if (each->hash == hash && mh_slice_equal(mh_slice_text(each->path), path) && strcmp(each->table, table) == 0)
      loss = each;
  }
  if (!loss && shapes->loss_count == MH_LOSSES_MAX) {
    shapes->other_losses++;
    return MH_OK;
  }
  if (!loss) {
    struct mh_loss *losses = mh_array_reserve(shapes->losses, shapes->loss_count, &shapes->loss_room, sizeof *losses);
    if (!losses) return mh_fail_nomem(err);
    shapes->losses = losses;
    loss = &losses[shapes->loss_count++];
    *loss = (struct mh_loss){.hash = hash};
    copy_text(loss->table, sizeof loss->table, mh_slice_text(table));
    copy_text(loss->path, sizeof loss->path, path);
  }
  loss->count++;
  loss->by_type[lost_kind(type)]++;
  return MH_OK;
}

/* ---- all of it ---- */

mh_status mh_shapes_add(struct mh_shapes *shapes, const char *table, struct mh_slice before, struct mh_slice after,
                        const struct mh_shape **shape, bool *first_of_table, struct mh_error *err) {
  struct mh_differences *differences = &shapes->differences;
  char text[MH_SHAPE_BYTES_MAX + 1];
  count_document(shapes, touch(shapes, table, first_of_table), before.size, after.size);
  mh_status status = mh_differences_find(differences, before, after, err);
  if (status) return status;
  if (before.size && after.size) {
    shape_of_differences(differences, text);
    shapes->other_losses += differences->more_removed;
    for (size_t i = 0; !status && i < differences->count; i++) {
      const struct mh_difference *difference = &differences->list[i];
      if (is_lost(difference))
        status = add_loss(shapes, table, mh_difference_path(differences, difference), difference->before.type, err);
    }
  } else {
    strcpy(text, before.size ? "deleted" : "inserted");
  }
  return status ? status : add_shape(shapes, table, text, before.size ? before : after, shape, err);
}

static size_t place_of(const struct mh_shapes *shapes, const char *table) {
  size_t place = 0;
  while (place < shapes->touched_count && strcmp(shapes->touched[place].table, table) != 0) place++;
  return place;
}

static int compare_shapes(const void *first, const void *second, void *shapes) {
  const struct mh_shape *a = first, *b = second;
  size_t a_place = place_of(shapes, a->table), b_place = place_of(shapes, b->table);
  if (a_place != b_place) return a_place < b_place ? -1 : 1;
  if (strcmp(a->table, b->table) != 0) return strcmp(a->table, b->table);
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  return strcmp(a->text, b->text);
}

void mh_shapes_sort(struct mh_shapes *shapes) {
  if (shapes->count) qsort_r(shapes->list, shapes->count, sizeof *shapes->list, compare_shapes, shapes);
}

void mh_shapes_free(struct mh_shapes *shapes) {
  free(shapes->list);
  free(shapes->losses);
  mh_differences_free(&shapes->differences);
  *shapes = (struct mh_shapes){0};
}
