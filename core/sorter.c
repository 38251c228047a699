#include "sorter.h"

#include "spill.h"

#include <assert.h>
#include <stdlib.h>

enum {
  HEADER_BYTES = 8,
  WRITE_BYTES = 256 * 1024, /* one write() of a spill */
  WINDOW_BYTES_MIN = 4096,  /* of each run while merging; a header and any key fit */
  WINDOW_BYTES_MAX = 1024 * 1024
};

/* A record in memory. `prefix` holds the key's first bytes behind what all keys have in common: most comparisons end
 * there, without a visit to the record. */
struct entry {
  uint64_t prefix;
  size_t offset; /* in `records` */
};

/* A sorted run while it is merged. `window` holds bytes of the file, those from `at` to `filled` being the ones from
 * `position` on, where the run's next record begins. */
struct run {
  uint64_t position, end; /* in the file */
  uint8_t *window;
  size_t at, filled;
  uint32_t key_size, value_size; /* of the next record; its key is in the window */
};

struct mh_sorter {
  size_t memory_bytes;
  struct mh_buffer records;
  struct entry *entries;
  size_t count, room;
  size_t common; /* bytes all keys in memory start with */
  size_t read;   /* entries given out, where nothing was spilled */

  struct mh_spill spill;
  struct run *runs;
  size_t run_count, run_room;
  size_t window_bytes;
  uint8_t *windows;
  size_t *heap; /* indices of runs that are not at their end, the smallest key first */
  size_t heap_count;
  bool top_given;          /* the record of heap[0] was given out */
  struct mh_buffer large;  /* a value that does not fit a window */
};

mh_status mh_sorter_new(const char *directory, size_t memory_bytes, mh_sorter **out, struct mh_error *err) {
  mh_sorter *sorter = calloc(1, sizeof *sorter);
  if (!sorter) return mh_fail_nomem(err);
  sorter->memory_bytes = memory_bytes;
  sorter->spill = mh_spill_in(directory);
  *out = sorter;
  return MH_OK;
}

static void free_memory(mh_sorter *sorter) {
  mh_buffer_free(&sorter->records);
  free(sorter->entries);
  sorter->entries = NULL;
  sorter->count = sorter->room = 0;
}

void mh_sorter_free(mh_sorter *sorter) {
  if (!sorter) return;
  free_memory(sorter);
  mh_spill_close(&sorter->spill);
  free(sorter->runs);
  free(sorter->windows);
  free(sorter->heap);
  mh_buffer_free(&sorter->large);
  free(sorter);
}

/* -- In memory --------------------------------------------------------------------------------------------------- */

static void read_record(const uint8_t *record, struct mh_slice *key, struct mh_slice *value) {
  uint32_t sizes[2];
  memcpy(sizes, record, HEADER_BYTES);
  *key = mh_slice(record + HEADER_BYTES, sizes[0]);
  *value = mh_slice(record + HEADER_BYTES + sizes[0], sizes[1]);
}

static int compare_entries(const void *left, const void *right, void *records) {
  const struct entry *a = left, *b = right;
  if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
  struct mh_slice key_a, key_b, value;
  read_record((const uint8_t *)records + a->offset, &key_a, &value);
  read_record((const uint8_t *)records + b->offset, &key_b, &value);
  int order = mh_slice_compare(key_a, key_b);
  return order ? order : (a->offset > b->offset) - (a->offset < b->offset);
}

static void sort_memory(mh_sorter *sorter) {
  for (size_t i = 0; i < sorter->count; i++) {
    struct mh_slice key, value;
    read_record(sorter->records.data + sorter->entries[i].offset, &key, &value);
    uint8_t bytes[8] = {0};
    size_t rest = key.size - sorter->common;
    memcpy(bytes, key.data + sorter->common, rest < sizeof bytes ? rest : sizeof bytes);
    sorter->entries[i].prefix = mh_get_u64(bytes);
  }
  if (sorter->count)
    qsort_r(sorter->entries, sorter->count, sizeof *sorter->entries, compare_entries, sorter->records.data);
}

static bool reserve_entry(mh_sorter *sorter) {
  if (sorter->count < sorter->room) return true;
  size_t room = sorter->room ? sorter->room * 2 : 1024;
  struct entry *entries = realloc(sorter->entries, room * sizeof *entries);
  if (!entries) return false;
  sorter->entries = entries;
  sorter->room = room;
  return true;
}

