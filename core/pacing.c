#include "pacing.h"

enum { SMALLEST = 8 };

void mh_pacing_begin(struct mh_pacing *pacing, double lock_budget_ms, double empty_commit_ns, uint32_t fixed) {
  *pacing = (struct mh_pacing){.size = fixed ? fixed : MH_PACING_FIRST, .fixed = fixed};
  mh_pacing_retarget(pacing, lock_budget_ms, empty_commit_ns);
}

void mh_pacing_retarget(struct mh_pacing *pacing, double lock_budget_ms, double empty_commit_ns) {
  pacing->budget_ns = lock_budget_ms * 1e6 + 3 * empty_commit_ns;
}

static void resize(struct mh_pacing *pacing, double size) {
  double last = pacing->fixed ? pacing->fixed : MH_PACING_LAST;
  pacing->size = size < SMALLEST ? SMALLEST : size > last ? (uint32_t)last : (uint32_t)size;
  if (pacing->fixed && pacing->size > pacing->fixed) pacing->size = pacing->fixed;
}

void mh_pacing_held(struct mh_pacing *pacing, size_t documents, double held_ns, bool full) {
  if (!documents || held_ns <= 0) return;
  if (pacing->fixed) {
    resize(pacing, pacing->size * 2.0); /* back to what was asked for after a conflict */
    return;
  }
  /* Aim a little below the budget: half of all batches hold the lock longer than the estimate. */
  double ratio = 0.85 * pacing->budget_ns / held_ns;
  if (ratio < 0.25) ratio = 0.25;
  if (ratio > 2) ratio = 2;
  if (ratio < 1)
    resize(pacing, (double)documents * ratio);
  else if (full)
    resize(pacing, pacing->size * (ratio < 1.25 ? ratio : (1 + ratio) / 2)); /* grow in smaller steps than shrink */
}

void mh_pacing_conflict(struct mh_pacing *pacing) { resize(pacing, pacing->size / 2.0); }
