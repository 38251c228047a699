/* index_fill: what fills an index that is empty. The entries of its documents are gathered in any order, and come back
 * sorted, so that they are appended to the space; those too long for the sorter are few, and put in their places
 * afterwards. Memory is bounded. */
#ifndef MH_INDEX_FILL_H
#define MH_INDEX_FILL_H

#include "index_key.h"
#include "kv.h"

typedef struct mh_index_fill mh_index_fill;

/* `directory` is where it spills. `fields` outlive it. Takes little memory before the first entry. */
mh_status mh_index_fill_new(const char *directory, size_t memory_bytes, const struct mh_index_fields *fields,
                            mh_index_fill **fill, struct mh_error *err);
void mh_index_fill_free(mh_index_fill *fill); /* NULL is allowed */

/* Adds the entry of a document. */
mh_status mh_index_fill_add(mh_index_fill *fill, struct mh_slice document, const struct mh_key *key,
                            struct mh_error *err);
uint64_t mh_index_fill_entries(const mh_index_fill *fill);
/* Nothing is added any more; storing begins. */
mh_status mh_index_fill_sort(mh_index_fill *fill, struct mh_error *err);
/* Stores the next entry; *found is false when there is none left. `cursor` is one over `space`, of the write
 * transaction. `written_bytes` (may be NULL): about how many bytes of pages that changed. */
mh_status mh_index_fill_store(mh_index_fill *fill, mh_kv_txn *kv, mh_space space, mh_kv_cursor *cursor,
                              size_t *written_bytes, bool *found, struct mh_error *err);

#endif
