/* base64: RFC 4648 section 4, with padding. */
#ifndef MH_BASE64_H
#define MH_BASE64_H

#include "bytes.h"

/* Appends the text; false when memory is gone. */
bool mh_base64_encode(struct mh_slice bytes, struct mh_buffer *out);

/* Strict: no white space, padding complete, no stray bits (encoding again gives the same text). `out` has room for
 * text.size / 4 * 3 bytes and may be where `text` is. */
bool mh_base64_decode(struct mh_slice text, uint8_t *out, size_t *size);

#endif
