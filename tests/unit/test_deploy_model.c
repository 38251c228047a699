/* Every interleaving of a deploy with other writers, over a small table: the real deploy runs, and at each of its steps
 * (before the install, behind it, behind each look at the documents, behind each commit) others may write, evaluate
 * something that is committed at a later step, replace the table, or make one that the schema names. Before it another
 * schema may have been active, or another deploy, of this schema or the other, died at any of its steps.
 *
 * What must be true whatever they do: their writes are stored, each once; the schema is active only if every document fits
 * and every index is exact; a deploy fails only if something was written that does not fit, and then leaves nothing. */
#include "../../core/deploy.h"
#include "../../core/json.h"
#include "importing.h"

#include <sys/wait.h>

/* One of the others' actions a path by default, which takes some seconds; MIGHOST_MODEL_ACTIONS=2 (make race) minutes. */
enum { CHOICES_MAX = 64, DOCUMENTS = 3, DIED = 9 };

#define INDEXES \
  "\"indexes\":[{\"indexDescriptor\":\"by_v\",\"fields\":[\"v\"]}],\"stagedDbIndexes\":[{\"indexDescriptor\":\"by_w_v\"," \
  "\"fields\":[\"w\",\"v\"]}],"
#define NUMBER_V "\"documentType\":{\"type\":\"object\",\"value\":{\"v\":{\"fieldType\":{\"type\":\"number\"}," \
                 "\"optional\":false},\"w\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true}}}}"
static const char ANY[] = "{\"tables\":[],\"schemaValidation\":true}";
static const char NUMBERS[] = "{\"tables\":[{\"tableName\":\"posts\"," INDEXES NUMBER_V ",{\"tableName\":\"users\"," INDEXES
                              NUMBER_V "],\"schemaValidation\":true}";
/* What fits that fits this; its indexes have the same names, but one other fields, one is enabled, and one more. */
static const char OTHER[] =
    "{\"tables\":[{\"tableName\":\"users\",\"indexes\":[{\"indexDescriptor\":\"by_v\",\"fields\":[\"w\"]},"
    "{\"indexDescriptor\":\"by_w_v\",\"fields\":[\"w\",\"v\"]},{\"indexDescriptor\":\"by_x\",\"fields\":[\"w.x\"]}],"
    "\"stagedDbIndexes\":[],\"documentType\":{\"type\":\"object\",\"value\":{"
    "\"v\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true},"
    "\"w\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true}}}}],\"schemaValidation\":true}";

enum action {
  NOTHING,
  RELEASE, /* commits what is held */
  HOLD_INSERT_MISFIT, HOLD_PATCH, HOLD_PATCH_MISFIT, HOLD_REMOVE, /* evaluates only */
  INSERT, INSERT_MISFIT, PATCH, PATCH_MISFIT, REMOVE, PATCH_AND_BACK, INSERT_AND_REMOVE,
  IMPORT_REPLACE, IMPORT_REPLACE_MISFIT,
  MAKE_TABLE, MAKE_TABLE_MISFIT,
  ACTIONS
};

static const char *const documents[ACTIONS] = {
    [HOLD_INSERT_MISFIT] = "{\"v\":\"held\"}", [HOLD_PATCH] = "{\"v\":70}", [HOLD_PATCH_MISFIT] = "{\"w\":70}",
    [INSERT] = "{\"v\":-1.5}", [INSERT_MISFIT] = "{\"v\":null}", [PATCH] = "{\"v\":77}",
    [PATCH_MISFIT] = "{\"v\":\"x\"}", [PATCH_AND_BACK] = "{\"v\":5}", [INSERT_AND_REMOVE] = "{\"v\":6}",
    [IMPORT_REPLACE] = "{\"v\":8}\n{\"v\":9}", [IMPORT_REPLACE_MISFIT] = "{\"v\":8}\n{\"v\":[]}",
    [MAKE_TABLE] = "{\"v\":1}", [MAKE_TABLE_MISFIT] = "{\"w\":1}"};

static bool misfits(enum action action) {
  return action == HOLD_INSERT_MISFIT || action == HOLD_PATCH_MISFIT || action == INSERT_MISFIT ||
         action == PATCH_MISFIT || action == IMPORT_REPLACE_MISFIT || action == MAKE_TABLE_MISFIT;
}

/* Where there was another schema before: the ways in which an action can matter, once each. */
static bool is_of_a_kind(enum action action) {
  return action == HOLD_PATCH_MISFIT || action == INSERT || action == PATCH || action == PATCH_MISFIT ||
         action == REMOVE || action == IMPORT_REPLACE;
}

