#include "difference.h"

#include "json.h"

#include <stdlib.h>

struct finding {
  struct mh_differences *out;
  struct mh_buffer path; /* of the level at hand */
};

/* ---- paths ---- */

static bool is_plain(struct mh_slice name) {
  for (size_t i = 0; i < name.size; i++) {
    uint8_t c = name.data[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
    if (!letter && c != '_' && c != '$' && (c != '-' || i == 0)) return false;
  }
  return name.size > 0;
}

/* Appends ".name" to the path at hand. */
static bool enter_name(struct finding *finding, struct mh_slice name) {
  struct mh_buffer *path = &finding->path;
  return (!path->size || mh_buffer_append_text(path, ".")) &&
         (is_plain(name) ? mh_buffer_append(path, name.data, name.size) : mh_json_write_string(name, path));
}

/* The path at hand, cut between characters where it is too long. */
static bool keep_path(struct finding *finding, struct mh_difference *difference) {
  static const char cut[] = "...";
  struct mh_buffer *paths = &finding->out->paths;
  size_t size = finding->path.size;
  bool fits = size <= MH_DIFFERENCE_PATH_MAX;
  if (!fits)
    for (size = MH_DIFFERENCE_PATH_MAX - strlen(cut); (finding->path.data[size] & 0xc0) == 0x80;) size--;
  difference->path_start = paths->size;
  bool ok = mh_buffer_append(paths, finding->path.data, size) && (fits || mh_buffer_append_text(paths, cut));
  difference->path_size = paths->size - difference->path_start;
  return ok;
}

struct mh_slice mh_difference_path(const struct mh_differences *differences, const struct mh_difference *difference) {
  return mh_slice(differences->paths.data + difference->path_start, difference->path_size);
}

/* ---- what is kept ---- */

static bool add(struct finding *finding, struct mh_difference difference) {
  struct mh_differences *out = finding->out;
  if (out->count == MH_DIFFERENCES_MAX) {
    out->more++;
    out->more_removed += difference.kind == MH_FIELD_REMOVED && difference.before.type != MH_NULL;
    return true;
  }
  struct mh_difference *list = mh_array_reserve(out->list, out->count, &out->room, sizeof *list);
  if (list) out->list = list;
  if (!list || !keep_path(finding, &difference)) return false;
  list[out->count++] = difference;
  return true;
}

static bool push_field(struct mh_differences *out, const struct mh_field *field) {
  struct mh_field *fields = mh_array_reserve(out->fields, out->field_count, &out->field_room, sizeof *fields);
  if (!fields) return false;
  out->fields = fields;
  fields[out->field_count++] = *field;
  return true;
}

/* ---- one level ---- */

static bool same_value(const struct mh_field *a, const struct mh_field *b) {
  return a->type == b->type && mh_slice_equal(a->raw, b->raw);
}

static int compare_names(const void *a, const void *b) {
  return mh_slice_compare(((const struct mh_field *)a)->name, ((const struct mh_field *)b)->name);
}

/* One side's fields among out->fields. */
struct side {
  size_t next, end;
};

/* Reads on to the end. */
static bool push_rest(struct mh_differences *out, struct mh_bson_reader *reader) {
  struct mh_field field;
  while (mh_bson_next(reader, &field))
    if (!push_field(out, &field)) return false;
  return true;
}

/* Pushes the fields of both sides, but for those at the beginning that stand on both with the same value: most of them,
 * and often all but one. */
static mh_status push_sides(struct mh_differences *out, struct mh_slice before, struct mh_slice after, struct side *old,
                            struct side *new, struct mh_error *err) {
  static const uint8_t nothing[] = {5, 0, 0, 0, 0};
  struct mh_bson_reader readers[2];
  struct mh_field fields[2];
  bool any[2] = {true, true};
  mh_bson_read(&readers[0], before.size ? before : mh_slice(nothing, sizeof nothing));
  mh_bson_read(&readers[1], after.size ? after : mh_slice(nothing, sizeof nothing));
  do {
    any[0] = mh_bson_next(&readers[0], &fields[0]);
    any[1] = mh_bson_next(&readers[1], &fields[1]);
  } while (any[0] && any[1] && mh_slice_equal(fields[0].name, fields[1].name) && same_value(&fields[0], &fields[1]));
  old->next = out->field_count;
  if ((any[0] && !push_field(out, &fields[0])) || !push_rest(out, &readers[0])) return mh_fail_nomem(err);
  old->end = new->next = out->field_count;
  if ((any[1] && !push_field(out, &fields[1])) || !push_rest(out, &readers[1])) return mh_fail_nomem(err);
  new->end = out->field_count;
  if (readers[0].damaged || readers[1].damaged) return mh_fail(err, MH_DAMAGED, "the stored bytes are not a document");
  if (old->end - old->next > 1)
    qsort(out->fields + old->next, old->end - old->next, sizeof *out->fields, compare_names);
  if (new->end - new->next > 1)
    qsort(out->fields + new->next, new->end - new->next, sizeof *out->fields, compare_names);
  return MH_OK;
}

static mh_status find(struct finding *finding, struct mh_slice before, struct mh_slice after, unsigned depth,
                      struct mh_error *err);

/* What became of the field of a name that at least one side has. */
static mh_status compare_field(struct finding *finding, struct mh_difference difference, unsigned depth,
                               struct mh_error *err) {
  bool changed = difference.kind == MH_FIELD_CHANGED;
  const struct mh_field *before = &difference.before, *after = &difference.after;
  if (changed && same_value(before, after)) return MH_OK;
  size_t above = finding->path.size;
  mh_status status = MH_OK;
  if (!enter_name(finding, difference.kind == MH_FIELD_ADDED ? after->name : before->name)) return mh_fail_nomem(err);
  if (changed && before->type == MH_OBJECT && after->type == MH_OBJECT && depth < MH_DEPTH_MAX)
    status = find(finding, before->raw, after->raw, depth + 1, err);
  else if (!add(finding, difference))
    status = mh_fail_nomem(err);
  finding->path.size = above;
  return status;
}

static mh_status find(struct finding *finding, struct mh_slice before, struct mh_slice after, unsigned depth,
                      struct mh_error *err) {
  struct mh_differences *out = finding->out;
  struct side old = {0}, new = {0};
  size_t scratch = out->field_count;
  mh_status status = push_sides(out, before, after, &old, &new, err);
  while (!status && (old.next < old.end || new.next < new.end)) {
    const struct mh_field *first = &out->fields[old.next], *second = &out->fields[new.next];
    int order = old.next == old.end ? 1 : new.next == new.end ? -1 : compare_names(first, second);
    struct mh_difference difference = {
        .kind = order < 0 ? MH_FIELD_REMOVED : order > 0 ? MH_FIELD_ADDED : MH_FIELD_CHANGED};
    if (order <= 0) difference.before = *first;
    if (order >= 0) difference.after = *second;
    old.next += order <= 0;
    new.next += order >= 0;
    status = compare_field(finding, difference, depth, err);
  }
  out->field_count = scratch;
  return status;
}

mh_status mh_differences_find(struct mh_differences *differences, struct mh_slice before, struct mh_slice after,
                              struct mh_error *err) {
  struct finding finding = {.out = differences};
  differences->count = differences->more = differences->more_removed = 0;
  differences->field_count = differences->paths.size = 0;
  mh_status status = find(&finding, before, after, 1, err);
  mh_buffer_free(&finding.path);
  return status;
}

void mh_differences_free(struct mh_differences *differences) {
  free(differences->list);
  free(differences->fields);
  mh_buffer_free(&differences->paths);
  *differences = (struct mh_differences){0};
}
