#include "shown_paths.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Whether a path may begin here, and is not the rest of a longer one. */
static bool begins_path(const char *text, const char *at) {
  return at == text || strchr(" \t\n'\"(", at[-1]);
}

void mh_show_paths(char *text) {
  char here[PATH_MAX];
  if (!getcwd(here, sizeof here) || strcmp(here, "/") == 0) return;
  size_t size = strlen(here);
  if (strcmp(text, here) == 0) strcpy(text, ".");
  for (char *at = text; (at = strstr(at, here));) {
    if (at[size] == '/' && begins_path(text, at)) memmove(at, at + size + 1, strlen(at + size + 1) + 1);
    else at++;
  }
}