/* What was evaluated and not yet committed. */
struct held {
  mh_txn *txn;
  enum action action;
  mh_status status; /* of its last evaluation */
};

struct model {
  struct fixture *f;
  unsigned choices[CHOICES_MAX], possible[CHOICES_MAX];
  size_t steps, path_length;
  unsigned actions_left;
  bool few; /* not every action is tried */
  struct held held;
  bool misfit; /* one was committed since the deploy began */
  int64_t documents;
};

static unsigned choose(struct model *model, unsigned possible) {
  assert_true(model->steps < CHOICES_MAX);
  if (model->steps >= model->path_length) model->choices[model->steps] = 0;
  model->possible[model->steps] = possible;
  return model->choices[model->steps++];
}

/* The next path in order; false after the last. */
static bool next_path(struct model *model) {
  size_t i = model->steps;
  while (i > 0 && model->choices[i - 1] + 1 >= model->possible[i - 1]) i--;
  if (i == 0) return false;
  model->choices[i - 1]++;
  model->path_length = i;
  return true;
}

static struct mh_buffer bson_of(struct fixture *f, const char *json) {
  struct mh_buffer out = {0};
  enum mh_json_end end;
  size_t used;
  OK(mh_json_read(mh_slice_text(json), &out, &end, &used, NULL, &f->err));
  return out;
}

/* ---- the others ---- */

static mh_status insert(struct fixture *f, mh_txn *txn, const struct mh_table *table, const char *json,
                        struct mh_document *document) {
  struct mh_buffer fields = bson_of(f, json);
  char id[MH_ID_TEXT_MAX];
  size_t id_size;
  bool found;
  mh_status status = mh_table_insert(txn, table, mh_buffer_slice(&fields), id, &id_size, &f->err);
  if (!status) OK(mh_table_get(txn, table, mh_slice(id, id_size), document, &found, &f->err));
  mh_buffer_free(&fields);
  return status;
}

static mh_status replace(struct fixture *f, mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                         const char *json) {
  struct mh_buffer fields = bson_of(f, json);
  bool changed;
  mh_status status = mh_table_replace(txn, table, document, mh_buffer_slice(&fields), &changed, &f->err);
  mh_buffer_free(&fields);
  return status;
}

/* Changes one field: the first of an index, and the second of another. */
static mh_status patch(struct fixture *f, mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                       const char *json) {
  struct mh_buffer fields = bson_of(f, json);
  struct mh_field value;
  bool changed;
  assert_true(mh_bson_find(mh_buffer_slice(&fields), mh_slice_text("v"), &value));
  const struct mh_change change = {.name = value.name, .raw = value.raw, .type = value.type};
  mh_status status = mh_table_patch(txn, table, document, &change, 1, &changed, &f->err);
  mh_buffer_free(&fields);
  return status;
}

/* The first document of users, or the last. */
static struct mh_document pick(struct fixture *f, mh_txn *txn, const struct mh_table *table, bool last) {
  struct mh_document document = {0};
  mh_scan *scan;
  bool found;
  OK(mh_scan_open(txn, table, last, &scan, &f->err));
  OK(mh_scan_next(scan, &document, &found, &f->err));
  assert_true(found);
  mh_scan_close(scan);
  return document;
}

static mh_status evaluate(struct model *model, mh_txn *txn, enum action action) {
  struct fixture *f = model->f;
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("users"));
  const char *json = documents[action];
  struct mh_document document;
  mh_status status;
  switch (action) {
    case HOLD_INSERT_MISFIT:
    case INSERT:
    case INSERT_MISFIT: return insert(f, txn, table, json, &document);
    case HOLD_REMOVE:
    case REMOVE:
      document = pick(f, txn, table, true);
      return mh_table_delete(txn, table, &document, &f->err);
    case PATCH_AND_BACK: /* to something else, to the next, and to what it was: three times in one transaction */
      document = pick(f, txn, table, false);
      status = replace(f, txn, table, &document, json);
      document = pick(f, txn, table, false);
      if (!status) status = replace(f, txn, table, &document, "{\"v\":4}");
      document = pick(f, txn, table, false);
      return status ? status : replace(f, txn, table, &document, "{\"v\":0,\"w\":0}");
    case INSERT_AND_REMOVE:
      status = insert(f, txn, table, json, &document);
      return status ? status : mh_table_delete(txn, table, &document, &f->err);
    case MAKE_TABLE:
    case MAKE_TABLE_MISFIT:
      table = mh_txn_table(txn, mh_slice_text("posts"));
      if (!table) OK(mh_txn_make_table(txn, mh_slice_text("posts"), 0, &table, &f->err));
      return insert(f, txn, table, json, &document);
    case HOLD_PATCH:
    case PATCH:
      document = pick(f, txn, table, false);
      return patch(f, txn, table, &document, json);
    default:
      document = pick(f, txn, table, false);
      return replace(f, txn, table, &document, json);
  }
}

