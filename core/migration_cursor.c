/* A cursor as text:
 *
 *   a run in key order   the 16-byte key, in hexadecimal
 *   a run over a range   "r", then in hexadecimal: u32 checksum of the index's name and the place | place */
#include "migration.h"

#include "query_cursor.h"

#include <stdlib.h>

enum { CHECKSUM_BYTES = 4 };

/* A place is one in an index of that name: whatever bounds, which may come from the time, and direction are. */
static uint32_t checksum(const struct mh_run_record *record, struct mh_slice place) {
  const char *index = mh_query_description_index(mh_run_range(record));
  return (uint32_t)mh_query_hash(mh_query_hash(MH_QUERY_HASH_START, mh_slice_text(index)), place);
}

static bool append_hex(struct mh_buffer *text, const uint8_t *bytes, size_t size) {
  bool ok = true;
  for (size_t i = 0; ok && i < size; i++) ok = mh_buffer_format(text, "%02x", bytes[i]);
  return ok;
}

mh_status mh_run_cursor_text(const struct mh_run_record *record, struct mh_buffer *text, struct mh_error *err) {
  bool ok = true;
  uint8_t sum[CHECKSUM_BYTES];
  if (record->state == MH_RUN_SUCCESS) {
    /* nothing follows it */
  } else if (record->range_size && record->place_size) {
    mh_put_u32(sum, checksum(record, mh_slice(record->place, record->place_size)));
    ok = mh_buffer_append_text(text, "r") && append_hex(text, sum, sizeof sum) &&
         append_hex(text, record->place, record->place_size);
  } else if (!record->range_size && record->has_cursor) {
    ok = append_hex(text, record->cursor.bytes, MH_KEY_BYTES);
  }
  return ok && mh_buffer_append(text, "", 1) ? MH_OK : mh_fail_nomem(err);
}

/* The bytes that `digits` stands for; 0 where it stands for none, or for more than `room`. */
static size_t parse_hex(const char *digits, uint8_t *bytes, size_t room) {
  size_t length = strlen(digits), size = length / 2;
  if (length % 2 || size > room || strspn(digits, "0123456789abcdef") != length) return 0;
  for (size_t i = 0; i < size; i++) {
    const char pair[] = {digits[2 * i], digits[2 * i + 1], 0};
    bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return size;
}

static bool parse_key(const char *text, struct mh_key *key) {
  if (parse_hex(text, key->bytes, sizeof key->bytes) != sizeof key->bytes) return false;
  double time = mh_key_creation_time(mh_key_slice(key));
  return time > 0 && time < MH_CREATION_TIME_END;
}

static bool parse_place(const char *text, struct mh_slice *place, uint8_t room[CHECKSUM_BYTES + MH_RUN_PLACE_BYTES_MAX]) {
  size_t size = *text == 'r' ? parse_hex(text + 1, room, CHECKSUM_BYTES + MH_RUN_PLACE_BYTES_MAX) : 0;
  *place = mh_slice(room + CHECKSUM_BYTES, size > CHECKSUM_BYTES ? size - CHECKSUM_BYTES : 0);
  return place->size;
}

static mh_status check_place(const char *text, const struct mh_run_record *record, uint32_t sum, struct mh_slice place,
                             struct mh_error *err) {
  const char *index = mh_query_description_index(mh_run_range(record));
  if (sum != checksum(record, place))
    return mh_fail(err, MH_USAGE, "'%.80s' is not a cursor of a run along the index %s; take one that `mighost status "
                   "--json` printed of it", text, index);
  if (place.size >= MH_RUN_PLACE_BYTES_MAX)
    return mh_fail(err, MH_USAGE, "'%.80s' does not tell which documents are behind it: the values in the index %s are too "
                   "long for a cursor; leave --cursor out to go on, or begin again with --reset", text, index);
  return MH_OK;
}

static mh_status fail_text(const char *text, struct mh_error *err) {
  return mh_fail(err, MH_USAGE, "'%.80s' is not a cursor; take one that `mighost status --json` printed", text);
}

mh_status mh_run_cursor_check(const char *text, struct mh_error *err) {
  struct mh_key key;
  struct mh_slice place;
  uint8_t room[CHECKSUM_BYTES + MH_RUN_PLACE_BYTES_MAX];
  return parse_key(text, &key) || parse_place(text, &place, room) ? MH_OK : fail_text(text, err);
}

mh_status mh_run_cursor_read(const char *text, struct mh_run_record *record, struct mh_error *err) {
  struct mh_key key;
  struct mh_slice place;
  uint8_t room[CHECKSUM_BYTES + MH_RUN_PLACE_BYTES_MAX];
  bool is_key = parse_key(text, &key), is_place = !is_key && parse_place(text, &place, room);
  if (!is_key && !is_place) return fail_text(text, err);
  if (is_key && record->range_size)
    return mh_fail(err, MH_USAGE, "'%.80s' is the cursor of a run over a whole table, and this one goes over its "
                   "customRange; take one that `mighost status --json` printed of it", text);
  if (is_place && !record->range_size)
    return mh_fail(err, MH_USAGE, "'%.80s' is the cursor of a run over a customRange, and this one goes over the whole "
                   "table; take one that `mighost status --json` printed of it", text);
  if (is_key) {
    record->has_cursor = true;
    record->cursor = key;
    return MH_OK;
  }
  mh_status status = check_place(text, record, mh_get_u32(room), place, err);
  if (status) return status;
  memcpy(record->place, place.data, place.size);
  record->place_size = (uint32_t)place.size;
  return MH_OK;
}
