/* ok: what the unit tests say of a call that must succeed; the error is that of the fixture `f`. */
#ifndef MH_TEST_OK_H
#define MH_TEST_OK_H

#define OK(call) \
  do { \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, f->err.place, f->err.message); \
  } while (0)

#endif
