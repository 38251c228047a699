/* preview_facts: what a dry run has seen: counts, groups, examples, the first failure. */
#ifndef MH_PREVIEW_FACTS_H
#define MH_PREVIEW_FACTS_H

#include "records.h"
#include "../../core/preview.h"
#include "../../core/shapes.h"

typedef char mh_document_place[MH_DOCUMENT_PLACE_BYTES]; /* "users/jd7..." */

/* Evaluations of which something is told, and the first of them. */
struct mh_preview_kind {
  uint64_t count;
  mh_document_place example;
};

/* All zero is empty. */
struct mh_preview_facts {
  uint64_t documents, changed, unchanged; /* evaluated; of them, those that changed anything, or nothing */
  uint64_t passed_over;                   /* `where` does not hold of them */
  uint64_t breaking, failing;             /* what they wrote does not fit the schema; they failed otherwise */
  struct mh_preview_kind again_changing, again_failing; /* given their result again */
  struct mh_preview_kind unwritten, empty_patches;
  mh_document_place first_failed;         /* the first document that failed, and why */
  struct mh_error first_error;
  char traceback[4097];
  struct mh_shapes shapes;
  size_t shown;                           /* changes to be shown, so far */
};

static inline uint64_t mh_preview_failed(const struct mh_preview_facts *facts) {
  return facts->breaking + facts->failing;
}
/* Whether a function that is to be idempotent is known not to be. */
static inline bool mh_preview_repeats(const struct mh_preview_facts *facts) {
  return facts->again_changing.count + facts->again_failing.count > 0;
}

/* Adds a document; changes are added one by one. */
void mh_preview_facts_add(struct mh_preview_facts *facts, const struct mh_preview_document *document);
/* Adds a change. *show: it is one of those to be shown, the first few, and of each table and of each shape those met
 * first; facts->shapes.differences has its fields. */
mh_status mh_preview_facts_add_change(struct mh_preview_facts *facts, const struct mh_preview_change *change, bool *show,
                                      struct mh_error *err);
void mh_preview_facts_free(struct mh_preview_facts *facts);

/* "users/jd7..."; "users/key 0011..." of one too damaged to tell its id. */
void mh_preview_place(const struct mh_table *table, const struct mh_document *document, mh_document_place place);
/* Of the document that a change is of, and the id in it. */
const char *mh_preview_change_place(const struct mh_preview_change *change, mh_document_place place);
static inline const char *mh_place_id(const mh_document_place place) { return strchr(place, '/') + 1; }

#endif
