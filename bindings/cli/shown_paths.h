/* shown_paths: paths as a person reads them. What a worker leaves behind names files by absolute paths, since it holds wherever one
 * is; below the directory one is in, the rest is enough. */
#ifndef MH_SHOWN_PATHS_H
#define MH_SHOWN_PATHS_H

/* Makes each path in the text that lies below the working directory relative to it: "/home/ann/app/scripts/a.lua:5: no" becomes
 * "scripts/a.lua:5: no"; the directory itself, where it is all of the text, ".". */
void mh_show_paths(char *text);

#endif
