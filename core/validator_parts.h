/* validator_parts: a compiled validator, for the files validator*.c.
 *
 *   struct mh_validator | nodes | slots | lists      text
 *
 * One allocation, and one for `text`: a copy of the definition, which names, literals and definitions are places in.
 * Nodes are named by their index and come after what they are made of; the last one is the root. A union within a
 * union is dissolved into the outer one, so no member of a union is a union. `lists` holds the members of unions
 * (nodes) and the fields of objects by name (slots).
 *
 * Names are looked up in tables of slots by hash (mh_name_find). A name of up to 16 bytes is told from every other by
 * its key alone: its length, its first 8 bytes and its last 8. */
#ifndef MH_VALIDATOR_PARTS_H
#define MH_VALIDATOR_PARTS_H

#include "bson_scan.h"
#include "validator.h"

/* ---- names ---- */

struct mh_name_key {
  uint64_t first, last; /* below 8 bytes: all of them, zeros behind, and 0 */
  uint32_t size;
};

static inline uint64_t mh_half_load(const uint8_t *at) {
  uint32_t half;
  memcpy(&half, at, sizeof half);
  return half;
}

MH_IN_PLACE struct mh_name_key mh_name_key(struct mh_slice name) {
  const uint8_t *at = name.data;
  size_t size = name.size;
  struct mh_name_key key = {.size = (uint32_t)size};
  if (size >= 8) { /* below: loads that overlap, so that none goes beyond the name */
    key.first = mh_word_load(at);
    key.last = mh_word_load(at + size - 8);
  } else if (size >= 4) {
    key.first = mh_half_load(at) | mh_half_load(at + size - 4) << (8 * (size - 4));
  } else if (size > 0) {
    key.first = at[0] | (uint64_t)at[size / 2] << (8 * (size / 2)) | (uint64_t)at[size - 1] << (8 * (size - 1));
  }
  return key;
}

/* Reads the name at `name` up to its zero; returns what is behind that, NULL when there is none before `end`. */
MH_IN_PLACE const uint8_t *mh_name_read(const uint8_t *name, const uint8_t *end, struct mh_name_key *key) {
  const uint8_t *from = name;
  if (end - name >= 16) {
    uint64_t word = mh_word_load(name), zeros = mh_word_zeros(word);
    if (zeros) {
      uint64_t first_zero = zeros & -zeros; /* the high bit of that byte */
      unsigned size = mh_word_first(zeros);
      *key = (struct mh_name_key){.first = word & ((first_zero >> 7) - 1), .size = size};
      return name + size + 1;
    }
    zeros = mh_word_zeros(mh_word_load(name + 8));
    if (zeros) {
      unsigned size = 8 + mh_word_first(zeros);
      *key = (struct mh_name_key){.first = word, .last = mh_word_load(name + size - 8), .size = size};
      return name + size + 1;
    }
    from = name + 16;
  }
  const uint8_t *zero = mh_bson_name_end(from, end);
  if (!zero) return NULL;
  *key = mh_name_key(mh_slice(name, (size_t)(zero - name)));
  return zero + 1;
}

enum { MH_SLOT_FREE = UINT32_MAX }; /* the size in a slot without a name */

struct mh_name_slot {
  struct mh_name_key key;
  uint32_t name;  /* where it is in `text` */
  uint32_t node;  /* of a field: its validator; of a tag: the member of the union that it picks */
  uint32_t whole; /* as in that node, so that most fields need no look at it */
  bool required;
  bool system; /* _id, _creationTime: not looked at in a document */
};

/* An open-addressed table, at most half full. The multiplier is the one of several that puts most names where they are
 * looked for first: all of them, usually. */
struct mh_name_table {
  uint64_t multiplier;
  uint32_t first_slot, mask;
  uint8_t shift;
};

static inline uint32_t mh_name_place(const struct mh_name_table *table, const struct mh_name_key *key) {
  uint64_t mixed = (key->first ^ (key->last << 29 | key->last >> 35)) + key->size;
  return (uint32_t)((mixed * table->multiplier) >> table->shift);
}

/* ---- nodes ---- */

enum mh_node_kind {
  MH_NODE_TYPES, MH_NODE_LITERAL, MH_NODE_ID, MH_NODE_ARRAY, MH_NODE_RECORD, MH_NODE_OBJECT, MH_NODE_UNION
};

/* Sets of types: bits. */
#define MH_TYPE_BIT(type) (1u << (type))
#define MH_TYPES_NUMBER (MH_TYPE_BIT(MH_DOUBLE) | MH_TYPE_BIT(MH_INT64))
#define MH_TYPES_ANY \
  (MH_TYPES_NUMBER | MH_TYPE_BIT(MH_STRING) | MH_TYPE_BIT(MH_OBJECT) | MH_TYPE_BIT(MH_ARRAY) | MH_TYPE_BIT(MH_BYTES) | \
   MH_TYPE_BIT(MH_BOOLEAN) | MH_TYPE_BIT(MH_NULL))

