/* A field with the value v has two places in the order of entries: *at* v, before every entry with that value or a
 * higher one, and *behind* it, before every entry with a higher one.
 *
 *                    at v                       behind v
 *   own field        key of v                   key of v, ff
 *   _creationTime    order form of v, 8 bytes   the same plus 1      v of a type that lies below numbers: nothing;
 *   _id, a text      text of v                  text of v, 00        of one that lies above them (texts): ff
 *
 * (ff, because what follows the key of a field begins with 01 to 15 or 80 to c3. The next byte string that does not
 * begin with the key would be too high: "a" is 10 61 00, and above it is "a\0", 10 61 00 ff 00.)
 *
 * So with P, the places of the equal fields one behind the other, the conditions on the next field give
 *
 *   gte v: lower = P, at v     gt v: lower = P, behind v     neither: lower = P
 *   lt v:  upper = P, at v     lte v: upper = P, behind v    neither: upper = P, but behind its last field
 *
 * The end of everything is ff: an entry begins with a type (01 to 15) or a creation time above 0 and below 2^53 (80 to
 * c3), a text is UTF-8.
 *
 * Example: an index on a, b; a = 1, b > "x":   lower  0d bff0000000000000 10 78 00 ff
 *                                              upper  0d bff0000000000000 ff */
#include "query_range.h"

#include "nearest.h"

#include <math.h>
#include <stdio.h>

enum {
  BEYOND = 0xff,
  RANKS_MAX = MH_INDEX_FIELDS_MAX + 2, /* the two that every index has behind its own */
  LIST_BYTES = 512,                    /* of the fields, in an error */
  NAME_BYTES = 128                     /* of one: a glance, not a dump */
};

static const char *const compare_names[] = {[MH_EQ] = "eq", [MH_GT] = "gt", [MH_GTE] = "gte", [MH_LT] = "lt",
                                            [MH_LTE] = "lte"};

/* -- The fields, by rank ------------------------------------------------------------------------------------------ */

static size_t own_count(const struct mh_query_fields *fields) { return fields->own ? fields->own->count : 0; }
static size_t id_rank(const struct mh_query_fields *fields) { return fields->by_id ? 0 : own_count(fields) + 1; }
static size_t rank_count(const struct mh_query_fields *fields) { return id_rank(fields) + 1; }

static const char *field_name(const struct mh_query_fields *fields, size_t rank) {
  if (rank == id_rank(fields)) return "_id";
  return rank < own_count(fields) ? fields->own->paths[rank].text : "_creationTime";
}

/* "a, b, _creationTime": what a range is usually over. */
static const char *list_fields(const struct mh_query_fields *fields, char text[LIST_BYTES]) {
  size_t used = 0, last = fields->by_id ? 0 : own_count(fields);
  for (size_t rank = 0; rank <= last && used < LIST_BYTES; rank++)
    used += (size_t)snprintf(text + used, LIST_BYTES - used, "%s%s", rank ? ", " : "", field_name(fields, rank));
  return text;
}

static mh_status fail_unknown(const struct mh_query_fields *fields, struct mh_slice path, struct mh_error *err) {
  char name[NAME_BYTES], list[LIST_BYTES];
  snprintf(name, sizeof name, "%.*s", (int)(path.size < NAME_BYTES ? path.size : NAME_BYTES), (const char *)path.data);
  struct mh_nearest nearest = mh_nearest(name);
  for (size_t rank = 0; rank < rank_count(fields); rank++) mh_nearest_offer(&nearest, field_name(fields, rank));
  return mh_fail(err, MH_INVALID, "\"%s\" is not a field of this index; it has %s%s%s%s", name,
                 list_fields(fields, list), nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                 nearest.best ? "\"?" : "");
}

/* -- The conditions, by rank -------------------------------------------------------------------------------------- */

/* At most one of each kind a field, and one lower and one upper bound, on the same field. */
struct sorted {
  const struct mh_query_fields *fields;
  const struct mh_condition *equal[RANKS_MAX];
  const struct mh_condition *lower, *upper;
  size_t lower_rank, upper_rank;
  size_t equal_count; /* fields from the first on that have an `eq` */
};

static mh_status add_equal(struct sorted *sorted, const struct mh_condition *condition, size_t rank,
                           struct mh_error *err) {
  if (sorted->equal[rank])
    return mh_fail(err, MH_INVALID, "\"%s\" has eq twice; a range takes one eq a field",
                   field_name(sorted->fields, rank));
  sorted->equal[rank] = condition;
  return MH_OK;
}

static mh_status add_bound(struct sorted *sorted, const struct mh_condition *condition, size_t rank,
                           struct mh_error *err) {
  bool is_lower = condition->compare == MH_GT || condition->compare == MH_GTE;
  const struct mh_condition **bound = is_lower ? &sorted->lower : &sorted->upper;
  size_t *bound_rank = is_lower ? &sorted->lower_rank : &sorted->upper_rank;
  if (*bound)
    return mh_fail(err, MH_INVALID,
                   "%s(\"%s\", ...) is a second %s bound, after %s(\"%s\", ...); a range takes one of %s",
                   compare_names[condition->compare], field_name(sorted->fields, rank), is_lower ? "lower" : "upper",
                   compare_names[(*bound)->compare], field_name(sorted->fields, *bound_rank),
                   is_lower ? "gt and gte" : "lt and lte");
  *bound = condition;
  *bound_rank = rank;
  return MH_OK;
}