static void note_common(mh_sorter *sorter, struct mh_slice key) {
  struct mh_slice first, value;
  if (sorter->count == 0) {
    sorter->common = key.size;
    return;
  }
  read_record(sorter->records.data + sorter->entries[0].offset, &first, &value);
  size_t same = 0;
  while (same < sorter->common && same < key.size && key.data[same] == first.data[same]) same++;
  sorter->common = same;
}

/* -- Spilling ---------------------------------------------------------------------------------------------------- */

static mh_status write_run(mh_sorter *sorter, struct mh_error *err) {
  struct mh_buffer out = {0};
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < sorter->count; i++) {
    const uint8_t *record = sorter->records.data + sorter->entries[i].offset;
    struct mh_slice key, value;
    read_record(record, &key, &value);
    if (!mh_buffer_append(&out, record, HEADER_BYTES + key.size + value.size)) status = mh_fail_nomem(err);
    if (status || out.size < WRITE_BYTES) continue;
    status = mh_spill_write(&sorter->spill, mh_buffer_slice(&out), err);
    out.size = 0;
  }
  if (!status) status = mh_spill_write(&sorter->spill, mh_buffer_slice(&out), err);
  mh_buffer_free(&out);
  return status;
}

/* Memory to the file, as one more run. */
static mh_status spill(mh_sorter *sorter, struct mh_error *err) {
  if (sorter->run_count == sorter->run_room) {
    size_t room = sorter->run_room ? sorter->run_room * 2 : 16;
    struct run *runs = realloc(sorter->runs, room * sizeof *runs);
    if (!runs) return mh_fail_nomem(err);
    sorter->runs = runs;
    sorter->run_room = room;
  }
  sort_memory(sorter);
  uint64_t start = sorter->spill.bytes;
  mh_status status = write_run(sorter, err);
  sorter->runs[sorter->run_count++] = (struct run){.position = start, .end = sorter->spill.bytes};
  sorter->records.size = sorter->count = 0;
  return status;
}

mh_status mh_sorter_add(mh_sorter *sorter, struct mh_slice key, struct mh_slice value, struct mh_error *err) {
  assert(key.size <= MH_SORTER_KEY_MAX);
  enum { ENTRY_COST = 2 * sizeof(struct entry) }; /* itself, and what qsort_r takes to merge */
  size_t bytes = HEADER_BYTES + key.size + value.size;
  size_t used = sorter->records.size + sorter->count * ENTRY_COST;
  if (sorter->count && used + bytes + ENTRY_COST > sorter->memory_bytes) {
    mh_status status = spill(sorter, err);
    if (status) return status;
  }
  uint32_t sizes[2] = {(uint32_t)key.size, (uint32_t)value.size};
  size_t offset = sorter->records.size;
  if (!reserve_entry(sorter) || !mh_buffer_reserve(&sorter->records, bytes)) return mh_fail_nomem(err);
  note_common(sorter, key);
  mh_buffer_append(&sorter->records, sizes, sizeof sizes);
  mh_buffer_append(&sorter->records, key.data, key.size);
  mh_buffer_append(&sorter->records, value.data, value.size);
  sorter->entries[sorter->count++].offset = offset;
  return MH_OK;
}

/* -- Merging ----------------------------------------------------------------------------------------------------- */

/* Brings the first `need` bytes of the next record into the window. */
static mh_status fill(const mh_sorter *sorter, struct run *run, size_t need, struct mh_error *err) {
  size_t held = run->filled - run->at;
  if (held >= need) return MH_OK;
  uint64_t left = run->end - run->position;
  size_t wanted = left < sorter->window_bytes ? (size_t)left : sorter->window_bytes;
  if (need > wanted) return mh_fail(err, MH_IO, "the temporary file in %s was changed", sorter->spill.directory);
  memmove(run->window, run->window + run->at, held);
  run->at = 0;
  run->filled = wanted;
  return mh_spill_read(&sorter->spill, run->position + held, run->window + held, wanted - held, err);
}

static struct mh_slice run_key(const struct run *run) {
  return mh_slice(run->window + run->at + HEADER_BYTES, run->key_size);
}

/* Reads header and key of the next record. */
static mh_status load(const mh_sorter *sorter, struct run *run, struct mh_error *err) {
  uint32_t sizes[2];
  mh_status status = fill(sorter, run, HEADER_BYTES, err);
  if (status) return status;
  memcpy(sizes, run->window + run->at, sizeof sizes);
  run->key_size = sizes[0];
  run->value_size = sizes[1];
  return fill(sorter, run, HEADER_BYTES + (size_t)run->key_size, err);
}

