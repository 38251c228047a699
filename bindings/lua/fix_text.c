/* The script is the tree of fix_tree.h, walked:
 *
 *   if user.role == nil then user.role = "user" end       what is wrong at a place
 *   if type(user.settings) == "table" then                a place with others inside
 *     local settings = user.settings
 *     settings.old = nil
 *   end
 *   if user.kind == "a" then ... end                      a place in one of several objects
 *
 * A value is always named through the table it lies in, so that what one line puts there the next one sees. */
#include "fix_text.h"

#include "fix_member.h"
#include "fix_value.h"
#include "../../core/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { COMMENT_BYTES_MAX = 240 };

struct writer {
  struct mh_fix fix;
  struct mh_buffer body;
  unsigned indent, helpers;
};

static void line(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct writer *writer, const char *format, ...) {
  va_list args;
  char *text = NULL;
  va_start(args, format);
  int size = vasprintf(&text, format, args);
  va_end(args);
  if (size < 0 || !mh_buffer_format(&writer->body, "%*s%s\n", (int)writer->indent, "", text)) writer->fix.failed = true;
  if (size >= 0) free(text);
}

static void enter(struct writer *writer, const char *opening) {
  line(writer, "%s", opening);
  writer->indent += 2;
}

static void leave(struct writer *writer) {
  writer->indent -= 2;
  line(writer, "end");
}

/* ---- comments ---- */

/* "1,234 documents", "1 document" */
static const char *count_text(struct mh_fix *fix, uint64_t count) {
  char digits[24], text[32];
  int size = snprintf(digits, sizeof digits, "%" PRIu64, count), used = 0;
  for (int i = 0; i < size; i++) {
    if (i > 0 && (size - i) % 3 == 0) text[used++] = ',';
    text[used++] = digits[i];
  }
  return mh_fix_format(fix, "%.*s document%s", used, text, count == 1 ? "" : "s");
}

/* The text on one line, and no longer than a comment should be. Texts of breaches may be cut within a character. */
static const char *comment_text(struct mh_fix *fix, const char *text) {
  char plain[COMMENT_BYTES_MAX + 1];
  const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
  size_t used = 0;
  for (unsigned length; at < end && used + 4 <= COMMENT_BYTES_MAX; at += length ? length : 1) {
    length = mh_utf8_length(at, end);
    if (length == 0) plain[used++] = '?';
    else if (mh_utf8_acts(at, length)) plain[used++] = ' ';
    else for (unsigned i = 0; i < length; i++) plain[used++] = (char)at[i];
  }
  plain[used] = 0;
  return mh_fix_format(fix, "%s%s", plain, at < end ? "..." : "");
}

/* "12 documents, such as jd7...: /role: missing, expected string" */
static void comment(struct writer *writer, const struct mh_breach_group *group) {
  struct mh_fix *fix = &writer->fix;
  const char *such = group->id_count ? mh_fix_format(fix, ", such as %.64s", group->ids[0]) : "";
  const char *text = mh_fix_format(fix, "%s%s: %s: %s", count_text(fix, group->documents), such, group->first.pattern,
                                   group->first.message);
  line(writer, "-- %s", comment_text(fix, text));
}

static void by_hand(struct writer *writer, const struct mh_breach_group *group, const char *why) {
  comment(writer, group);
  line(writer, "--   not mended here: %s", why);
}

/* ---- what is wrong at a place ---- */

static const char indistinct[] = "nothing tells the documents that it is about from those that fit";

/* A place while it is written. */
struct scene {
  const struct mh_fix_place *parent, *place;
  const char *outer;      /* user, tags */
  const char *expression; /* user.role, tags[key] */
  struct mh_fix_types types;
  bool blurred; /* of several objects, those it is about cannot be told from the others */
  const char *latest; /* the line written last; NULL before the first */
  size_t latest_start, latest_end; /* in the body */
};

/* error("/authorId: missing, expected an id of users; ...") */
static const char *unknown(struct mh_fix *fix, const struct mh_breach_group *group) {
  const char *text = comment_text(fix, mh_fix_format(fix, "%s: %s", group->first.pattern, group->first.reason));
  text = mh_fix_format(fix, "%s; edit this line to say what it is to be", text);
  return mh_fix_format(fix, "error(%s)", mh_fix_quoted(fix, mh_slice_text(text)));
}

/* `if test then expression = put end`, where `put` may be a call of error(). Reasons that need the same line, one after
 * the other, stand above it together. */
