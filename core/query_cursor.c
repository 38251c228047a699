#include "query_cursor.h"

#include "base64.h"

static const char prefix[] = "mh1.";

enum {
  PREFIX_BYTES = sizeof prefix - 1,
  IDENTITY_BYTES = 8,
  CHECKSUM_BYTES = 4,
  NAME_BYTES_MAX = 64
};

uint64_t mh_query_hash(uint64_t hash, struct mh_slice bytes) {
  for (size_t i = 0; i < bytes.size; i++) hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
  return hash;
}

static uint32_t checksum(struct mh_slice bytes) { return (uint32_t)mh_query_hash(MH_QUERY_HASH_START, bytes); }

/* -- base64url (RFC 4648, section 5) without padding -------------------------------------------------------------- */

static void exchange(uint8_t *text, size_t size, const char from[2], const char to[2]) {
  for (size_t i = 0; i < size; i++)
    for (int k = 0; k < 2; k++)
      if (text[i] == (uint8_t)from[k]) {
        text[i] = (uint8_t)to[k];
        break;
      }
}

static bool encode(struct mh_slice bytes, struct mh_buffer *out) {
  size_t start = out->size;
  if (!mh_base64_encode(bytes, out)) return false;
  while (out->size > start && out->data[out->size - 1] == '=') out->size--;
  exchange(out->data + start, out->size - start, "+/", "-_");
  return true;
}

/* Decodes into `out`, which is emptied. False as well when memory is gone, then with *room false. */
static bool decode(struct mh_slice text, struct mh_buffer *out, bool *room) {
  static const char padding[] = "===";
  out->size = 0;
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] == '+' || text.data[i] == '/' || text.data[i] == '=') return false;
  *room = mh_buffer_append(out, text.data, text.size) && mh_buffer_append(out, padding, (4 - text.size % 4) % 4);
  if (!*room) return false;
  exchange(out->data, out->size, "-_", "+/");
  return mh_base64_decode(mh_buffer_slice(out), out->data, &out->size);
}

/* -- The parts ---------------------------------------------------------------------------------------------------- */

bool mh_query_cursor_write(const struct mh_query_cursor *cursor, struct mh_buffer *text) {
  struct mh_buffer bytes = {0};
  uint8_t form = (uint8_t)cursor->form, identity[IDENTITY_BYTES], sum[CHECKSUM_BYTES];
  mh_put_u64(identity, cursor->identity);
  bool room = mh_buffer_append(&bytes, &form, 1) && mh_buffer_append(&bytes, cursor->table.data, cursor->table.size) &&
              mh_buffer_append(&bytes, "", 1) && mh_buffer_append(&bytes, cursor->index.data, cursor->index.size) &&
              mh_buffer_append(&bytes, "", 1) && mh_buffer_append(&bytes, identity, sizeof identity) &&
              mh_buffer_append(&bytes, cursor->place.data, cursor->place.size);
  mh_put_u32(sum, room ? checksum(mh_buffer_slice(&bytes)) : 0);
  room = room && mh_buffer_append(&bytes, sum, sizeof sum) && mh_buffer_append_text(text, prefix) &&
         encode(mh_buffer_slice(&bytes), text);
  mh_buffer_free(&bytes);
  return room;
}

/* Takes a name off the front: it is shown in errors, so only the letters of one pass. */
static bool take_name(struct mh_slice *rest, struct mh_slice *name) {
  size_t size = 0;
  for (; size < rest->size && rest->data[size]; size++) {
    uint8_t letter = rest->data[size];
    bool may_be = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                  (letter >= '0' && letter <= '9') || letter == '_';
    if (!may_be || size == NAME_BYTES_MAX) return false;
  }
  if (size == rest->size) return false;
  *name = mh_slice(rest->data, size);
  *rest = mh_slice(rest->data + size + 1, rest->size - size - 1);
  return true;
}

static bool take_parts(struct mh_slice bytes, struct mh_query_cursor *cursor) {
  if (bytes.size < 1 + CHECKSUM_BYTES) return false;
  struct mh_slice rest = mh_slice(bytes.data, bytes.size - CHECKSUM_BYTES);
  if (checksum(rest) != mh_get_u32(rest.data + rest.size) || rest.data[0] > MH_AT_END) return false;
  cursor->form = (enum mh_query_place)rest.data[0];
  rest = mh_slice(rest.data + 1, rest.size - 1);
  if (!take_name(&rest, &cursor->table) || !take_name(&rest, &cursor->index)) return false;
  if (rest.size < IDENTITY_BYTES) return false;
  cursor->identity = mh_get_u64(rest.data);
  cursor->place = mh_slice(rest.data + IDENTITY_BYTES, rest.size - IDENTITY_BYTES);
  return (cursor->place.size > 0) == (cursor->form == MH_BEHIND_PLACE);
}

mh_status mh_query_cursor_read(struct mh_slice text, struct mh_buffer *scratch, struct mh_query_cursor *cursor,
                               struct mh_error *err) {
  bool room = true;
  if (text.size > PREFIX_BYTES && !memcmp(text.data, prefix, PREFIX_BYTES) &&
      decode(mh_slice(text.data + PREFIX_BYTES, text.size - PREFIX_BYTES), scratch, &room) &&
      take_parts(mh_buffer_slice(scratch), cursor))
    return MH_OK;
  if (!room) return mh_fail_nomem(err);
  return mh_fail(err, MH_INVALID, "this is not a cursor, or not all of one; give the continueCursor of the page before "
                                  "as it is, or null to begin");
}
