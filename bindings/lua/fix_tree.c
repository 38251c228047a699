#include "fix_tree.h"

#include "schema_text.h"

#include <stdio.h>

/* ---- definitions ---- */

enum mh_fix_kind mh_fix_kind(struct mh_slice definition) {
  static const struct {
    const char *name;
    enum mh_fix_kind kind;
  } kinds[] = {{"null", MH_FIX_NULL},     {"number", MH_FIX_NUMBER},   {"bigint", MH_FIX_INT64},
               {"boolean", MH_FIX_BOOLEAN}, {"string", MH_FIX_STRING}, {"bytes", MH_FIX_BYTES},
               {"id", MH_FIX_ID},         {"literal", MH_FIX_LITERAL}, {"array", MH_FIX_ARRAY},
               {"object", MH_FIX_OBJECT}, {"record", MH_FIX_RECORD},   {"union", MH_FIX_UNION},
               {"any", MH_FIX_ANY}};
  struct mh_field type;
  if (!mh_bson_find(definition, mh_slice_text("type"), &type) || type.type != MH_STRING) return MH_FIX_UNKNOWN;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (mh_slice_equal(mh_field_string(&type), mh_slice_text(kinds[i].name))) return kinds[i].kind;
  return MH_FIX_UNKNOWN;
}

static struct mh_slice part(struct mh_slice definition, const char *name) {
  struct mh_field field;
  return mh_bson_find(definition, mh_slice_text(name), &field) ? field.raw : mh_slice(NULL, 0);
}

struct mh_slice mh_fix_element(struct mh_slice array) { return part(array, "value"); }
struct mh_slice mh_fix_keys(struct mh_slice record) { return part(record, "keys"); }
struct mh_slice mh_fix_values(struct mh_slice record) { return part(part(record, "values"), "fieldType"); }
struct mh_slice mh_fix_fields(struct mh_slice object) { return part(object, "value"); }

struct mh_slice mh_fix_table(struct mh_slice id) {
  struct mh_field table;
  if (!mh_bson_find(id, mh_slice_text("tableName"), &table) || table.type != MH_STRING) return mh_slice_text("");
  return mh_field_string(&table);
}

bool mh_fix_literal(struct mh_slice literal, struct mh_field *value) {
  return mh_fix_kind(literal) == MH_FIX_LITERAL && mh_bson_find(literal, mh_slice_text("value"), value);
}

struct mh_slice mh_fix_field_type(const struct mh_field *field, bool *optional) {
  struct mh_field flag;
  *optional = mh_bson_find(field->raw, mh_slice_text("optional"), &flag) && flag.type == MH_BOOLEAN &&
              mh_field_boolean(&flag);
  return part(field->raw, "fieldType");
}

struct mh_slice mh_fix_field(struct mh_slice object, struct mh_slice name, bool *optional) {
  struct mh_field field;
  *optional = false;
  if (!mh_bson_find(mh_fix_fields(object), name, &field)) return mh_slice(NULL, 0);
  return mh_fix_field_type(&field, optional);
}

/* ---- types ---- */

static void add_type(struct mh_fix *fix, struct mh_fix_types *types, struct mh_slice definition) {
  for (size_t i = 0; i < types->count; i++)
    if (mh_slice_equal(types->items[i], definition)) return;
  if (types->count == types->room) {
    size_t room = types->room ? 2 * types->room : 4;
    struct mh_slice *items = mh_arena_alloc(fix->arena, room * sizeof *items);
    if (!items) {
      fix->failed = true;
      return;
    }
    if (types->count) memcpy(items, types->items, types->count * sizeof *items);
    types->items = items;
    types->room = room;
  }
  types->items[types->count++] = definition;
}

void mh_fix_add_types(struct mh_fix *fix, struct mh_fix_types *types, struct mh_slice definition) {
  if (mh_fix_kind(definition) != MH_FIX_UNION) {
    if (definition.size) add_type(fix, types, definition);
    return;
  }
  struct mh_bson_reader reader;
  struct mh_field member;
  mh_bson_read(&reader, part(definition, "value"));
  while (mh_bson_next(&reader, &member)) mh_fix_add_types(fix, types, member.raw);
}

unsigned mh_fix_kinds(const struct mh_fix_types *types) {
  unsigned kinds = 0;
  for (size_t i = 0; i < types->count; i++) kinds |= mh_fix_kind(types->items[i]);
  return kinds;
}

struct mh_slice mh_fix_member(const struct mh_fix_types *types, unsigned n) {
  for (size_t i = 0; i < types->count; i++)
    if (mh_fix_kind(types->items[i]) == MH_FIX_OBJECT && n-- == 0) return types->items[i];
  return mh_slice(NULL, 0);
}

uint64_t mh_fix_all_members(const struct mh_fix_types *types) {
  unsigned count = 0;
  for (size_t i = 0; i < types->count; i++) count += mh_fix_kind(types->items[i]) == MH_FIX_OBJECT;
  return count >= MH_FIX_MEMBERS_MAX ? UINT64_MAX : ((uint64_t)1 << count) - 1;
}

/* ---- the way to a breach ---- */