static void mend(struct writer *writer, struct scene *scene, const struct mh_breach_group *group,
                 const char *test, const char *put) {
  bool raises = strncmp(put, "error(", 6) == 0;
  const char *target = raises ? "" : mh_fix_format(&writer->fix, "%s = ", scene->expression);
  const char *code = mh_fix_format(&writer->fix, "if %s then %s%s end", test, target, put);
  bool again = scene->latest && strcmp(scene->latest, code) == 0 && scene->latest_end == writer->body.size;
  if (again) writer->body.size = scene->latest_start;
  comment(writer, group);
  scene->latest = code;
  scene->latest_start = writer->body.size;
  line(writer, "%s", code);
  scene->latest_end = writer->body.size;
}

static void write_missing(struct writer *writer, struct scene *scene, const struct mh_breach_group *group,
                          const struct mh_fix_value *value) {
  const char *put = mh_fix_default(value, &scene->types);
  if (scene->blurred && !mh_fix_all_require(&scene->parent->types, scene->place->step)) {
    by_hand(writer, group, indistinct);
    return;
  }
  mend(writer, scene, group, mh_fix_format(&writer->fix, "%s == nil", scene->expression), put ? put : value->unknown);
}

static void write_type(struct writer *writer, struct scene *scene, const struct mh_breach_group *group,
                       const struct mh_fix_value *value) {
  enum mh_type type = group->first.actual;
  const char *plain = scene->place->optional ? "nil" : mh_fix_default(value, &scene->types);
  bool may_go = scene->place->optional || scene->place->entry;
  if (mh_fix_accepts(&scene->types, type)) {
    by_hand(writer, group, indistinct);
    return;
  }
  const char *put = type == MH_NULL && may_go ? "nil"
                                              : mh_fix_convert(value, &scene->types, type, scene->expression,
                                                               plain ? plain : value->unknown);
  mend(writer, scene, group, mh_fix_test(value, type, scene->expression), put);
}

/* " and not ctx.db:normalizeId("users", x)" for each table that ids may be of */
static const char *no_id(struct mh_fix *fix, const struct mh_fix_types *types, const char *expression) {
  const char *text = "";
  struct mh_field literal;
  for (size_t i = 0; i < types->count; i++) {
    struct mh_slice type = types->items[i];
    if (mh_fix_kind(type) == MH_FIX_ID)
      text = mh_fix_format(fix, "%s and not ctx.db:normalizeId(%s, %s)", text, mh_fix_quoted(fix, mh_fix_table(type)),
                           expression);
    else if (mh_fix_literal(type, &literal))
      text = mh_fix_format(fix, "%s and %s ~= %s", text, expression, mh_fix_literal_text(fix, &literal));
  }
  return text;
}

static void write_id(struct writer *writer, struct scene *scene, const struct mh_breach_group *group,
                     const struct mh_fix_value *value) {
  struct mh_fix *fix = &writer->fix;
  if (mh_fix_accepts(&scene->types, MH_STRING)) {
    by_hand(writer, group, indistinct);
    return;
  }
  mend(writer, scene, group,
       mh_fix_format(fix, "%s%s", mh_fix_test(value, MH_STRING, scene->expression),
                     no_id(fix, &scene->types, scene->expression)),
       value->unknown);
}

/* Keys are strings in every document: only ids can be expected of them. */
static void write_key(struct writer *writer, struct scene *scene, const struct mh_breach_group *group,
                      const struct mh_fix_value *value) {
  struct mh_fix_types keys = {0};
  for (size_t i = 0; i < scene->parent->types.count; i++)
    if (mh_fix_kind(scene->parent->types.items[i]) == MH_FIX_RECORD)
      mh_fix_add_types(&writer->fix, &keys, mh_fix_keys(scene->parent->types.items[i]));
  const char *test = no_id(&writer->fix, &keys, "key");
  static const char joint[] = " and ";
  if (*test) mend(writer, scene, group, test + strlen(joint), value->unknown);
  else by_hand(writer, group, "nothing is known of the keys that are meant");
}

/* What is almost the name of a field that is not there was meant for that one: it keeps its value there. */
static void write_renaming(struct writer *writer, const struct scene *scene, const struct mh_breach *breach,
                           const struct mh_fix_value *value) {
  struct mh_fix *fix = &writer->fix;
  struct mh_fix_types types = {0};
  if (breach->meant.data) mh_fix_types_of(fix, &scene->parent->types, scene->place->members, breach->meant, &types);
  if (!types.count) return;
  const char *meant = mh_fix_format(fix, "%s%s", scene->outer, mh_fix_index(fix, breach->meant)), *put = "nil";
  if (mh_fix_accepts(&types, breach->actual)) put = scene->expression;
  else put = mh_fix_convert(value, &types, breach->actual, scene->expression, put);
  if (strcmp(put, "nil") == 0) return;
  line(writer, "if %s == nil and %s then %s = %s end", meant, mh_fix_test(value, breach->actual, scene->expression),
       meant, put);
}

