/* fix_tree: the places of a table's documents that a fix is about, with what is said of them; for the files fix_*.c.
 *
 *   settings, theme   missing                   (root) -+- settings --- theme   [missing]
 *   tags, *           expected string                   +- tags ------- '*'     [expected string]
 *   old               not in the schema                 +- old                  [not in the schema]
 *
 * Where a place may hold one of several objects, a child belongs to those of them that the breach can be about: its
 * `members`. Everything lies in one arena. */
#ifndef MH_LUA_FIX_TREE_H
#define MH_LUA_FIX_TREE_H

#include "../../core/arena.h"
#include "../../core/breaches.h"

enum {
  MH_FIX_STEPS_MAX = 20, /* deeper, and a generated script might have more loops in loops than Lua takes */
  MH_FIX_MEMBERS_MAX = 64
};

/* Types of definitions, as bits. */
enum mh_fix_kind {
  MH_FIX_UNKNOWN = 0,
  MH_FIX_NULL = 1,
  MH_FIX_NUMBER = 2,
  MH_FIX_INT64 = 4,
  MH_FIX_BOOLEAN = 8,
  MH_FIX_STRING = 16,
  MH_FIX_BYTES = 32,
  MH_FIX_ID = 64,
  MH_FIX_LITERAL = 128,
  MH_FIX_ARRAY = 256,
  MH_FIX_OBJECT = 512,
  MH_FIX_RECORD = 1024,
  MH_FIX_UNION = 2048,
  MH_FIX_ANY = 4096
};
enum mh_fix_kind mh_fix_kind(struct mh_slice definition);

/* What may stand at a place: definitions, none of them a union. */
struct mh_fix_types {
  struct mh_slice *items;
  size_t count, room;
};

struct mh_fix_breach {
  const struct mh_breach_group *group;
  struct mh_fix_breach *next;
};

struct mh_fix_place {
  struct mh_slice step;      /* the field's name; no data: every element or value, or the document itself */
  struct mh_fix_types types; /* none for a field that is not in the schema */
  bool optional;             /* a field that may be absent */
  bool entry;                /* a value of a record */
  bool extra;                /* a field that is not in the schema */
  uint64_t members;          /* of the objects among the parent's types, by position: those it is about */
  struct mh_fix_breach *breaches; /* in the order they were given */
  struct mh_fix_place *children, *next;
};

struct mh_fix {
  mh_arena *arena;
  bool failed; /* memory is gone */
  struct mh_fix_place root;
  struct mh_fix_breach *by_hand; /* what cannot be put into the tree */
};

/* Makes the tree. */
void mh_fix_grow(struct mh_fix *fix, struct mh_slice definition, const struct mh_breaches *breaches);

/* Adds a definition to `types`: a union's members, one by one, none twice. */
void mh_fix_add_types(struct mh_fix *fix, struct mh_fix_types *types, struct mh_slice definition);
/* The kinds among the types, as bits. */
unsigned mh_fix_kinds(const struct mh_fix_types *types);
/* The n-th object among them. */
struct mh_slice mh_fix_member(const struct mh_fix_types *types, unsigned n);
/* A mask of all objects among them. */
uint64_t mh_fix_all_members(const struct mh_fix_types *types);
/* Inside of a definition: what an array or literal has, of what a record's keys and values are, a field of an object.
 * Empty where there is none. */
struct mh_slice mh_fix_element(struct mh_slice array);
bool mh_fix_literal(struct mh_slice literal, struct mh_field *value);
struct mh_slice mh_fix_keys(struct mh_slice record);
struct mh_slice mh_fix_values(struct mh_slice record);
struct mh_slice mh_fix_fields(struct mh_slice object);
struct mh_slice mh_fix_field(struct mh_slice object, struct mh_slice name, bool *optional);
/* The parts of one element of mh_fix_fields(). */
struct mh_slice mh_fix_field_type(const struct mh_field *field, bool *optional);
struct mh_slice mh_fix_table(struct mh_slice id);

/* Text in the arena; "" when memory is gone. */
const char *mh_fix_format(struct mh_fix *fix, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As Lua source, in double quotes. */
const char *mh_fix_quoted(struct mh_fix *fix, struct mh_slice text);

void mh_fix_add_breach(struct mh_fix *fix, struct mh_fix_breach **list, const struct mh_breach_group *group);

#endif