struct steps {
  struct mh_slice names[MH_FIX_STEPS_MAX]; /* no data: '*' */
  unsigned count;
};

/* Splits a pattern, unescaping as RFC 6901 says. False where it was too long to be written down, or is too deep. */
static bool split(struct mh_fix *fix, const struct mh_breach *breach, struct steps *steps) {
  const char *at = breach->pattern;
  size_t size = strlen(at);
  steps->count = 0;
  if (size >= 4 && strcmp(at + size - 4, "/...") == 0) return false;
  while (*at == '/') {
    if (steps->count == MH_FIX_STEPS_MAX) return false;
    size_t length = strcspn(++at, "/");
    struct mh_slice name = mh_arena_copy(fix->arena, mh_slice(at, length));
    if (!name.data) {
      fix->failed = true;
      return false;
    }
    uint8_t *to = (uint8_t *)(uintptr_t)name.data; /* our own copy */
    for (const char *from = at; from < at + length; from++) {
      bool escaped = *from == '~' && (from[1] == '0' || from[1] == '1');
      if (escaped) from++;
      *to++ = (uint8_t)(!escaped ? *from : *from == '0' ? '~' : '/');
    }
    name.size = (size_t)(to - name.data);
    at += length;
    bool star = length == 1 && name.data[0] == '*' && !(breach->kind == MH_BREACH_EXTRA && !*at);
    steps->names[steps->count++] = star ? mh_slice(NULL, 0) : name;
  }
  return true;
}

/* What a definition must have to do with what the breach says was expected. */
enum match { ANYTHING, CONTAINS_IT, IS_IT };

/* A breach and the way to it. */
struct way {
  const struct mh_breach *breach;
  struct steps steps;
  enum match match;
};

static bool is_expected(const struct way *way, struct mh_slice definition) {
  return way->match == ANYTHING || mh_slice_equal(definition, way->breach->expected);
}

/* Whether the breach can lie behind the steps from `from` on, in a value of this definition. */
static bool leads(const struct way *way, unsigned from, struct mh_slice definition) {
  enum mh_fix_kind kind = mh_fix_kind(definition);
  bool last = from + 1 == way->steps.count, optional;
  if (from == way->steps.count && (is_expected(way, definition) || way->match == IS_IT))
    return is_expected(way, definition);
  if (kind == MH_FIX_UNION) {
    struct mh_bson_reader reader;
    struct mh_field member;
    mh_bson_read(&reader, part(definition, "value"));
    while (mh_bson_next(&reader, &member))
      if (leads(way, from, member.raw)) return true;
    return false;
  }
  if (from == way->steps.count) return false;
  struct mh_slice name = way->steps.names[from];
  if (!name.data) {
    if (kind == MH_FIX_ARRAY) return leads(way, from + 1, mh_fix_element(definition));
    if (kind != MH_FIX_RECORD) return false;
    bool about_key = last && way->breach->kind == MH_BREACH_KEY;
    return about_key ? is_expected(way, mh_fix_keys(definition)) : leads(way, from + 1, mh_fix_values(definition));
  }
  if (kind != MH_FIX_OBJECT) return false;
  struct mh_slice field = mh_fix_field(definition, name, &optional);
  if (last && way->breach->kind == MH_BREACH_EXTRA) return !field.size;
  if (last && way->breach->kind == MH_BREACH_MISSING) return field.size && !optional && is_expected(way, field);
  return field.size && leads(way, from + 1, field);
}

/* ---- growing ---- */

void mh_fix_add_breach(struct mh_fix *fix, struct mh_fix_breach **list, const struct mh_breach_group *group) {
  struct mh_fix_breach *breach = mh_arena_alloc(fix->arena, sizeof *breach);
  if (!breach) {
    fix->failed = true;
    return;
  }
  while (*list) list = &(*list)->next;
  *breach = (struct mh_fix_breach){.group = group};
  *list = breach;
}

static struct mh_fix_place *find_child(struct mh_fix *fix, struct mh_fix_place *place,
                                       const struct mh_fix_place *child) {
  struct mh_fix_place **link = &place->children;
  for (; *link; link = &(*link)->next) {
    bool same_step = !(*link)->step.data == !child->step.data && mh_slice_equal((*link)->step, child->step);
    if (same_step && (*link)->members == child->members) return *link;
  }
  *link = mh_arena_alloc(fix->arena, sizeof **link);
  if (*link) **link = *child;
  else fix->failed = true;
  return *link;
}

static bool put(struct mh_fix *fix, const struct way *way, unsigned from, struct mh_fix_place *place,
                const struct mh_breach_group *group);

/* Goes on to a child. */
static bool put_child(struct mh_fix *fix, const struct way *way, unsigned from, struct mh_fix_place *place,
                      const struct mh_fix_place *child, const struct mh_breach_group *group) {
  struct mh_fix_place *found = find_child(fix, place, child);
  return found && put(fix, way, from + 1, found, group);
}

