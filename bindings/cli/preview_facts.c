#include "preview_facts.h"

#include <stdio.h>

enum {
  SHOWN_FIRST = 5,    /* these in any case, */
  SHOWN_OF_SHAPE = 2, /* then so many of each shape, */
  SHOWN_MOST = 20     /* up to here; the first of a table in any case */
};

void mh_preview_place(const struct mh_table *table, const struct mh_document *document, mh_document_place place) {
  struct mh_slice id;
  struct mh_error ignored;
  int used = snprintf(place, sizeof(mh_document_place), "%s/", table->name);
  if (!mh_document_id(document, &id, &ignored)) {
    snprintf(place + used, sizeof(mh_document_place) - (size_t)used, "%.*s", (int)id.size, (const char *)id.data);
    return;
  }
  used += snprintf(place + used, sizeof(mh_document_place) - (size_t)used, "key ");
  for (size_t i = 0; i < MH_KEY_BYTES; i++, used += 2)
    snprintf(place + used, sizeof(mh_document_place) - (size_t)used, "%02x", document->key.bytes[i]);
}

const char *mh_preview_change_place(const struct mh_preview_change *change, mh_document_place place) {
  struct mh_document document = {.key = change->key, .bson = change->before.size ? change->before : change->after};
  mh_preview_place(change->table, &document, place);
  return mh_place_id(place);
}

static void add_kind(struct mh_preview_kind *kind, const struct mh_preview_document *document) {
  if (kind->count++ == 0) mh_preview_place(document->table, document->document, kind->example);
}

static void add_failure(struct mh_preview_facts *facts, const struct mh_preview_document *document) {
  if (mh_preview_failed(facts) == 0) {
    mh_preview_place(document->table, document->document, facts->first_failed);
    facts->first_error = *document->error;
    snprintf(facts->traceback, sizeof facts->traceback, "%s", document->traceback);
  }
  *(document->breaks_schema ? &facts->breaking : &facts->failing) += 1;
}

void mh_preview_facts_add(struct mh_preview_facts *facts, const struct mh_preview_document *document) {
  if (document->notes & MH_NOTE_PASSED_OVER) {
    facts->passed_over++;
    return;
  }
  facts->documents++;
  if (document->error)
    add_failure(facts, document);
  else if (document->change_count)
    facts->changed++;
  else
    facts->unchanged++;
  if (document->again_changes) add_kind(&facts->again_changing, document);
  if (document->again_fails) add_kind(&facts->again_failing, document);
  if (document->notes & MH_NOTE_UNWRITTEN) add_kind(&facts->unwritten, document);
  if (document->notes & MH_NOTE_EMPTY_PATCH) add_kind(&facts->empty_patches, document);
}

mh_status mh_preview_facts_add_change(struct mh_preview_facts *facts, const struct mh_preview_change *change, bool *show,
                                      struct mh_error *err) {
  const struct mh_shape *shape;
  bool first;
  *show = false;
  mh_status status =
      mh_shapes_add(&facts->shapes, change->table->name, change->before, change->after, &shape, &first, err);
  if (status) return mh_error_at(err, "%s", change->table->name);
  bool rare = shape && shape->count <= SHOWN_OF_SHAPE;
  *show = first || facts->shown < SHOWN_FIRST || (facts->shown < SHOWN_MOST && rare);
  facts->shown += *show;
  return MH_OK;
}

void mh_preview_facts_free(struct mh_preview_facts *facts) { mh_shapes_free(&facts->shapes); }
