#include "options.h"
#include "../../core/nearest.h"

#include <stdio.h>
#include <stdlib.h>

/* One table and where its values go. */
struct target {
  const struct mh_option *table;
  struct mh_option_value *values;
};

static const struct mh_option *find_name(const struct mh_option *table, struct mh_slice name) {
  for (const struct mh_option *option = table; option && option->name; option++)
    if (mh_slice_equal(name, mh_slice_text(option->name))) return option;
  return NULL;
}

static const struct mh_option *find_letter(const struct mh_option *table, char letter) {
  for (const struct mh_option *option = table; option && option->name; option++)
    if (option->letter == letter && letter) return option;
  return NULL;
}

static bool is_option(const char *word) { return word[0] == '-' && word[1]; }

static struct mh_slice long_name(const char *word) { return mh_slice(word + 2, strcspn(word + 2, "=")); }

bool mh_option_takes_next(const struct mh_option *table, const char *word) {
  if (!is_option(word)) return false;
  if (word[1] == '-') {
    const struct mh_option *option = strchr(word, '=') ? NULL : find_name(table, long_name(word));
    return option && option->value;
  }
  for (const char *letter = word + 1; *letter; letter++) {
    const struct mh_option *option = find_letter(table, *letter);
    if (option && option->value) return !letter[1];
  }
  return false;
}

static mh_status unknown(const struct target targets[2], const char *word, struct mh_error *err) {
  char name[160];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
  struct mh_nearest nearest = mh_nearest(name + 2);
  for (int i = 0; i < 2 && word[1] == '-'; i++)
    for (const struct mh_option *option = targets[i].table; option && option->name; option++)
      mh_nearest_offer(&nearest, option->name);
  if (!nearest.best) return mh_fail(err, MH_USAGE, "unknown option %s", name);
  return mh_fail(err, MH_USAGE, "unknown option %s; did you mean --%s?", name, nearest.best);
}

/* ---- values ---- */

static mh_status out_of_range(const struct mh_option *option, const char *text, struct mh_error *err) {
  if (option->kind == MH_OPTION_COUNT)
    return mh_fail(err, MH_USAGE, "--%s takes a whole number from %.0f to %.0f, not '%.80s'", option->name, option->least,
                   option->most, text);
  return mh_fail(err, MH_USAGE, "--%s takes a number from %.10g to %.10g, not '%.80s'", option->name, option->least,
                 option->most, text);
}

static mh_status take_number(const struct mh_option *option, struct mh_option_value *value, struct mh_error *err) {
  const char *allowed = option->kind == MH_OPTION_COUNT ? "0123456789" : "0123456789.";
  char *end;
  if (value->text[strspn(value->text, allowed)]) return out_of_range(option, value->text, err);
  value->number = strtod(value->text, &end);
  if (*end || end == value->text || value->number < option->least || value->number > option->most)
    return out_of_range(option, value->text, err);
  return MH_OK;
}

static mh_status take_choice(const struct mh_option *option, struct mh_option_value *value, struct mh_error *err) {
  size_t size = strlen(value->text), index = 0;
  for (const char *choice = option->value;; index++) {
    size_t length = strcspn(choice, "|");
    if (length == size && memcmp(choice, value->text, size) == 0) {
      value->choice = index;
      return MH_OK;
    }
    if (!choice[length]) break;
    choice += length + 1;
  }
  return mh_fail(err, MH_USAGE, "--%s takes %s, not '%.80s'", option->name, option->value, value->text);
}

/* `text` is NULL where no value was given. */
static mh_status take(const struct mh_option *option, struct mh_option_value *value, const char *text,
                      struct mh_error *err) {
  value->given = true;
  value->text = text;
  if (!option->value)
    return text ? mh_fail(err, MH_USAGE, "--%s takes no value, but got '%.80s'", option->name, text) : MH_OK;
  if (!text || !*text) return mh_fail(err, MH_USAGE, "--%s needs a value: --%s %s", option->name, option->name,
                                      option->value);
  switch (option->kind) {
    case MH_OPTION_COUNT:
    case MH_OPTION_DECIMAL: return take_number(option, value, err);
    case MH_OPTION_CHOICE: return take_choice(option, value, err);
    case MH_OPTION_FLAG:
    case MH_OPTION_TEXT: break;
  }
  return MH_OK;
}

/* ---- words ---- */

static mh_status take_long(const struct target targets[2], const char *word, const char *next, struct mh_error *err) {
  const char *equals = strchr(word, '=');
  for (int i = 0; i < 2; i++) {
    const struct mh_option *option = find_name(targets[i].table, long_name(word));
    if (!option) continue;
    const char *text = equals ? equals + 1 : option->value ? next : NULL;
    return take(option, &targets[i].values[option - targets[i].table], text, err);
  }
  return unknown(targets, word, err);
}

static mh_status take_letters(const struct target targets[2], const char *word, const char *next,
                              struct mh_error *err) {
  for (const char *letter = word + 1; *letter; letter++) {
    const struct target *target = targets;
    const struct mh_option *option = find_letter(target->table, *letter);
    if (!option) option = find_letter((++target)->table, *letter);
    if (!option) return unknown(targets, (char[]){'-', *letter, 0}, err);
    const char *text = !option->value ? NULL : letter[1] ? letter + 1 : next;
    mh_status status = take(option, &target->values[option - target->table], text, err);
    if (status || text) return status;
  }
  return MH_OK;
}

mh_status mh_arguments_read(struct mh_arguments *arguments, const struct mh_option *global,
                            const struct mh_option *own, const char **words, size_t count, struct mh_error *err) {
  *arguments = (struct mh_arguments){.operands = words};
  const struct target targets[2] = {{global, arguments->global}, {own, arguments->own}};
  bool ended = false;
  for (size_t i = 0; i < count; i++) {
    const char *word = words[i];
    if (ended || !is_option(word)) {
      words[arguments->operand_count++] = word;
      continue;
    }
    if (strcmp(word, "--") == 0) {
      ended = true;
      continue;
    }
    const char *next = i + 1 < count ? words[i + 1] : NULL;
    mh_status status = word[1] == '-' ? take_long(targets, word, next, err) : take_letters(targets, word, next, err);
    if (status) return status;
    if (mh_option_takes_next(global, word) || mh_option_takes_next(own, word)) i++;
  }
  return MH_OK;
}
