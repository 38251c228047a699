/* Locks that the operating system releases when the process dies: one byte of a file each.
 *
 * Open file description locks (F_OFD_SETLK, Linux): plain POSIX locks vanish when any descriptor of the file is
 * closed. Two mh_filelock of one process exclude each other too, and what is tried by one that holds it is refused: who holds
 * a byte is known by the handle as well. */
#ifndef MH_FILELOCK_H
#define MH_FILELOCK_H

#include "bytes.h"

typedef struct mh_filelock mh_filelock;

/* Opens (and with `create` makes) the file. Closing releases what is held. */
mh_status mh_filelock_open(const char *path, bool create, mh_filelock **lock, struct mh_error *err);
void mh_filelock_close(mh_filelock *lock); /* NULL is allowed */

/* Any thread may call these. Takes byte `byte`, waiting for it: for this handle to give it back, too. */
mh_status mh_filelock_wait(mh_filelock *lock, uint64_t byte, struct mh_error *err);
/* Takes it if nobody has it: this handle neither. */
mh_status mh_filelock_try(mh_filelock *lock, uint64_t byte, bool *taken, struct mh_error *err);
/* Whether anybody holds it, this handle too; takes nothing. */
mh_status mh_filelock_test(mh_filelock *lock, uint64_t byte, bool *held, struct mh_error *err);
/* Gives it back. One that is not held stays as it is. */
void mh_filelock_release(mh_filelock *lock, uint64_t byte);

#endif