static void write_extra(struct writer *writer, struct scene *scene, const struct mh_breach_group *group,
                        const struct mh_fix_value *value) {
  if (scene->blurred) {
    by_hand(writer, group, indistinct);
    return;
  }
  comment(writer, group);
  write_renaming(writer, scene, &group->first, value);
  line(writer, "%s = nil", scene->expression);
}

static void write_breach(struct writer *writer, struct scene *scene, const struct mh_breach_group *group) {
  struct mh_fix_value value = {&writer->fix, &writer->helpers, unknown(&writer->fix, group)};
  switch (group->first.kind) {
  case MH_BREACH_MISSING: write_missing(writer, scene, group, &value); break;
  case MH_BREACH_TYPE: write_type(writer, scene, group, &value); break;
  case MH_BREACH_ID: write_id(writer, scene, group, &value); break;
  case MH_BREACH_KEY: write_key(writer, scene, group, &value); break;
  case MH_BREACH_EXTRA: write_extra(writer, scene, group, &value); break;
  case MH_BREACH_DAMAGED: by_hand(writer, group, "restore the document, or delete it"); break;
  }
}

/* ---- the walk ---- */

static void write_children(struct writer *writer, const struct mh_fix_place *place, const char *expression,
                           bool elements);

/* Whether the value is a table with such places inside: in documents that are not meant it may be another one. */
static const char *inside_test(const struct mh_fix_value *value, struct scene *scene, bool elements) {
  unsigned kinds = mh_fix_kinds(&scene->place->types);
  if (elements && kinds & MH_FIX_ARRAY && kinds & MH_FIX_RECORD)
    return mh_fix_format(value->fix, "type(%s) == \"table\"", scene->expression);
  return mh_fix_test(value, elements && kinds & MH_FIX_ARRAY ? MH_ARRAY : MH_OBJECT, scene->expression);
}

/* The places inside of one: fields, and elements or entries. */
static void write_inside(struct writer *writer, struct scene *scene, const char *outer) {
  struct mh_fix *fix = &writer->fix;
  const struct mh_fix_place *place = scene->place;
  struct mh_fix_value value = {fix, &writer->helpers, ""};
  const char *variable =
      place->step.data ? mh_fix_variable(fix, place->step, "inner") : mh_fix_singular(fix, outer, "item");
  for (unsigned elements = 0; elements < 2; elements++) {
    bool any = false;
    for (const struct mh_fix_place *child = place->children; child; child = child->next)
      any |= !child->step.data == (elements == 1);
    if (!any) continue;
    enter(writer, mh_fix_format(fix, "if %s then", inside_test(&value, scene, elements)));
    line(writer, "local %s = %s", variable, scene->expression);
    write_children(writer, place, variable, elements);
    leave(writer);
  }
}

/* Fields that tell objects apart come first, since others look at them; of these the rarer values, and last, for all
 * that are left, the most frequent one. Then what was meant for a field that nothing was put into yet; then what is in
 * the schema; then what is not. */
enum rank { TELLING, MISNAMED, KNOWN, EXTRA };

static enum rank rank(struct mh_fix *fix, const struct mh_fix_place *parent, const struct mh_fix_place *child) {
  if (child->extra) return child->breaches && child->breaches->group->first.meant.data ? MISNAMED : EXTRA;
  return child->step.data && mh_fix_tells_apart(fix, &parent->types, child->step) ? TELLING : KNOWN;
}

static bool is_first_of_step(const struct mh_fix_place *parent, const struct mh_fix_place *place) {
  const struct mh_fix_place *child = parent->children;
  while (!mh_slice_equal(child->step, place->step)) child = child->next;
  return child == place;
}

/* Fills the scene; returns the test that its lines stand behind, "" for none. */
static const char *set_scene(struct writer *writer, const struct mh_fix_place *parent,
                             const struct mh_fix_place *place, const char *outer, struct scene *scene) {
  struct mh_fix *fix = &writer->fix;
  const char *test = mh_fix_member_test(fix, parent, place, outer);
  const char *index = place->step.data ? mh_fix_index(fix, place->step) : "[key]";
  *scene = (struct scene){.parent = parent,
                          .place = place,
                          .outer = outer,
                          .expression = mh_fix_format(fix, "%s%s", outer, index),
                          .types = place->types,
                          .blurred = !test};
  bool widens = !test || rank(fix, parent, place) == TELLING;
  if (widens) { /* not to touch what another of the objects may have here */
    scene->types = (struct mh_fix_types){0};
    for (size_t i = 0; i < place->types.count; i++) mh_fix_add_types(fix, &scene->types, place->types.items[i]);
    if (place->members != mh_fix_all_members(&parent->types))
      mh_fix_widen(fix, &parent->types, place->step, &scene->types);
  }
  bool for_all = rank(fix, parent, place) == TELLING && is_first_of_step(parent, place);
  return test && !for_all ? test : "";
}

