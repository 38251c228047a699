/* who: the person at this end, for the history of runs. */
#ifndef MH_WHO_H
#define MH_WHO_H

typedef char mh_who_text[129];

/* "ann@host"; the user's number where it has no name. Returns `text`. */
const char *mh_who(mh_who_text text);

#endif
