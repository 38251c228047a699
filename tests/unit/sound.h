/* sound: that nothing in a store is at odds with the rest. */
#ifndef MH_TEST_SOUND_H
#define MH_TEST_SOUND_H

#include "../../core/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static inline void assert_sound(mh_store *store) {
  struct mh_check_report report;
  struct mh_error err;
  if (mh_check(store, &(struct mh_check_options){0}, &report, &err)) fail_msg("%s: %s", err.place, err.message);
  for (size_t i = 0; i <= report.table_count; i++) {
    const struct mh_check_part *part = i < report.table_count ? &report.tables[i] : &report.store;
    if (mh_check_faults(part)) fail_msg("%s: %s", part->findings[0].place, part->findings[0].message);
  }
  mh_check_report_free(&report);
}

#endif
