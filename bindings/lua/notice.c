#include "notice.h"

#include "state.h"

void mh_lua_notice_reset(struct mh_lua_notice *notice) {
  atomic_store(&notice->told_many, false);
  atomic_store(&notice->told_unstored, false);
}

static void append_index(struct mh_buffer *text, const struct mh_index *index) {
  mh_buffer_format(text, "%s (", index->name);
  for (size_t i = 0; i < index->fields.count; i++)
    mh_buffer_format(text, "%s%s", i ? ", " : "", index->fields.paths[i].text);
  mh_buffer_append_text(text, ")");
}

/* Says which index would do, or how to have one. */
static void append_indexes(struct mh_buffer *text, const struct mh_table *table) {
  size_t named = 0;
  for (size_t i = 0; table && i < table->index_count; i++) {
    if (table->indexes[i].state != MH_INDEX_ENABLED) continue;
    mh_buffer_append_text(text, named++ ? ", " : "narrow it with query:withIndex(...): there is ");
    append_index(text, &table->indexes[i]);
  }
  if (!named)
    mh_buffer_append_text(text, "an index of the field you look for would help: add :index(\"by_FIELD\", { \"FIELD\" }) "
                                "to the table in the schema, deploy it, and read with query:withIndex(\"by_FIELD\", "
                                "function(q) return q:eq(\"FIELD\", value) end)");
}

void mh_lua_notice_many(lua_State *L, struct mh_lua_notice *notice, const mh_txn *txn, const char *call,
                        const char *table, bool of_call, bool indexed) {
  if (!notice || !notice->tell || atomic_exchange(&notice->told_many, true)) return;
  char place[sizeof((struct mh_error *)0)->place];
  struct mh_buffer text = {0};
  mh_lua_script_place(L, place, sizeof place);
  mh_buffer_format(&text, "%s: %s reads more than %d documents of %s%s; ", place, call, MH_LUA_MANY_DOCUMENTS, table,
                   of_call ? "" : " for one that is migrated");
  if (indexed) mh_buffer_append_text(&text, "narrow its range with further conditions, q:eq(...), q:gte(...), q:lt(...)");
  else append_indexes(&text, mh_txn_table(txn, mh_slice_text(table)));
  if (mh_buffer_append(&text, "", 1)) notice->tell(notice->self, (const char *)text.data);
  mh_buffer_free(&text);
}

void mh_lua_notice_unstored(struct mh_lua_notice *notice, const struct mh_error *what) {
  char text[sizeof what->place + sizeof what->message];
  if (!notice || !notice->tell || atomic_exchange(&notice->told_unstored, true)) return;
  notice->tell(notice->self, mh_error_text(what, text, sizeof text));
}