struct mh_node {
  enum mh_node_kind kind;
  uint32_t whole; /* types of which every value fits */
  uint32_t may;   /* types of which some fit: these and others */
  struct mh_slice definition;
  union {
    struct mh_field literal;
    struct mh_id_table id; /* number 0: there is no such table, and no id of it */
    uint32_t element;      /* of an array */
    struct {
      uint32_t keys, values;
    } record;
    struct {
      struct mh_name_table names;
      uint32_t fields; /* in `lists`: their slots, by name */
      uint32_t count, required, required_in_document;
    } object;
    struct {
      struct mh_name_table strings; /* the literals among its members that are strings */
      struct mh_name_table tags;    /* where `tag` is one: the values of that field, and the member each picks */
      struct mh_slice tag;          /* the field that all members, objects, tell themselves apart by; no data: none */
      uint32_t members, count;      /* in `lists` */
      bool has_ids;                 /* among its members */
    } choice;
  };
};

struct mh_validator {
  struct mh_node *nodes;
  struct mh_name_slot *slots;
  uint32_t *lists;
  uint8_t *text;
  struct mh_id_tables tables;
  uint32_t root;
};

static inline const struct mh_node *mh_node_root(const mh_validator *validator) {
  return &validator->nodes[validator->root];
}
static inline const struct mh_node *mh_node_member(const mh_validator *validator, const struct mh_node *node,
                                                   uint32_t i) {
  return &validator->nodes[validator->lists[node->choice.members + i]];
}
static inline const struct mh_name_slot *mh_node_field(const mh_validator *validator, const struct mh_node *node,
                                                       uint32_t i) {
  return &validator->slots[validator->lists[node->object.fields + i]];
}
static inline struct mh_slice mh_slot_name(const mh_validator *validator, const struct mh_name_slot *slot) {
  return mh_slice(validator->text + slot->name, slot->key.size);
}

/* NULL when there is none. */
MH_IN_PLACE const struct mh_name_slot *mh_name_find(const struct mh_name_slot *slots, const uint8_t *text,
                                                    const struct mh_name_table *table, const struct mh_name_key *key,
                                                    const uint8_t *name) {
  for (uint32_t place = mh_name_place(table, key);; place = (place + 1) & table->mask) {
    const struct mh_name_slot *slot = &slots[table->first_slot + place];
    if (slot->key.first == key->first && slot->key.last == key->last && slot->key.size == key->size) {
      if (key->size <= 16 || memcmp(text + slot->name + 8, name + 8, key->size - 16) == 0) return slot;
    } else if (slot->key.size == MH_SLOT_FREE) {
      return NULL;
    }
  }
}

static inline const struct mh_name_slot *mh_name_slot_of(const mh_validator *validator,
                                                         const struct mh_name_table *table, struct mh_slice name) {
  struct mh_name_key key = mh_name_key(name);
  return mh_name_find(validator->slots, validator->text, table, &key, name.data);
}

/* _id and _creationTime. */
bool mh_name_is_system(struct mh_slice name);

/* Whether a value of that type and encoding fits; the bytes lie where they are said to (mh_bson_value_size). */
bool mh_node_fits(const mh_validator *validator, const struct mh_node *node, enum mh_type type, struct mh_slice raw);
/* The same for a string's bytes, which may be a name. */
bool mh_node_fits_text(const mh_validator *validator, const struct mh_node *node, struct mh_slice text);
/* An object whose bytes are as above. */
bool mh_node_fits_fields(const mh_validator *validator, const struct mh_node *object, struct mh_slice raw,
                         bool is_document);

/* Whether two numbers, of either type, are the same one: exactly, NaN equal to itself, 0 to -0. */
bool mh_number_equal(const struct mh_field *a, const struct mh_field *b);

/* The member of a union with a tag that the object's tag picks; NULL when it picks none. */
const struct mh_node *mh_node_tagged(const mh_validator *validator, const struct mh_node *choice, struct mh_slice raw);

/* Of the members of a union that take objects (arrays), the one that this object (array), which fits none, was meant
 * to fit: its tags right, then fewest breaches, then most fields right, then the first. NULL when there is none. */
const struct mh_node *mh_node_nearest(const mh_validator *validator, const struct mh_node *choice,
                                      const struct mh_field *value, bool is_document);

enum {
  MH_IDENTIFIER_TEXT_MAX = 100, /* `an id of users`, a literal that is shown */
  MH_EXPECTED_TEXT_MAX = 150    /* leaves room in mh_breach.reason for what is said beside it */
};
/* What the validator accepts, in words: `string`, `"user" or "admin"`, `an id of users or null`. */
void mh_node_text(const mh_validator *validator, const struct mh_node *node, char text[MH_EXPECTED_TEXT_MAX]);
/* The tags of all its members: `"circle" or "square"`. */
void mh_node_tags_text(const mh_validator *validator, const struct mh_node *choice, char text[MH_EXPECTED_TEXT_MAX]);

#endif