static mh_status check_equal_or_bound(const struct sorted *sorted, const struct mh_condition *bound, size_t rank,
                                      struct mh_error *err) {
  if (!bound || !sorted->equal[rank]) return MH_OK;
  return mh_fail(err, MH_INVALID, "\"%s\" has both eq and %s; leave one out", field_name(sorted->fields, rank),
                 compare_names[bound->compare]);
}

/* The field at `rank` has a condition, but the one at `missing` before it has no `eq`. */
static mh_status fail_order(const struct sorted *sorted, size_t rank, size_t missing, struct mh_error *err) {
  char list[LIST_BYTES];
  const char *used = field_name(sorted->fields, rank), *skipped = field_name(sorted->fields, missing);
  list_fields(sorted->fields, list);
  const struct mh_condition *bound = sorted->lower && sorted->lower_rank == missing   ? sorted->lower
                                     : sorted->upper && sorted->upper_rank == missing ? sorted->upper
                                                                                      : NULL;
  if (bound)
    return mh_fail(err, MH_INVALID,
                   "the range must use the index's fields in order: %s; \"%s\" is used behind %s(\"%s\", ...), but "
                   "only eq may come before another field: use filter for \"%s\"",
                   list, used, compare_names[bound->compare], skipped, used);
  return mh_fail(err, MH_INVALID,
                 "the range must use the index's fields in order: %s; \"%s\" is used but \"%s\" is not", list, used,
                 skipped);
}

/* The rules that concern several conditions. */
static mh_status check_sorted(struct sorted *sorted, struct mh_error *err) {
  const struct mh_query_fields *fields = sorted->fields;
  mh_status status = check_equal_or_bound(sorted, sorted->lower, sorted->lower_rank, err);
  if (!status) status = check_equal_or_bound(sorted, sorted->upper, sorted->upper_rank, err);
  if (status) return status;
  if (sorted->lower && sorted->upper && sorted->lower_rank != sorted->upper_rank)
    return mh_fail(err, MH_INVALID,
                   "the lower bound is on \"%s\" and the upper one on \"%s\", but both must be on one field; use "
                   "filter for the other",
                   field_name(fields, sorted->lower_rank), field_name(fields, sorted->upper_rank));
  size_t rank = 0, count = rank_count(fields);
  while (rank < count && sorted->equal[rank]) rank++;
  sorted->equal_count = rank;
  while (++rank < count)
    if (sorted->equal[rank]) return fail_order(sorted, rank, sorted->equal_count, err);
  rank = sorted->lower ? sorted->lower_rank : sorted->upper ? sorted->upper_rank : sorted->equal_count;
  return rank == sorted->equal_count ? MH_OK : fail_order(sorted, rank, sorted->equal_count, err);
}

static mh_status sort_conditions(struct sorted *sorted, const struct mh_condition *conditions, size_t count,
                                 struct mh_error *err) {
  const struct mh_query_fields *fields = sorted->fields;
  for (size_t i = 0; i < count; i++) {
    size_t rank = 0, ranks = rank_count(fields);
    while (rank < ranks && !mh_slice_equal(conditions[i].path, mh_slice_text(field_name(fields, rank)))) rank++;
    mh_status status = rank == ranks                      ? fail_unknown(fields, conditions[i].path, err)
                       : conditions[i].compare == MH_EQ ? add_equal(sorted, &conditions[i], rank, err)
                                                          : add_bound(sorted, &conditions[i], rank, err);
    if (status) return status;
  }
  return check_sorted(sorted, err);
}

/* -- Places ------------------------------------------------------------------------------------------------------- */

enum edge { AT, BEHIND };

/* Of the values of `_creationTime` or `_id`, where the condition's value lies among them. */
enum side { BELOW, AMONG, ABOVE };

/* The order of types (SPEC 4), numbers being one; absent comes first. */
static unsigned type_rank(const struct mh_field *value) {
  if (!value) return 0;
  switch (value->type) {
  case MH_NULL: return 1;
  case MH_INT64:
  case MH_DOUBLE: return 2;
  case MH_BOOLEAN: return 3;
  case MH_STRING: return 4;
  case MH_BYTES: return 5;
  case MH_ARRAY: return 6;
  case MH_OBJECT: break;
  }
  return 7;
}

/* Up to 2^53 every integer is a double; creation times end there. */
static enum side time_side(const struct mh_field *value, double *time) {
  enum { NUMBERS = 2 };
  unsigned rank = type_rank(value);
  if (rank != NUMBERS) return rank < NUMBERS ? BELOW : ABOVE;
  if (value->type == MH_INT64) {
    *time = (double)mh_field_int64(value);
    return *time <= -MH_CREATION_TIME_END ? BELOW : *time >= MH_CREATION_TIME_END ? ABOVE : AMONG;
  }
  *time = mh_field_double(value);
  return isnan(*time) ? ABOVE : AMONG;
}