static void write_place(struct writer *writer, struct scene *scene, const char *outer) {
  for (const struct mh_fix_breach *breach = scene->place->breaches; breach; breach = breach->next)
    write_breach(writer, scene, breach->group);
  if (scene->place->children) write_inside(writer, scene, outer);
}

/* One child behind its test, which stays open for the next one: *open is the test that stands. */
static void write_child(struct writer *writer, const struct mh_fix_place *parent, const struct mh_fix_place *child,
                        const char *outer, const char **open) {
  struct scene scene;
  const char *test = set_scene(writer, parent, child, outer, &scene);
  if (strcmp(test, *open) != 0) {
    if (**open) leave(writer);
    if (*test) enter(writer, mh_fix_format(&writer->fix, "if %s then", test));
    *open = test;
  }
  write_place(writer, &scene, outer);
}

/* Those that tell objects apart, the last of the list first. */
static void write_telling(struct writer *writer, const struct mh_fix_place *place, const struct mh_fix_place *child,
                          const char *expression, const char **open) {
  if (!child) return;
  write_telling(writer, place, child->next, expression, open);
  if (rank(&writer->fix, place, child) == TELLING) write_child(writer, place, child, expression, open);
}

static void write_fields(struct writer *writer, const struct mh_fix_place *place, const char *expression) {
  const char *open = "";
  write_telling(writer, place, place->children, expression, &open);
  for (enum rank later = MISNAMED; later <= EXTRA; later++)
    for (const struct mh_fix_place *child = place->children; child; child = child->next)
      if (child->step.data && rank(&writer->fix, place, child) == later)
        write_child(writer, place, child, expression, &open);
  if (*open) leave(writer);
}

/* The fields of the value that `expression` is, or its elements. */
static void write_children(struct writer *writer, const struct mh_fix_place *place, const char *expression,
                           bool elements) {
  if (!elements) {
    write_fields(writer, place, expression);
    return;
  }
  const char *open = "";
  enter(writer, mh_fix_format(&writer->fix, "for key in pairs(%s) do", expression));
  for (const struct mh_fix_place *child = place->children; child; child = child->next)
    if (!child->step.data) write_child(writer, place, child, expression, &open);
  leave(writer);
}

/* ---- the script ---- */

static void write_body(struct writer *writer, const struct mh_breaches *breaches, const char *document) {
  writer->indent = 4;
  write_children(writer, &writer->fix.root, document, false);
  for (const struct mh_fix_breach *breach = writer->fix.by_hand; breach; breach = breach->next)
    by_hand(writer, breach->group, "it lies too deep, or its path does not tell where");
  if (breaches->ungrouped)
    line(writer, "-- %s more for reasons too many to list: deploy again after this",
         count_text(&writer->fix, breaches->ungrouped));
  line(writer, "return %s", document);
}

static bool write_script(struct writer *writer, const char *table, const char *document,
                         const struct mh_breaches *breaches, struct mh_fix_paths paths, struct mh_buffer *out) {
  struct mh_fix *fix = &writer->fix;
  const char *quoted = mh_fix_quoted(fix, mh_slice_text(table)), *script = comment_text(fix, paths.script);
  bool ok = mh_buffer_format(out,
                             "-- Mends what keeps documents of %s from fitting %s: %s.\n"
                             "-- What it would change: mighost %s --dry-run\n"
                             "-- Run it with: mighost %s\n\n",
                             table, comment_text(fix, paths.schema), count_text(fix, breaches->documents),
                             script, script);
  mh_fix_write_helpers(writer->helpers, out, &ok);
  return ok && mh_buffer_format(out, "return migrations.define {\n  table = %s,\n  migrateOne = function(ctx, %s)\n",
                                quoted, document) &&
         mh_buffer_append(out, writer->body.data, writer->body.size) && mh_buffer_append_text(out, "  end,\n}\n") &&
         !fix->failed;
}

mh_status mh_lua_write_fix(const char *table, const struct mh_field *definition, const struct mh_breaches *breaches,
                           struct mh_fix_paths paths, struct mh_buffer *out, struct mh_error *err) {
  struct writer writer = {.fix.arena = mh_arena_new()};
  size_t before = out->size;
  if (!writer.fix.arena) return mh_fail_nomem(err);
  mh_fix_grow(&writer.fix, definition->raw, breaches);
  const char *document = mh_fix_singular(&writer.fix, table, "doc");
  write_body(&writer, breaches, document);
  bool ok = write_script(&writer, table, document, breaches, paths, out);
  mh_buffer_free(&writer.body);
  mh_arena_free(writer.fix.arena);
  if (ok) return MH_OK;
  out->size = before;
  return mh_fail_nomem(err);
}
