/* document: how a document lies in its table: what it starts with, which key and id it has. */
#ifndef MH_DOCUMENT_H
#define MH_DOCUMENT_H

#include "bson.h"
#include "txn.h"

/* A document as the transaction sees it; its bytes live until the transaction is renewed (txn.h). */
struct mh_document {
  struct mh_key key;
  struct mh_slice bson;
};

/* What a stored document starts with. */
struct mh_document_head {
  struct mh_slice id;
  double time;
};
/* MH_DAMAGED, naming the document, where it does not start so. `table` may be NULL. */
mh_status mh_document_head(const struct mh_table *table, const struct mh_document *document,
                           struct mh_document_head *head, struct mh_error *err);
/* The `_id` text of a stored document; MH_DAMAGED where the bytes are not a sound document that starts with one. */
mh_status mh_document_id(const struct mh_document *document, struct mh_slice *id, struct mh_error *err);

/* The document that a cursor over the documents space has read; MH_DAMAGED where it is none, or not of this key. */
mh_status mh_table_document(const struct mh_table *table, struct mh_slice key, struct mh_slice bson,
                            struct mh_document *document, struct mh_error *err);
/* Whether the id spells the key, so that it needs no entry in the ids space. */
bool mh_id_spells_key(const struct mh_table *table, struct mh_slice id, const struct mh_key *key);

/* What an import gives: fields as read from a file, perhaps with `_id` and `_creationTime`.
 * Takes the system fields out and checks them: *id empty when absent; *time 0 when absent; `fields` gets the document
 * without them. MH_INVALID naming /_id or /_creationTime. */
mh_status mh_document_take_system_fields(struct mh_slice document, struct mh_slice *id, double *time,
                                         struct mh_buffer *fields, struct mh_error *err);
/* Appends the stored form: `_id`, `_creationTime`, then the fields. */
bool mh_document_compose(struct mh_slice id, double time, struct mh_slice fields, struct mh_buffer *out);

#endif
