#include "fix_member.h"

#include "fix_value.h"

/* What the field may be in an object; none where the object has no such field. */
static struct mh_fix_types types_of(struct mh_fix *fix, struct mh_slice object, struct mh_slice field,
                                    bool *optional) {
  struct mh_fix_types types = {0};
  mh_fix_add_types(fix, &types, mh_fix_field(object, field, optional));
  return types;
}

static bool is_literal(const struct mh_fix_types *types) { return mh_fix_kinds(types) == MH_FIX_LITERAL; }

static bool share_a_type(const struct mh_fix_types *a, const struct mh_fix_types *b) {
  for (size_t i = 0; i < a->count; i++)
    for (size_t j = 0; j < b->count; j++)
      if (mh_slice_equal(a->items[i], b->items[j])) return true;
  return false;
}

/* x.kind == "a", or (x.kind == "a" or x.kind == "b") */
static const char *is_one_of(struct mh_fix *fix, const char *field, const struct mh_fix_types *literals) {
  const char *text = "";
  struct mh_field value;
  for (size_t i = 0; i < literals->count; i++) {
    if (!mh_fix_literal(literals->items[i], &value)) continue;
    text = mh_fix_format(fix, "%s%s%s == %s", text, *text ? " or " : "", field, mh_fix_literal_text(fix, &value));
  }
  return literals->count > 1 ? mh_fix_format(fix, "(%s)", text) : text;
}

/* A term that holds for `member` and not for `other`: by a literal that both must have, or by a field that only the
 * member has, and must. */
static const char *term_by(struct mh_fix *fix, struct mh_slice member, struct mh_slice other, struct mh_slice except,
                           const char *expression, bool literal) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, mh_fix_fields(member));
  while (mh_bson_next(&reader, &field)) {
    bool optional, ignored;
    if (mh_slice_equal(field.name, except)) continue;
    struct mh_fix_types mine = types_of(fix, member, field.name, &optional);
    struct mh_fix_types theirs = types_of(fix, other, field.name, &ignored);
    const char *name = mh_fix_format(fix, "%s%s", expression, mh_fix_index(fix, field.name));
    if (literal && is_literal(&mine) && is_literal(&theirs) && !share_a_type(&mine, &theirs) && !optional)
      return is_one_of(fix, name, &mine);
    if (!literal && !theirs.count && !optional) return mh_fix_format(fix, "%s ~= nil", name);
  }
  return NULL;
}

/* What only the other has, and must: none of it may be there, since a document that does not fit may lack some. */
static const char *term_by_absence(struct mh_fix *fix, struct mh_slice member, struct mh_slice other,
                                   struct mh_slice except, const char *expression) {
  struct mh_bson_reader reader;
  struct mh_field field;
  const char *text = NULL;
  mh_bson_read(&reader, mh_fix_fields(other));
  while (mh_bson_next(&reader, &field)) {
    bool optional, ignored;
    mh_fix_field_type(&field, &optional);
    if (optional || mh_slice_equal(field.name, except) || mh_fix_field(member, field.name, &ignored).size) continue;
    text = mh_fix_format(fix, "%s%s%s%s == nil", text ? text : "", text ? " and " : "", expression,
                         mh_fix_index(fix, field.name));
  }
  return text;
}

static const char *term(struct mh_fix *fix, struct mh_slice member, struct mh_slice other, struct mh_slice except,
                        const char *expression) {
  const char *text = term_by(fix, member, other, except, expression, true);
  if (!text) text = term_by(fix, member, other, except, expression, false);
  if (text) return text;
  return term_by_absence(fix, member, other, except, expression);
}

/* All terms that tell a member from those that are not meant, joined by "and". */
static const char *test_of(struct mh_fix *fix, const struct mh_fix_types *types, unsigned member, uint64_t others,
                           struct mh_slice except, const char *expression) {
  const char *text = "", *before = "";
  for (unsigned n = 0; n < MH_FIX_MEMBERS_MAX; n++) {
    if (!(others >> n & 1)) continue;
    const char *found = term(fix, mh_fix_member(types, member), mh_fix_member(types, n), except, expression);
    if (!found) return NULL;
    if (strcmp(found, before) != 0) text = mh_fix_format(fix, "%s%s%s", text, *text ? " and " : "", found);
    before = found; /* mostly one literal tells them all apart */
  }
  return text;
}

const char *mh_fix_member_test(struct mh_fix *fix, const struct mh_fix_place *parent, const struct mh_fix_place *child,
                               const char *expression) {
  uint64_t others = mh_fix_all_members(&parent->types) & ~child->members;
  const char *text = "", *before = "";
  if (!others || !child->members) return "";
  for (unsigned n = 0; n < MH_FIX_MEMBERS_MAX; n++) {
    if (!(child->members >> n & 1)) continue;
    const char *one = test_of(fix, &parent->types, n, others, child->step, expression);
    if (!one) return NULL;
    if (strcmp(one, before) != 0) text = mh_fix_format(fix, "%s%s%s", text, *text ? " or " : "", one);
    before = one;
  }
  return text;
}

bool mh_fix_tells_apart(struct mh_fix *fix, const struct mh_fix_types *parent, struct mh_slice field) {
  unsigned count = 0;
  for (size_t i = 0; i < parent->count; i++) {
    bool optional;
    if (mh_fix_kind(parent->items[i]) != MH_FIX_OBJECT) continue;
    struct mh_fix_types types = types_of(fix, parent->items[i], field, &optional);
    if (!is_literal(&types) || optional) return false;
    count++;
  }
  return count > 1;
}

bool mh_fix_all_require(const struct mh_fix_types *parent, struct mh_slice field) {
  for (size_t i = 0; i < parent->count; i++) {
    bool optional;
    if (mh_fix_kind(parent->items[i]) != MH_FIX_OBJECT) continue;
    if (!mh_fix_field(parent->items[i], field, &optional).size || optional) return false;
  }
  return true;
}

void mh_fix_types_of(struct mh_fix *fix, const struct mh_fix_types *parent, uint64_t members, struct mh_slice field,
                     struct mh_fix_types *types) {
  bool optional;
  struct mh_fix_types found = {0};
  for (unsigned n = 0; n < MH_FIX_MEMBERS_MAX; n++) {
    if (!(members >> n & 1)) continue;
    struct mh_slice type = mh_fix_field(mh_fix_member(parent, n), field, &optional);
    if (!type.size) return;
    mh_fix_add_types(fix, &found, type);
  }
  for (size_t i = 0; i < found.count; i++) mh_fix_add_types(fix, types, found.items[i]);
}

void mh_fix_widen(struct mh_fix *fix, const struct mh_fix_types *parent, struct mh_slice field,
                  struct mh_fix_types *types) {
  bool optional;
  for (size_t i = 0; i < parent->count; i++)
    if (mh_fix_kind(parent->items[i]) == MH_FIX_OBJECT)
      mh_fix_add_types(fix, types, mh_fix_field(parent->items[i], field, &optional));
}