/* The step to every element or value. */
static bool put_elements(struct mh_fix *fix, const struct way *way, unsigned from, struct mh_fix_place *place,
                         const struct mh_breach_group *group) {
  struct mh_fix_place child = {0};
  bool leads_on = false;
  for (size_t i = 0; i < place->types.count; i++) {
    struct mh_slice definition = place->types.items[i];
    enum mh_fix_kind kind = mh_fix_kind(definition);
    leads_on |= leads(way, from, definition);
    if (kind == MH_FIX_ARRAY) mh_fix_add_types(fix, &child.types, mh_fix_element(definition));
    if (kind == MH_FIX_RECORD) mh_fix_add_types(fix, &child.types, mh_fix_values(definition));
    child.entry |= kind == MH_FIX_RECORD;
  }
  return leads_on && put_child(fix, way, from, place, &child, group);
}

/* Where the step is to a field that was meant for another one: what that one is in the object, empty where it is not. */
static struct mh_slice meant_type(const struct way *way, unsigned from, struct mh_slice object) {
  const struct mh_breach *breach = way->breach;
  bool optional, last = from + 1 == way->steps.count;
  if (!last || breach->kind != MH_BREACH_EXTRA || !breach->meant.data) return mh_slice(NULL, 0);
  return mh_fix_field(object, breach->meant, &optional);
}

/* The step to a field. Objects in which it may be the same share a child; others have each their own, so that a test
 * which object it is tells what may lie further in. */
static bool put_field(struct mh_fix *fix, const struct way *way, unsigned from, struct mh_fix_place *place,
                      const struct mh_breach_group *group) {
  uint64_t all = mh_fix_all_members(&place->types), left = 0;
  if (all == UINT64_MAX) return false;
  for (unsigned n = 0; all >> n; n++)
    if (leads(way, from, mh_fix_member(&place->types, n))) left |= (uint64_t)1 << n;
  bool found = left != 0;
  while (left && found) {
    unsigned first = (unsigned)__builtin_ctzll(left);
    struct mh_fix_place child = {.step = way->steps.names[from]};
    struct mh_slice object = mh_fix_member(&place->types, first), meant = meant_type(way, from, object);
    struct mh_slice type = mh_fix_field(object, child.step, &child.optional);
    for (unsigned n = first; all >> n; n++) {
      bool optional;
      object = mh_fix_member(&place->types, n);
      bool same = mh_slice_equal(type, mh_fix_field(object, child.step, &optional)) && optional == child.optional &&
                  mh_slice_equal(meant, meant_type(way, from, object));
      if (same && left >> n & 1) child.members |= (uint64_t)1 << n;
    }
    left &= ~child.members;
    mh_fix_add_types(fix, &child.types, type);
    child.extra = !type.size;
    found = put_child(fix, way, from, place, &child, group);
  }
  return found;
}

/* Puts the group where its steps lead. False where they lead nowhere. */
static bool put(struct mh_fix *fix, const struct way *way, unsigned from, struct mh_fix_place *place,
                const struct mh_breach_group *group) {
  if (from == way->steps.count) {
    mh_fix_add_breach(fix, &place->breaches, group);
    return true;
  }
  return way->steps.names[from].data ? put_field(fix, way, from, place, group)
                                     : put_elements(fix, way, from, place, group);
}

/* Finds the strictest match with which the way leads anywhere from the documents. */
static bool find_match(const struct mh_fix *fix, struct way *way) {
  static const enum match matches[] = {IS_IT, CONTAINS_IT, ANYTHING};
  for (size_t m = 0; m < sizeof matches / sizeof *matches; m++) {
    way->match = matches[m];
    for (size_t i = 0; i < fix->root.types.count; i++)
      if (leads(way, 0, fix->root.types.items[i])) return true;
  }
  return false;
}

void mh_fix_grow(struct mh_fix *fix, struct mh_slice definition, const struct mh_breaches *breaches) {
  mh_fix_add_types(fix, &fix->root.types, definition);
  for (size_t i = 0; i < breaches->group_count && !fix->failed; i++) {
    const struct mh_breach_group *group = &breaches->groups[i];
    struct way way = {.breach = &group->first};
    bool can = group->first.kind != MH_BREACH_DAMAGED && split(fix, &group->first, &way.steps) && way.steps.count > 0;
    can = can && find_match(fix, &way) && put(fix, &way, 0, &fix->root, group);
    if (!can) mh_fix_add_breach(fix, &fix->by_hand, group);
  }
}

/* ---- texts ---- */

const char *mh_fix_format(struct mh_fix *fix, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int size = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = size < 0 ? NULL : mh_arena_alloc(fix->arena, (size_t)size + 1);
  if (!text) {
    fix->failed = true;
    return "";
  }
  va_start(args, format);
  vsnprintf(text, (size_t)size + 1, format, args);
  va_end(args);
  return text;
}

const char *mh_fix_quoted(struct mh_fix *fix, struct mh_slice text) {
  struct mh_buffer quoted = {0};
  struct mh_slice copy = {0};
  if (mh_lua_write_string(text, &quoted)) copy = mh_arena_copy(fix->arena, mh_buffer_slice(&quoted));
  mh_buffer_free(&quoted);
  if (!copy.data) fix->failed = true;
  return copy.data ? (const char *)copy.data : "";
}
