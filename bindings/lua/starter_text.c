#include "fix_text.h"

#include "fix_value.h"

static const char head[] =
    "return migrations.define {\n"
    "  table = %s,%s\n"
    "  -- batchSize = 100, -- documents stored together; without it, as many as do not keep other writers waiting\n"
    "\n"
    "  -- Called for each document of the table, once. What returns nothing changes nothing.\n"
    "  migrateOne = function(ctx, %s)\n";
static const char body[] =
    "    -- Return the fields to set; unset removes one:\n"
    "    --   if %1$s.role == nil then return { role = \"user\", legacyField = unset } end\n"
    "    --\n"
    "    -- or change the document and return it:\n"
    "    --   %1$s.settings = %1$s.settings or { theme = \"light\" }\n"
    "    --   %1$s.legacyField = nil\n"
    "    --   return %1$s\n"
    "    --\n"
    "    -- or write with ctx.db, to other tables too:\n"
    "    --   ctx.db:patch(%1$s._id, { role = \"user\" })\n"
    "    --   ctx.db:insert(\"log\", { about = %1$s._id, at = now() })\n"
    "  end,\n"
    "}\n";

/* A command and what it does, behind the longest of them. */
static bool add_command(struct mh_buffer *out, const struct mh_starter *starter, const char *before, const char *words,
                        const char *after, const char *does) {
  int longest = (int)(strlen(starter->script_words) + strlen(" --dry-run"));
  int size = (int)(strlen(before) + strlen(words) + strlen(after));
  return mh_buffer_format(out, "--   mighost %s%s%s%*s     %s\n", before, words, after, size < longest ? longest - size : 0,
                          "", does);
}

static bool add_commands(struct mh_buffer *out, const struct mh_starter *starter) {
  const char *script = starter->script_words, *name = starter->name_words;
  return add_command(out, starter, "", script, " --dry-run", "shows what it would change; nothing is written") &&
         add_command(out, starter, "", script, "", "runs it; stopped and run again, it goes on where it was") &&
         add_command(out, starter, "status ", name, "", "tells how far it is") &&
         add_command(out, starter, "verify ", name, "", "tells whether anything is left to change");
}

mh_status mh_lua_write_starter(const struct mh_starter *starter, struct mh_buffer *out, struct mh_error *err) {
  const char *table = starter->table;
  struct mh_fix fix = {.arena = mh_arena_new()};
  size_t before = out->size;
  if (!fix.arena) return mh_fail_nomem(err);
  const char *document = mh_fix_singular(&fix, table ? table : "", "doc");
  const char *quoted = mh_fix_quoted(&fix, mh_slice_text(table ? table : "users"));
  bool ok = mh_buffer_format(out, "-- %s\n--\n", starter->name) && add_commands(out, starter) &&
            mh_buffer_format(out, head, quoted, table ? "" : " -- which one?", document) &&
            mh_buffer_format(out, body, document) && !fix.failed;
  mh_arena_free(fix.arena);
  if (ok) return MH_OK;
  out->size = before;
  return mh_fail_nomem(err);
}
