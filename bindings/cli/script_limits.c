#include "script_limits.h"

#include "render.h"

struct mh_script_options mh_script_limits(const struct mh_option_value *unsafe, const struct mh_option_value *timeout,
                                          const struct mh_option_value *memory) {
  return (struct mh_script_options){.allow_unsafe = unsafe->given,
                                    .doc_timeout_ms = (uint32_t)(timeout->number * 1000),
                                    .max_memory_bytes = (size_t)memory->number << 20};
}

static void on_hang(void *self, const struct mh_error *err, const char *document) {
  const struct mh_script_telling *telling = self;
  mh_print_error(telling->cli, err);
  if (!*document) return;
  fprintf(stderr, "while %s ", telling->doing);
  mh_print_plain(stderr, document);
  fputc('\n', stderr);
}

static void on_notice(void *self, const char *text) {
  const struct mh_script_telling *telling = self;
  mh_print_notice(telling->cli, "%s", text);
}

static void on_output(void *self, struct mh_slice text) {
  const struct mh_script_telling *telling = self;
  if (!telling->cli->quiet) mh_print_output(text);
}

void mh_script_tell(struct mh_script_options *options, const struct mh_script_telling *telling) {
  options->on_hang = on_hang;
  options->on_notice = on_notice;
  options->on_output = on_output;
  options->on_hang_self = options->on_notice_self = options->on_output_self = (void *)telling;
}
