/* data.mdb read as bytes, before LMDB trusts it: LMDB divides by the page size it finds, and touching a mapped page
 * behind the end of a truncated file is a SIGBUS.
 *
 * LMDB's data version 1 on a 64-bit little-endian machine (LMDB 0.9, mdb.c: MDB_page, MDB_meta, MDB_db, MDB_node):
 *
 *   pages 0 and 1   struct meta: the last two commits, by turns
 *   tree page       struct page | u16 offset of each node, in key order | room | nodes
 *   node            struct node | key | value (leaf), or with FLAG_BIG the u64 number of the overflow page it begins in
 *   overflow page   struct page | value
 *
 * The file may rightly be shorter than its last page: a page that was allocated at the end and given back in the same
 * transaction is not written. Every such page is in the free tree: key = transaction, value = u64 count, u64 pages. */
#include "kv_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(size_t) == 8, "the layout above");

enum {
  MAGIC = 0xBEEFC0DE, VERSION = 1,
  FLAG_BRANCH = 1, FLAG_LEAF = 2, FLAG_META = 8, /* of pages */
  FLAG_BIG = 1,                                  /* of nodes */
  PAGE_MIN = 512, PAGE_MAX = 65536, /* bytes a page */
  DEPTH_MAX = 32                    /* LMDB's CURSOR_STACK */
};
#define NO_ROOT UINT64_MAX
#define ADDRESSABLE (UINT64_C(1) << 47) /* bytes; a last page beyond is damage */

struct page {
  uint64_t number;
  uint16_t pad, flags, offsets_end, nodes_start;
};

struct node {
  uint16_t low, high, flags; /* of a leaf: value size, flags; of a branch: 48 bits of the child's number */
  uint16_t key_size;
};

struct tree {
  uint32_t page_size; /* in the free tree's record only */
  uint16_t flags, depth;
  uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
  struct page page;
  uint32_t magic, version;
  uint64_t address, map_size;
  struct tree free, main;
  uint64_t last_page, number;
};
_Static_assert(sizeof(struct page) == 16 && sizeof(struct node) == 8 && sizeof(struct meta) == 152, "no padding");

static bool read_at(int fd, void *data, size_t size, uint64_t offset) {
  return pread(fd, data, size, (off_t)offset) == (ssize_t)size;
}

static mh_status check_meta(int fd, const char *path, uint64_t offset, struct meta *meta, struct mh_error *err) {
  if (!read_at(fd, meta, sizeof *meta, offset))
    return mh_fail(err, MH_DAMAGED, "%s is truncated within its first two pages; restore the store from a copy", path);
  if (meta->magic != MAGIC || !(meta->page.flags & FLAG_META))
    return mh_fail(err, MH_DAMAGED, "%s is not a store's data file, or its first pages were overwritten", path);
  if (meta->version != VERSION)
    return mh_fail(err, MH_REFUSED, "%s was made by another version of LMDB (data version %" PRIu32 "); this one reads "
                   "version %d", path, meta->version, VERSION);
  uint32_t page = meta->free.page_size;
  if (page < PAGE_MIN || page > PAGE_MAX || (page & (page - 1)) || meta->last_page >= ADDRESSABLE / page)
    return mh_fail(err, MH_DAMAGED, "%s is damaged in its first two pages; restore the store from a copy", path);
  return MH_OK;
}

mh_status mh_lmdb_check_head(const char *path, struct mh_error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return mh_fail_errno(err, errno, "cannot open %s", path);
  struct meta meta;
  mh_status status = check_meta(fd, path, 0, &meta, err);
  if (!status) status = check_meta(fd, path, meta.free.page_size, &meta, err);
  close(fd);
  return status;
}

struct file {
  int fd;
  uint32_t page_size;
  uint64_t pages;   /* whole ones in the file */
  uint64_t missing; /* page numbers found free that lie behind its end */
};

/* Counts in the list of free pages that begins at `offset` of the file. */
static bool count_list(struct file *file, uint64_t offset) {
  uint64_t count, numbers[512];
  if (!read_at(file->fd, &count, sizeof count, offset)) return false;
  for (offset += sizeof count; count;) {
    size_t some = count < 512 ? (size_t)count : 512;
    if (!read_at(file->fd, numbers, some * sizeof *numbers, offset)) return false;
    for (size_t i = 0; i < some; i++) file->missing += numbers[i] >= file->pages;
    offset += some * sizeof *numbers;
    count -= some;
  }
  return true;
}

/* Counts in a page of the free tree and below it; false when the tree itself is cut off or makes no sense. */
static bool count_page(struct file *file, uint64_t number, int depth) {
  uint64_t start = number * file->page_size;
  struct page page;
  if (depth > DEPTH_MAX || number >= file->pages || !read_at(file->fd, &page, sizeof page, start)) return false;
  if (!(page.flags & (FLAG_BRANCH | FLAG_LEAF)) || page.offsets_end > file->page_size) return false;
  for (uint64_t at = sizeof page; at < page.offsets_end; at += sizeof(uint16_t)) {
    uint16_t offset;
    struct node node;
    if (!read_at(file->fd, &offset, sizeof offset, start + at)) return false;
    if (!read_at(file->fd, &node, sizeof node, start + offset)) return false;
    uint64_t value = start + offset + sizeof node + node.key_size, below;
    if (page.flags & FLAG_BRANCH) {
      below = (uint64_t)node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
      if (!count_page(file, below, depth + 1)) return false;
    } else if (node.flags & FLAG_BIG) {
      if (!read_at(file->fd, &below, sizeof below, value) || below >= file->pages) return false;
      if (!count_list(file, below * file->page_size + sizeof page)) return false;
    } else if (!count_list(file, value)) {
      return false;
    }
  }
  return true;
}

mh_status mh_lmdb_check_tail(int fd, const char *path, uint64_t number, bool *again, struct mh_error *err) {
  struct meta meta;
  mh_status status = check_meta(fd, path, 0, &meta, err);
  if (!status && meta.number != number) status = check_meta(fd, path, meta.free.page_size, &meta, err);
  if (status) return status;
  *again = meta.number != number;
  struct stat info;
  if (fstat(fd, &info) != 0) return mh_fail_errno(err, errno, "cannot read the size of %s", path);
  struct file file = {.fd = fd, .page_size = meta.free.page_size};
  file.pages = (uint64_t)info.st_size / file.page_size;
  if (*again || file.pages > meta.last_page) return MH_OK;
  bool good = meta.free.root != NO_ROOT && count_page(&file, meta.free.root, 0);
  if (good && file.missing == meta.last_page + 1 - file.pages) return MH_OK;
  return mh_fail(err, MH_DAMAGED, "%s is truncated: it has %" PRIu64 " of %" PRIu64 " pages; restore the store from a "
                 "copy", path, file.pages, meta.last_page + 1);
}
