#include "spool.h"

#include "spill.h"
#include "thread.h"

#include <pthread.h>
#include <stdlib.h>

enum { HEADER_BYTES = 4 };

struct mh_spool {
  size_t memory_bytes;
  struct mh_buffer held; /* writing: what is not in the file yet; reading: a window of it, consumed up to `at` */
  struct mh_spill spill;

  /* A thread writes one buffer out while the next is filled. It is the only one to touch `spill` until it ended. */
  pthread_t writer;
  bool writing;
  struct mh_buffer out;
  mh_status written;
  struct mh_error write_error;

  size_t at;
  uint64_t position; /* in the file, behind the window */
};

mh_status mh_spool_new(const char *directory, size_t memory_bytes, mh_spool **out, struct mh_error *err) {
  mh_spool *spool = calloc(1, sizeof *spool);
  if (!spool) return mh_fail_nomem(err);
  spool->memory_bytes = memory_bytes;
  spool->spill = mh_spill_in(directory);
  *out = spool;
  return MH_OK;
}

static void *writer_thread(void *argument) {
  mh_spool *spool = argument;
  spool->written = mh_spill_write(&spool->spill, mh_buffer_slice(&spool->out), &spool->write_error);
  return NULL;
}

static mh_status wait_for_writer(mh_spool *spool, struct mh_error *err) {
  if (!spool->writing) return MH_OK;
  pthread_join(spool->writer, NULL);
  spool->writing = false;
  if (spool->written) *err = spool->write_error;
  return spool->written;
}

void mh_spool_free(mh_spool *spool) {
  if (!spool) return;
  struct mh_error ignored;
  wait_for_writer(spool, &ignored);
  mh_spill_close(&spool->spill);
  mh_buffer_free(&spool->held);
  mh_buffer_free(&spool->out);
  free(spool);
}

/* Has what is held written out. */
static mh_status write_out(mh_spool *spool, struct mh_error *err) {
  mh_status status = wait_for_writer(spool, err);
  if (status) return status;
  struct mh_buffer emptied = spool->out;
  emptied.size = 0;
  spool->out = spool->held;
  spool->held = emptied;
  status = mh_thread_start(&spool->writer, writer_thread, spool, "the thread that writes the spool", err);
  spool->writing = !status;
  return status;
}

mh_status mh_spool_add(mh_spool *spool, const struct mh_slice *parts, size_t count, struct mh_error *err) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += parts[i].size;
  if (spool->held.size && spool->held.size + HEADER_BYTES + bytes > spool->memory_bytes) {
    mh_status status = write_out(spool, err);
    if (status) return status;
  }
  uint32_t header = (uint32_t)bytes;
  if (!mh_buffer_reserve(&spool->held, HEADER_BYTES + bytes)) return mh_fail_nomem(err);
  mh_buffer_append(&spool->held, &header, HEADER_BYTES);
  for (size_t i = 0; i < count; i++) mh_buffer_append(&spool->held, parts[i].data, parts[i].size);
  return MH_OK;
}

mh_status mh_spool_rewind(mh_spool *spool, struct mh_error *err) {
  if (!spool->writing) return MH_OK; /* all of it is in memory */
  mh_status status = write_out(spool, err);
  if (!status) status = wait_for_writer(spool, err);
  mh_buffer_free(&spool->out);
  return status;
}

/* Brings `need` bytes into the window behind `at`, and as many more as memory holds. */
static mh_status fill(mh_spool *spool, size_t need, struct mh_error *err) {
  struct mh_buffer *held = &spool->held;
  size_t kept = held->size - spool->at;
  if (kept >= need) return MH_OK;
  memmove(held->data, held->data + spool->at, kept);
  held->size = kept;
  spool->at = 0;
  uint64_t left = spool->spill.bytes - spool->position;
  size_t more = (need > spool->memory_bytes ? need : spool->memory_bytes) - kept;
  if (more > left) more = (size_t)left;
  if (kept + more < need) return mh_fail(err, MH_IO, "the temporary file in %s was changed", spool->spill.directory);
  if (!mh_buffer_reserve(held, more)) return mh_fail_nomem(err);
  mh_status status = mh_spill_read(&spool->spill, spool->position, held->data + kept, more, err);
  if (status) return status;
  mh_spill_forget(&spool->spill, spool->position, more);
  held->size += more;
  spool->position += more;
  return MH_OK;
}

mh_status mh_spool_next(mh_spool *spool, struct mh_slice *record, bool *found, struct mh_error *err) {
  *found = spool->at < spool->held.size || spool->position < spool->spill.bytes;
  if (!*found) return MH_OK;
  uint32_t bytes = 0;
  mh_status status = fill(spool, HEADER_BYTES, err);
  if (!status) memcpy(&bytes, spool->held.data + spool->at, HEADER_BYTES);
  if (!status) status = fill(spool, HEADER_BYTES + (size_t)bytes, err);
  if (status) return status;
  *record = mh_slice(spool->held.data + spool->at + HEADER_BYTES, bytes);
  spool->at += HEADER_BYTES + (size_t)bytes;
  return MH_OK;
}
