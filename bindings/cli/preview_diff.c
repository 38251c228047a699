#include "preview_diff.h"

#include "preview_facts.h"
#include "render.h"
#include "../../core/json.h"

enum {
  LINES_MOST = 20,         /* fields of a document: a glance */
  SAME_MOST = 3,           /* that are the same on both sides, */
  SAME_AMONG = 12,         /* of the first so many */
  COLUMNS_ELSEWHERE = 120, /* of a line that no terminal shows */
  COLUMNS_LEAST = 20
};

static size_t line_columns(void) {
  size_t columns = mh_terminal_columns(stdout);
  if (columns == SIZE_MAX) return COLUMNS_ELSEWHERE;
  return columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns;
}

/* "  + role: "user"", cut to the line. */
static mh_status print_value(const struct mh_cli *cli, char sign, struct mh_slice path, const struct mh_field *value,
                             struct mh_error *err) {
  static const enum mh_style styles[] = {['+'] = MH_STYLE_GREEN, ['-'] = MH_STYLE_RED, [' '] = MH_STYLE_DIM};
  struct mh_buffer line = {0};
  bool ok = mh_buffer_format(&line, "  %c %.*s: ", sign, (int)path.size, (const char *)path.data);
  mh_status status = ok ? mh_json_write_value(value, MH_JSON_LINES, &line, err) : mh_fail_nomem(err);
  if (!status && !mh_buffer_append(&line, "", 1)) status = mh_fail_nomem(err);
  if (!status) {
    char *text = (char *)line.data;
    const char *mark = cli->utf8 ? "…" : "...";
    size_t columns = line_columns();
    bool fits = text[mh_text_fit(text, columns)] == 0;
    if (!fits) text[mh_text_fit(text, columns - mh_text_columns(mark))] = 0;
    mh_print_styled(stdout, cli->color_out, styles[(unsigned char)sign], text);
    puts(fits ? "" : mark);
  }
  mh_buffer_free(&line);
  return status;
}

/* What every document has says nothing about a change. */
static bool is_system_field(struct mh_slice path) {
  return mh_slice_equal(path, mh_slice_text("_id")) || mh_slice_equal(path, mh_slice_text("_creationTime"));
}

/* The first fields that are the same on both sides. */
static mh_status print_same(const struct mh_cli *cli, const struct mh_preview_change *change, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field field, after;
  mh_status status = MH_OK;
  size_t shown = 0;
  if (!change->before.size || !change->after.size) return MH_OK;
  mh_bson_read(&reader, change->before);
  for (size_t i = 0; !status && i < SAME_AMONG && shown < SAME_MOST && mh_bson_next(&reader, &field); i++) {
    if (is_system_field(field.name) || !mh_bson_find(change->after, field.name, &after) || after.type != field.type ||
        !mh_slice_equal(after.raw, field.raw))
      continue;
    status = print_value(cli, ' ', field.name, &field, err);
    shown++;
  }
  return status;
}

static void print_header(const struct mh_cli *cli, const struct mh_preview_change *change) {
  const char *what = !change->before.size ? "  inserted" : !change->after.size ? "  deleted" : "";
  mh_document_place place;
  mh_print_styled(stdout, cli->color_out, MH_STYLE_BOLD, change->table->name);
  putchar('/');
  mh_print_id(stdout, false, mh_preview_change_place(change, place));
  puts(what);
}

mh_status mh_preview_diff_print(const struct mh_cli *cli, const struct mh_preview_change *change,
                                const struct mh_differences *differences, struct mh_error *err) {
  size_t lines = 0, left_out = differences->more;
  print_header(cli, change);
  mh_status status = print_same(cli, change, err);
  for (size_t i = 0; !status && i < differences->count; i++) {
    const struct mh_difference *difference = &differences->list[i];
    struct mh_slice path = mh_difference_path(differences, difference);
    if (is_system_field(path)) continue;
    if (lines++ >= LINES_MOST) {
      left_out++;
      continue;
    }
    if (difference->kind != MH_FIELD_ADDED) status = print_value(cli, '-', path, &difference->before, err);
    if (!status && difference->kind != MH_FIELD_REMOVED) status = print_value(cli, '+', path, &difference->after, err);
  }
  mh_figure fields;
  if (!status && left_out) printf("  and %s more\n", mh_things_text(left_out, "field", fields));
  if (!status && !differences->count) puts("  the order of its fields");
  putchar('\n');
  return status;
}
