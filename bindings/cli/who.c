#include "who.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

const char *mh_who(mh_who_text text) {
  char host[65] = "", number[16]; /* HOST_NAME_MAX is 64; cut, it may lack its zero */
  uid_t user = geteuid();
  const struct passwd *entry = getpwuid(user);
  snprintf(number, sizeof number, "%u", (unsigned)user);
  if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
  snprintf(text, sizeof(mh_who_text), "%.60s%s%s", entry && entry->pw_name ? entry->pw_name : number,
           host[0] ? "@" : "", host);
  return text;
}