static int64_t growth(enum action action) {
  return (action == HOLD_INSERT_MISFIT || action == INSERT || action == INSERT_MISFIT) -
         (action == HOLD_REMOVE || action == REMOVE);
}

/* Commits what a transaction holds; again over a newer snapshot where it may not be stored. */
static void commit_held(struct model *model, struct held *held) {
  struct fixture *f = model->f;
  struct mh_lineage lineage = {0};
  for (size_t stored = 0; !held->status && !stored;) {
    const mh_changeset *changeset = mh_txn_changeset(held->txn);
    mh_commit *commit;
    OK(mh_commit_begin(f->store, changeset->pending_count, &commit, &f->err));
    OK(mh_commit_admit(commit, &lineage, changeset, NULL, &stored, &f->err));
    if (stored) {
      OK(mh_commit_apply(commit, &lineage, changeset, 1, NULL, &f->err));
      OK(mh_commit_finish(commit, &lineage, NULL, &f->err));
      model->documents += growth(held->action);
      model->misfit |= misfits(held->action);
    } else {
      mh_commit_abort(commit);
      OK(mh_txn_renew(held->txn, NULL, &f->err));
      held->status = evaluate(model, held->txn, held->action);
    }
  }
  mh_lineage_free(&lineage);
  mh_txn_end(held->txn);
  held->txn = NULL;
}

static struct held hold(struct model *model, enum action action) {
  struct fixture *f = model->f;
  struct held held = {.action = action};
  OK(mh_txn_begin(f->store, &held.txn, &f->err));
  held.status = evaluate(model, held.txn, action);
  return held;
}

static void act(struct model *model, enum action action) {
  struct fixture *f = model->f;
  if (action == RELEASE) {
    commit_held(model, &model->held);
    assert_int_equal(model->held.status, MH_OK); /* as long as the schema is not active, nothing is refused */
  } else if (action < INSERT) {
    model->held = hold(model, action);
  } else if (action == IMPORT_REPLACE || action == IMPORT_REPLACE_MISFIT) {
    OK(import(f, MH_IMPORT_REPLACE, "users", documents[action]));
    model->documents = 2;
    model->misfit |= misfits(action);
  } else {
    struct held held = hold(model, action);
    commit_held(model, &held);
    assert_int_equal(held.status, MH_OK);
  }
}

static void at_step(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  struct model *model = self;
  enum action offered[ACTIONS];
  unsigned count = 0;
  if (model->held.txn) offered[count++] = RELEASE;
  offered[count++] = NOTHING;
  for (enum action action = HOLD_INSERT_MISFIT; model->actions_left && action < ACTIONS; action++)
    if ((action >= INSERT || !model->held.txn) && (!model->few || is_of_a_kind(action))) offered[count++] = action;
  enum action action = offered[count > 1 ? choose(model, count) : 0];
  if (action > RELEASE) model->actions_left--;
  if (action != NOTHING) act(model, action);
}

/* ---- one path ---- */

typedef void hook(void *self, const struct mh_deploy_progress *progress);

static mh_status deploy(struct fixture *f, const char *json, hook *told, void *self) {
  struct mh_buffer schema = bson_of(f, json);
  struct mh_deploy_options options = {
      .schema = mh_buffer_slice(&schema), .progress = told, .self = self, .progress_ms = 1e-6};
  struct mh_deploy_report report;
  mh_status status = mh_deploy(f->store, &options, &report, &f->err);
  mh_deploy_report_free(&report);
  mh_buffer_free(&schema);
  return status;
}