static void skip(struct run *run) {
  size_t bytes = HEADER_BYTES + (size_t)run->key_size + run->value_size, held = run->filled - run->at;
  run->at += bytes < held ? bytes : held;
  run->position += bytes;
}

/* May move the key in the window. */
static mh_status value_of(mh_sorter *sorter, struct run *run, struct mh_slice *value, struct mh_error *err) {
  size_t before = HEADER_BYTES + (size_t)run->key_size, bytes = before + run->value_size;
  if (bytes <= sorter->window_bytes) {
    mh_status status = fill(sorter, run, bytes, err);
    *value = mh_slice(run->window + run->at + before, run->value_size);
    return status;
  }
  sorter->large.size = 0;
  if (!mh_buffer_reserve(&sorter->large, run->value_size)) return mh_fail_nomem(err);
  *value = mh_slice(sorter->large.data, run->value_size);
  return mh_spill_read(&sorter->spill, run->position + before, sorter->large.data, run->value_size, err);
}

/* Runs were written in the order of adding, so of equal keys the one of the earlier run comes first. */
static bool comes_before(const mh_sorter *sorter, size_t a, size_t b) {
  int order = mh_slice_compare(run_key(&sorter->runs[a]), run_key(&sorter->runs[b]));
  return order ? order < 0 : a < b;
}

static void sift_down(mh_sorter *sorter, size_t at) {
  for (;;) {
    size_t least = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < sorter->heap_count; child++)
      if (comes_before(sorter, sorter->heap[child], sorter->heap[least])) least = child;
    if (least == at) return;
    size_t moved = sorter->heap[at];
    sorter->heap[at] = sorter->heap[least];
    sorter->heap[least] = moved;
    at = least;
  }
}

static mh_status begin_merge(mh_sorter *sorter, struct mh_error *err) {
  size_t share = sorter->memory_bytes / sorter->run_count;
  if (share < WINDOW_BYTES_MIN) share = WINDOW_BYTES_MIN;
  if (share > WINDOW_BYTES_MAX) share = WINDOW_BYTES_MAX;
  sorter->window_bytes = share;
  sorter->windows = malloc(sorter->window_bytes * sorter->run_count);
  sorter->heap = malloc(sorter->run_count * sizeof *sorter->heap);
  if (!sorter->windows || !sorter->heap) return mh_fail_nomem(err);
  for (size_t i = 0; i < sorter->run_count; i++) {
    sorter->runs[i].window = sorter->windows + i * sorter->window_bytes;
    mh_status status = load(sorter, &sorter->runs[i], err);
    if (status) return status;
    sorter->heap[sorter->heap_count++] = i;
  }
  for (size_t at = sorter->heap_count / 2; at-- > 0;) sift_down(sorter, at);
  return MH_OK;
}

mh_status mh_sorter_sort(mh_sorter *sorter, struct mh_error *err) {
  if (sorter->run_count == 0) {
    sort_memory(sorter);
    return MH_OK;
  }
  mh_status status = sorter->count ? spill(sorter, err) : MH_OK;
  free_memory(sorter);
  return status ? status : begin_merge(sorter, err);
}

/* Steps over the record that was given out. */
static mh_status advance(mh_sorter *sorter, struct mh_error *err) {
  struct run *run = &sorter->runs[sorter->heap[0]];
  mh_status status = MH_OK;
  skip(run);
  if (run->position < run->end)
    status = load(sorter, run, err);
  else
    sorter->heap[0] = sorter->heap[--sorter->heap_count];
  sorter->top_given = false;
  sift_down(sorter, 0);
  return status;
}

mh_status mh_sorter_next(mh_sorter *sorter, struct mh_slice *key, struct mh_slice *value, bool *found,
                         struct mh_error *err) {
  if (sorter->run_count == 0) {
    *found = sorter->read < sorter->count;
    if (*found) read_record(sorter->records.data + sorter->entries[sorter->read++].offset, key, value);
    return MH_OK;
  }
  mh_status status = sorter->top_given ? advance(sorter, err) : MH_OK;
  *found = !status && sorter->heap_count > 0;
  if (!*found) return status;
  struct run *run = &sorter->runs[sorter->heap[0]];
  sorter->top_given = true;
  status = value_of(sorter, run, value, err);
  *key = run_key(run);
  return status;
}
