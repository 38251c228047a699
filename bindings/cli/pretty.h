/* pretty: a document as indented JSON, for a terminal. */
#ifndef MH_PRETTY_H
#define MH_PRETTY_H

#include "../../core/bson.h"

/* Appends the text (no newline at its end). MH_DAMAGED for bytes that are no document. */
mh_status mh_pretty_write(struct mh_slice document, bool color, struct mh_buffer *out, struct mh_error *err);

#endif