/* The schema is active, and of the indexes there are those that it wants. */
static void expect_active(struct fixture *f, const char *json) {
  struct mh_buffer bson = bson_of(f, json);
  mh_schema *schema;
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  size_t indexes = 0;
  OK(mh_schema_read(mh_buffer_slice(&bson), NULL, &schema, &f->err));
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  assert_true(mh_slice_equal(mh_buffer_slice(&catalogue->active->bson), mh_buffer_slice(&bson)));
  for (size_t i = 0; i < schema->table_count; i++) {
    const struct mh_table *table = mh_catalogue_table(catalogue, mh_slice_text(schema->tables[i].name));
    for (size_t k = 0; k < schema->tables[i].index_count; k++, indexes++) {
      const struct mh_schema_index *wanted = &schema->tables[i].indexes[k];
      const struct mh_index *index = mh_table_index(table, mh_slice_text(wanted->name));
      assert_non_null(index);
      assert_true(mh_index_fields_equal(&index->fields, &wanted->fields));
      assert_int_equal(index->state, wanted->staged ? MH_INDEX_STAGED : MH_INDEX_ENABLED);
    }
  }
  for (size_t i = 0; i < catalogue->table_count; i++) indexes -= catalogue->tables[i].index_count;
  assert_int_equal(indexes, 0);
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
  mh_schema_free(schema);
  mh_buffer_free(&bson);
}

static void die(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  unsigned *left = self;
  if ((*left)-- == 0) _exit(DIED);
}

/* Leaves a deploy behind that died at that step; false when it had not so many. */
static bool leave_dead(struct fixture *f, const char *json, unsigned step) {
  int result;
  mh_store_close(f->store);
  f->store = NULL;
  pid_t child = fork();
  if (child == 0) _exit(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err) || deploy(f, json, die, &step));
  waitpid(child, &result, 0);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  assert_true(WIFEXITED(result) && (WEXITSTATUS(result) == DIED || WEXITSTATUS(result) == 0));
  return WEXITSTATUS(result) == DIED;
}

/* What there was before the deploy. Returns the schema that is active. */
static const char *choose_before(struct model *model, bool all) {
  enum { NOTHING_BEFORE, OTHER_ACTIVE, DIED_BEFORE, STEPS_MAX = 24 };
  struct fixture *f = model->f;
  unsigned before = choose(model, 3);
  model->few = before != NOTHING_BEFORE && !all;
  if (before == NOTHING_BEFORE) OK(deploy(f, ANY, NULL, NULL));
  if (before == OTHER_ACTIVE) OK(deploy(f, OTHER, NULL, NULL));
  if (before < DIED_BEFORE) return before == OTHER_ACTIVE ? OTHER : ANY;
  const char *active = choose(model, 2) ? OTHER : ANY;
  const char *died = active == OTHER || choose(model, 2) ? NUMBERS : OTHER;
  OK(deploy(f, active, NULL, NULL));
  model->actions_left = 1;
  if (leave_dead(f, died, choose(model, STEPS_MAX))) {
    at_step(model, NULL);
    if (!all) model->actions_left = 0; /* those before it are enough */
  } else {
    assert_true(model->choices[model->steps - 1] > 5);
    model->possible[model->steps - 1] = 0; /* no later step */
    return NULL;
  }
  return active;
}

static void expect_end(struct model *model, mh_status status, const char *active) {
  struct fixture *f = model->f;
  if (status && status != MH_INVALID) fail_msg("%s: %s", f->err.place, f->err.message);
  expect_active(f, status ? active : NUMBERS);
  assert_sound(f);
  if (!model->misfit) assert_int_equal(status, MH_OK);
  if (model->held.txn) { /* what was evaluated before the schema was active */
    commit_held(model, &model->held);
    assert_int_equal(model->held.status, status == MH_OK && misfits(model->held.action) ? MH_INVALID : MH_OK);
  }
  assert_int_equal(shape_of(f, "users").documents, model->documents);
  assert_sound(f);
}

static void walk_path(struct model *model, unsigned actions, bool all) {
  struct fixture *f = model->f;
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(import(f, MH_IMPORT_NEW, "users", "{\"v\":0,\"w\":0}\n{\"v\":1}\n{\"v\":2,\"w\":{}}"));
  model->steps = 0;
  model->actions_left = actions;
  model->misfit = false;
  model->documents = DOCUMENTS;
  const char *active = choose_before(model, all);
  if (active) expect_end(model, deploy(f, NUMBERS, at_step, model), active);
  mh_store_close(f->store);
  f->store = NULL;
}

static void all_paths(void **state) {
  (void)state;
  const char *given = getenv("MIGHOST_MODEL_ACTIONS");
  unsigned actions = given ? (unsigned)atoi(given) : 1;
  struct fixture fixture = {0};
  struct model *model = calloc(1, sizeof *model);
  uint64_t paths = 0;
  model->f = &fixture;
  do {
    scratch_make(fixture.directory);
    walk_path(model, actions, given != NULL);
    scratch_remove(fixture.directory);
    paths++;
  } while (next_path(model));
  print_message("%lu paths\n", (unsigned long)paths);
  assert_true(paths > 100);
  free(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_paths)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