static enum side id_side(const struct mh_field *value) {
  enum { STRINGS = 4 };
  unsigned rank = type_rank(value);
  return rank == STRINGS ? AMONG : rank < STRINGS ? BELOW : ABOVE;
}

static bool put_byte(struct mh_buffer *out, uint8_t byte) { return mh_buffer_append(out, &byte, 1); }

/* Appends the place of the condition's value in the field of that rank. False when memory is gone. */
static bool put_place(const struct mh_query_fields *fields, size_t rank, const struct mh_condition *condition,
                      enum edge edge, struct mh_buffer *out) {
  const struct mh_field *value = condition->value;
  if (!fields->by_id && rank < own_count(fields))
    return mh_index_key_value(value, out) && (edge == AT || put_byte(out, BEYOND));
  double time = 0;
  bool is_id = rank == id_rank(fields);
  enum side side = is_id ? id_side(value) : time_side(value, &time);
  if (side != AMONG) return side == BELOW || put_byte(out, BEYOND);
  if (is_id) {
    struct mh_slice text = mh_field_string(value);
    return mh_buffer_append(out, text.data, text.size) && (edge == AT || put_byte(out, 0));
  }
  uint8_t order[8];
  mh_put_u64(order, mh_order_double(time) + (edge == BEHIND));
  return mh_buffer_append(out, order, sizeof order);
}

/* The bounds of the conditions on the fields [from, to), a place for each of which is in an entry. */
static bool put_bounds(const struct sorted *sorted, size_t from, size_t to, struct mh_buffer *lower,
                       struct mh_buffer *upper) {
  const struct mh_query_fields *fields = sorted->fields;
  size_t rank = from, last = 0; /* where the last equal field's place begins */
  bool room = true;
  for (; room && rank < to && rank < sorted->equal_count; rank++) {
    last = lower->size;
    room = put_place(fields, rank, sorted->equal[rank], AT, lower);
  }
  bool has_bounds = rank < to; /* those there are, are on this field */
  const struct mh_condition *bound = has_bounds ? sorted->upper : NULL;
  if (bound)
    room = room && mh_buffer_append(upper, lower->data, lower->size) &&
           put_place(fields, rank, bound, bound->compare == MH_LT ? AT : BEHIND, upper);
  else if (rank > from)
    room = room && mh_buffer_append(upper, lower->data, last) &&
           put_place(fields, rank - 1, sorted->equal[rank - 1], BEHIND, upper);
  else
    room = put_byte(upper, BEYOND);
  bound = has_bounds ? sorted->lower : NULL;
  return room && (!bound || put_place(fields, rank, bound, bound->compare == MH_GTE ? AT : BEHIND, lower));
}

mh_status mh_query_range_compile(const struct mh_query_fields *fields, const struct mh_condition *conditions,
                                 size_t count, struct mh_query_range *range, struct mh_error *err) {
  struct sorted sorted = {.fields = fields};
  if (sort_conditions(&sorted, conditions, count, err)) return mh_error_at(err, "%s.%s", fields->table, fields->index);
  size_t ranks = rank_count(fields), placed = fields->by_id ? ranks : id_rank(fields);
  bool room = put_bounds(&sorted, 0, placed, &range->lower, &range->upper);
  range->has_ids = sorted.equal_count > placed || (sorted.equal_count == placed && (sorted.lower || sorted.upper));
  if (range->has_ids) room = room && put_bounds(&sorted, placed, ranks, &range->id_lower, &range->id_upper);
  return room ? MH_OK : mh_fail_nomem(err);
}

void mh_query_range_free(struct mh_query_range *range) {
  mh_buffer_free(&range->lower);
  mh_buffer_free(&range->upper);
  mh_buffer_free(&range->id_lower);
  mh_buffer_free(&range->id_upper);
}

bool mh_query_range_is_empty(const struct mh_query_range *range) {
  return mh_slice_compare(mh_buffer_slice(&range->lower), mh_buffer_slice(&range->upper)) >= 0 ||
         (range->has_ids &&
          mh_slice_compare(mh_buffer_slice(&range->id_lower), mh_buffer_slice(&range->id_upper)) >= 0);
}

bool mh_query_range_is_end(struct mh_slice upper) { return upper.size > 0 && upper.data[0] == BEYOND; }

bool mh_query_range_holds(const struct mh_query_range *range, struct mh_slice place) {
  return mh_slice_compare(place, mh_buffer_slice(&range->lower)) >= 0 &&
         mh_slice_compare(place, mh_buffer_slice(&range->upper)) < 0;
}

bool mh_query_range_pass(struct mh_query_range *range, bool descending, struct mh_slice place) {
  struct mh_buffer *bound = descending ? &range->upper : &range->lower;
  bound->size = 0;
  return mh_buffer_append(bound, place.data, place.size) && (descending || put_byte(bound, 0));
}
