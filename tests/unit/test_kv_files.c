/* The embedded engine's files: making and finding stores, damage, formats, permissions, a full disk. */
#include "kv_processes.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void assert_refused(struct fixture *f, enum mh_kv_mode mode, mh_status expected, const char *message) {
  mh_kv *kv = NULL;
  mh_status status = mh_kv_open(f->store, mode, &kv, &f->err);
  if (!status) mh_kv_close(kv);
  assert_int_equal(status, expected);
  if (!strstr(f->err.message, message)) fail_msg("\"%s\" is not in \"%s\"", message, f->err.message);
}

/* ---- making and finding ---- */

static void where_there_is_no_store(void **state) {
  struct fixture *f = *state;
  assert_refused(f, MH_KV_WRITE, MH_REFUSED, "there is no store at");
  assert_refused(f, MH_KV_READ, MH_REFUSED, f->store);
  assert_int_equal(access(f->store, F_OK), -1);
  assert_int_equal(mkdir(f->store, 0777), 0);
  assert_refused(f, MH_KV_WRITE, MH_REFUSED, "it has no data.mdb");
  char other[96];
  snprintf(other, sizeof other, "%s/notes.txt", f->store);
  FILE *file = fopen(other, "w");
  assert_non_null(file);
  fclose(file);
  assert_refused(f, MH_KV_CREATE, MH_REFUSED, "it holds notes.txt");
  snprintf(other, sizeof other, "%s/mighost.lock", f->store);
  assert_int_equal(access(other, F_OK), -1); /* nothing was left there */
  snprintf(f->store, sizeof f->store, "%s/store/notes.txt", f->directory);
  assert_refused(f, MH_KV_CREATE, MH_IO, "is a file");
  assert_refused(f, MH_KV_WRITE, MH_IO, "is a file");
  snprintf(f->store, sizeof f->store, "%s/no/store", f->directory);
  assert_refused(f, MH_KV_CREATE, MH_IO, "cannot make the directory");
  mh_kv *kv;
  assert_int_equal(mh_kv_open("", MH_KV_CREATE, &kv, &f->err), MH_INVALID);
}

static void a_creation_that_was_cut_off(void **state) {
  struct fixture *f = *state;
  open_store(f, MH_KV_CREATE);
  close_store(f);
  assert_int_equal(truncate(f->data, 0), 0);
  assert_refused(f, MH_KV_WRITE, MH_DAMAGED, "is empty");
  assert_refused(f, MH_KV_READ, MH_DAMAGED, f->data);
  open_store(f, MH_KV_CREATE);
  assert_int_equal(count(f, f->kv, 15), 0);
  close_store(f);
  open_store(f, MH_KV_CREATE); /* a store that is there is opened */
  close_store(f);

  /* LMDB's two pages and nothing in them */
  assert_int_equal(unlink(f->data), 0);
  MDB_env *env;
  assert_int_equal(mdb_env_create(&env), 0);
  assert_int_equal(mdb_env_open(env, f->store, 0, 0666), 0);
  mdb_env_close(env);
  assert_refused(f, MH_KV_WRITE, MH_REFUSED, "creation was cut off");
  open_store(f, MH_KV_CREATE);
  OK(put_number(f->kv, 15, 1, mh_slice_text("v"), &f->err));
}

static void several_create_at_once(void **state) {
  struct fixture *f = *state;
  enum { PROCESSES = 6 };
  int start[2];
  pid_t pids[PROCESSES];
  assert_int_equal(pipe(start), 0);
  for (int i = 0; i < PROCESSES; i++) {
    pids[i] = fork();
    if (pids[i]) continue;
    mh_space first;
    hear(start);
    CHILD(mh_kv_open(f->store, MH_KV_CREATE, &f->kv, &f->err) == MH_OK);
    CHILD(mh_kv_spaces_create(f->kv, 2, &first, &f->err) == MH_OK);
    CHILD(put_number(f->kv, first, (uint64_t)i, mh_slice_text("v"), &f->err) == MH_OK);
    CHILD(put_number(f->kv, 0, (uint64_t)i, mh_slice_text("v"), &f->err) == MH_OK);
    mh_kv_close(f->kv);
    _exit(0);
  }
  for (int i = 0; i < PROCESSES; i++) say(start);
  for (int i = 0; i < PROCESSES; i++) assert_child_good(pids[i]);
  open_store(f, MH_KV_WRITE);
  assert_int_equal(count(f, f->kv, 0), PROCESSES);
  mh_space first;
  OK(mh_kv_spaces_create(f->kv, 1, &first, &f->err));
  assert_int_equal(first, MH_SPACES_FIXED + 2 * PROCESSES);
  for (mh_space space = MH_SPACES_FIXED; space < first; space++) {
    OK(mh_kv_space_open(f->kv, space, &f->err));
    assert_int_equal(count(f, f->kv, space), (space - MH_SPACES_FIXED) % 2 == 0);
  }
}

static void open_twice(void **state) {
  struct fixture *f = *state;
  open_store(f, MH_KV_CREATE);
  assert_refused(f, MH_KV_READ, MH_REFUSED, "already open in this process");
  OK(put_number(f->kv, 0, 1, mh_slice_text("v"), &f->err));
  close_store(f);
  open_store(f, MH_KV_WRITE);
}

/* ---- damage ---- */

struct image {
  uint8_t *bytes;
  size_t size;
};

static struct image read_data(struct fixture *f) {
  FILE *file = fopen(f->data, "rb");
  struct stat info;
  assert_true(file && fstat(fileno(file), &info) == 0);
  struct image image = {malloc((size_t)info.st_size + 1), (size_t)info.st_size};
  assert_int_equal(fread(image.bytes, 1, image.size, file), image.size);
  fclose(file);
  return image;
}

static void write_data(struct fixture *f, const void *bytes, size_t size) {
  FILE *file = fopen(f->data, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

/* Every mode refuses these bytes, and leaves them as they are. */
static void assert_damaged(struct fixture *f, struct image damaged, mh_status expected, const char *message) {
  write_data(f, damaged.bytes, damaged.size);
  for (enum mh_kv_mode mode = MH_KV_READ; mode <= MH_KV_CREATE; mode++) {
    assert_refused(f, mode, expected, message);
    struct image after = read_data(f);
    assert_int_equal(after.size, damaged.size);
    assert_memory_equal(after.bytes, damaged.bytes, damaged.size);
    free(after.bytes);
  }
}

static void damaged_files(void **state) {
  struct fixture *f = *state;
  open_store(f, MH_KV_CREATE);
  for (uint64_t i = 0; i < 30; i++) {
    uint8_t value[2000] = {0};
    OK(put_number(f->kv, 0, i, mh_slice(value, sizeof value), &f->err));
  }
  close_store(f);
  struct image good = read_data(f), image = {malloc(good.size), good.size};
  enum { PAGE = 4096, MAGIC = 16, VERSION = 20, PAGE_SIZE = 40, LAST_PAGE = 136 };
  if (sysconf(_SC_PAGESIZE) != PAGE) skip();

  memset(image.bytes, 0, image.size);
  assert_damaged(f, image, MH_DAMAGED, "is not a store's data file");
  assert_damaged(f, (struct image){(uint8_t *)"hello", 5}, MH_DAMAGED, "truncated within its first two pages");
  memcpy(image.bytes, good.bytes, good.size);
  image.bytes[PAGE + MAGIC] ^= 1; /* the second page counts too */
  assert_damaged(f, image, MH_DAMAGED, f->data);
  memcpy(image.bytes, good.bytes, good.size);
  image.bytes[VERSION] = 99;
  assert_damaged(f, image, MH_REFUSED, "data version 99");
  for (int i = 0; i < 4; i++) {
    memcpy(image.bytes, good.bytes, good.size);
    memset(image.bytes + PAGE_SIZE, 0, 4);
    image.bytes[PAGE_SIZE + i] = (uint8_t)(i & 1 ? 0x30 : 0); /* 0 and what is no power of two */
    assert_damaged(f, image, MH_DAMAGED, "damaged in its first two pages");
  }
  memcpy(image.bytes, good.bytes, good.size);
  for (size_t i = 0; i < 8; i++) image.bytes[LAST_PAGE + i] = image.bytes[PAGE + LAST_PAGE + i] = 0xff;
  assert_damaged(f, image, MH_DAMAGED, "damaged in its first two pages");

  memcpy(image.bytes, good.bytes, good.size);
  for (size_t pages = good.size / PAGE - 1; pages >= 1; pages -= pages > 8 ? 5 : 1) {
    image.size = pages * PAGE;
    assert_damaged(f, image, MH_DAMAGED, "is truncated");
  }
  image.size = good.size - 1;
  assert_damaged(f, image, MH_DAMAGED, "is truncated");

  write_data(f, good.bytes, good.size);
  open_store(f, MH_KV_WRITE);
  assert_int_equal(count(f, f->kv, 0), 30);
  free(image.bytes);
  free(good.bytes);
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  mh_kv_fault(info->si_addr, NULL);
  signal(signal_number, SIG_DFL);
}

/* Works with a store in a process of its own; *said is what that said, cut off. Returns its wait status. */
static int status_of_child(struct fixture *f, void (*work)(struct fixture *), char said[400]) {
  int ends[2], status;
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    dup2(ends[1], STDERR_FILENO);
    work(f);
    _exit(0);
  }
  close(ends[1]);
  ssize_t size = read(ends[0], said, 399);
  said[size > 0 ? size : 0] = 0;
  close(ends[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static mh_status read_all(mh_kv *kv, mh_space space, uint64_t *sum, struct mh_error *err) {
  mh_kv_txn *txn;
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key, value;
  bool found = true;
  mh_status status = mh_kv_snapshot(kv, &txn, err);
  if (status) return status;
  status = mh_kv_cursor_open(txn, space, &cursor, err);
  while (!status) {
    status = mh_kv_move(cursor, MH_KV_NEXT, mh_slice(NULL, 0), &key, &value, &found, err);
    if (!found) break;
    for (size_t i = 0; !status && i < value.size; i++) *sum += value.data[i];
  }
  mh_kv_cursor_close(cursor);
  mh_kv_end(txn);
  return status;
}

/* Reads and writes all it can of a store; an error is as good as success. */
static void use_store(struct fixture *f) {
  static const uint8_t value[3000];
  uint64_t sum = 0;
  if (mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err)) _exit(3);
  for (mh_space space = 0; space < MH_SPACES_FIXED; space++)
    if (read_all(f->kv, space, &sum, &f->err)) _exit(3);
  for (uint64_t i = 0; i < 40; i++)
    if (put_number(f->kv, i % 2 ? 0 : 5, i, mh_slice(value, 100 * i % sizeof value), &f->err)) _exit(3);
}

static void each_page_zeroed(void **state) {
  struct fixture *f = *state;
  enum { PAGE = 4096 };
  char said[400];
  unsigned ended = 0;
  open_store(f, MH_KV_CREATE);
  for (uint64_t i = 0; i < 300; i++) {
    uint8_t value[6000] = {0};
    OK(put_number(f->kv, i % 2 ? 0 : 7, i, mh_slice(value, i % 50 == 0 ? sizeof value : 200), &f->err));
  }
  close_store(f);
  struct image image = read_data(f);
  for (size_t at = 0; at < image.size; at += PAGE) {
    uint8_t page[PAGE];
    memcpy(page, image.bytes + at, PAGE);
    memset(image.bytes + at, 0, PAGE);
    write_data(f, image.bytes, image.size);
    memcpy(image.bytes + at, page, PAGE);
    int status = status_of_child(f, use_store, said);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 1) {
      ended++;
      assert_non_null(strstr(said, f->store));
      assert_non_null(strstr(said, "is damaged: LMDB found a page that is not what it should be (mdb.c:"));
    } else {
      assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
    }
  }
  assert_true(ended > 0);
  free(image.bytes);
}

static void cut_short(struct fixture *f) {
  uint64_t sum = 0;
  CHILD(mh_kv_open(f->store, MH_KV_READ, &f->kv, &f->err) == MH_OK);
  CHILD(truncate(f->data, 8192) == 0);
  (void)read_all(f->kv, 0, &sum, &f->err);
}

static void fault_elsewhere(struct fixture *f) {
  CHILD(mh_kv_open(f->store, MH_KV_READ, &f->kv, &f->err) == MH_OK);
  raise(SIGSEGV);
  raise(SIGSEGV);
}

static void cut_short_while_it_is_open(void **state) {
  struct fixture *f = *state;
  char said[400], expected[160];
  open_store(f, MH_KV_CREATE);
  for (uint64_t i = 0; i < 100; i++) OK(put_number(f->kv, 0, i, mh_slice_text("some text"), &f->err));
  close_store(f);
  int status = status_of_child(f, fault_elsewhere, said);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  assert_string_equal(said, "");
  status = status_of_child(f, cut_short, said);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 1);
  snprintf(expected, sizeof expected, "mighost: store %s is damaged: a page of its data file cannot be read", f->store);
  assert_non_null(strstr(said, expected));
}

/* LMDB does not write a page that was allocated at the end of the file and freed in the same transaction. */
static void a_file_that_is_rightly_short(void **state) {
  struct fixture *f = *state;
  enum { ENTRIES = 1000, KEPT = 20 };
  static uint8_t value[1500];
  uint8_t key[8];
  mh_kv_txn *txn;
  open_store(f, MH_KV_CREATE);
  /* pages that are free already take what LMDB writes about the new ones */
  for (uint64_t i = 0; i < 5; i++) OK(put_number(f->kv, 1, i, mh_slice_text("v"), &f->err));
  for (int round = 0; round < 3; round++) {
    bool found;
    OK(mh_kv_begin(f->kv, &txn, &f->err));
    for (uint64_t i = 0; i < ENTRIES; i++) {
      mh_put_u64(key, i);
      OK(mh_kv_put(txn, 0, mh_slice(key, sizeof key), mh_slice(value, sizeof value), &f->err));
    }
    for (uint64_t i = ENTRIES; i-- > KEPT;) {
      mh_put_u64(key, i);
      OK(mh_kv_delete(txn, 0, mh_slice(key, sizeof key), &found, &f->err));
    }
    OK(mh_kv_commit(txn, &f->err));
    MDB_envinfo info;
    struct stat file;
    assert_int_equal(mdb_env_info(f->kv->env, &info), 0);
    assert_int_equal(stat(f->data, &file), 0);
    if (round == 0) assert_true((size_t)file.st_size <= info.me_last_pgno * (size_t)sysconf(_SC_PAGESIZE));
    close_store(f);
    open_store(f, round == 1 ? MH_KV_READ : MH_KV_WRITE);
    assert_int_equal(count(f, f->kv, 0), KEPT);
    close_store(f);
    if (round < 2) {
      open_store(f, MH_KV_WRITE);
    } else { /* one page less is too short */
      assert_int_equal(truncate(f->data, file.st_size - sysconf(_SC_PAGESIZE)), 0);
      assert_refused(f, MH_KV_WRITE, MH_DAMAGED, "is truncated");
    }
  }
}

/* Rewrites the format record of a store, or with NULL puts something else there. */
static void change_format(struct fixture *f, const char *value, size_t size) {
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi dbi;
  MDB_val key = {7, "mighost"}, data = {size, (void *)value};
  if (!value) key = data = (MDB_val){5, "other"};
  mkdir(f->store, 0777);
  assert_int_equal(mdb_env_create(&env), 0);
  assert_int_equal(mdb_env_open(env, f->store, 0, 0666), 0);
  assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
  assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
  assert_int_equal(mdb_put(txn, dbi, &key, &data, 0), 0);
  assert_int_equal(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
}

static void formats(void **state) {
  struct fixture *f = *state;
  change_format(f, NULL, 0);
  for (enum mh_kv_mode mode = MH_KV_READ; mode <= MH_KV_CREATE; mode++)
    assert_refused(f, mode, MH_REFUSED, "that mighost did not make");
  scratch_remove(f->store);
  open_store(f, MH_KV_CREATE);
  close_store(f);
  change_format(f, "\0\0\0\2\0\0\0\1and more", 16);
  assert_refused(f, MH_KV_WRITE, MH_REFUSED, "made by a newer mighost (format 2); this one reads up to format 1");
  change_format(f, "\0\0\0\1", 4);
  assert_refused(f, MH_KV_READ, MH_DAMAGED, "format record is damaged");
  change_format(f, "\0\0\0\1\0\0\0\2", 8);
  assert_refused(f, MH_KV_READ, MH_DAMAGED, "format record is damaged");
  change_format(f, "\0\0\0\1\0\0\0\20", 8);
  open_store(f, MH_KV_READ);
  close_store(f);
  scratch_remove(f->store);
  change_format(f, "\0\0\0\1\0\0\0\20", 8); /* its spaces are missing */
  assert_refused(f, MH_KV_WRITE, MH_DAMAGED, "has no space 0");
}

/* ---- permissions and full disks ---- */

static void what_may_not_be_written(void **state) {
  struct fixture *f = *state;
  open_store(f, MH_KV_CREATE);
  OK(put_number(f->kv, 0, 1, mh_slice_text("v"), &f->err));
  close_store(f);
  char lock[96], own_lock[96];
  snprintf(lock, sizeof lock, "%s/lock.mdb", f->store);
  snprintf(own_lock, sizeof own_lock, "%s/mighost.lock", f->store);
  chmod(f->directory, 0755);
  chmod(f->store, 0555);
  chmod(f->data, 0444);
  chmod(lock, 0444);
  chmod(own_lock, 0666);
  pid_t pid = fork();
  if (pid == 0) { /* root may do everything */
    CHILD(geteuid() != 0 || seteuid(65534) == 0);
    CHILD(mh_kv_open(f->store, MH_KV_READ, &f->kv, &f->err) == MH_IO);
    CHILD(strstr(f->err.message, "no permission to read and write lock.mdb"));
    CHILD(strstr(f->err.message, "grant it to this user"));
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_IO);
    CHILD(strstr(f->err.message, "no permission to read and write data.mdb"));
    _exit(0);
  }
  assert_child_good(pid);
  chmod(lock, 0666);
  pid = fork();
  if (pid == 0) { /* the data may stay read-only */
    CHILD(geteuid() != 0 || seteuid(65534) == 0);
    CHILD(mh_kv_open(f->store, MH_KV_READ, &f->kv, &f->err) == MH_OK);
    mh_kv_txn *txn;
    uint64_t entries;
    CHILD(mh_kv_snapshot(f->kv, &txn, &f->err) == MH_OK);
    CHILD(mh_kv_count(txn, 0, &entries, &f->err) == MH_OK && entries == 1);
    mh_kv_end(txn);
    mh_kv_close(f->kv);
    _exit(0);
  }
  assert_child_good(pid);
  unlink(lock); /* a copy of the data alone, in a directory where no lock file can be made */
  pid = fork();
  if (pid == 0) {
    CHILD(geteuid() != 0 || seteuid(65534) == 0);
    CHILD(mh_kv_open(f->store, MH_KV_READ, &f->kv, &f->err) == MH_IO);
    CHILD(strstr(f->err.message, "lock.mdb"));
    _exit(0);
  }
  assert_child_good(pid);
}

enum { NO_MOUNT = 77 };

static void assert_child_good_or_unmounted(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == NO_MOUNT) skip();
  assert_int_equal(WEXITSTATUS(status), 0);
}

/* On a file system of one megabyte, mounted for one child process alone. */
static void a_full_disk(void **state) {
  struct fixture *f = *state;
  pid_t pid = fork();
  if (pid == 0) {
    if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
        mount("none", f->directory, "tmpfs", 0, "size=1m"))
      _exit(NO_MOUNT);
    static uint8_t value[100000];
    uint64_t stored = 0, entries;
    mh_kv_txn *txn;
    CHILD(mh_kv_open(f->store, MH_KV_CREATE, &f->kv, &f->err) == MH_OK);
    while (put_number(f->kv, 0, stored, mh_slice(value, sizeof value), &f->err) == MH_OK) stored++;
    CHILD(f->err.status == MH_FULL && f->err.code == ENOSPC);
    CHILD(strstr(f->err.message, "free space there"));
    CHILD(stored > 3);
    mh_kv_close(f->kv);
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    CHILD(mh_kv_snapshot(f->kv, &txn, &f->err) == MH_OK);
    CHILD(mh_kv_count(txn, 0, &entries, &f->err) == MH_OK && entries == stored);
    mh_kv_end(txn);
    CHILD(mount("none", f->directory, "none", MS_REMOUNT, "size=4m") == 0);
    CHILD(put_number(f->kv, 0, stored, mh_slice(value, sizeof value), &f->err) == MH_OK);
    mh_kv_close(f->kv);
    _exit(0);
  }
  assert_child_good_or_unmounted(pid);
}

/* LMDB maps lock.mdb: without a block for it, its first reader would end in a SIGBUS. */
static void a_disk_without_room_for_the_lock_file(void **state) {
  struct fixture *f = *state;
  pid_t pid = fork();
  if (pid == 0) {
    if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
        mount("none", f->directory, "tmpfs", 0, "size=16k"))
      _exit(NO_MOUNT);
    CHILD(mh_kv_open(f->store, MH_KV_CREATE, &f->kv, &f->err) == MH_FULL);
    CHILD(f->err.code == ENOSPC && strstr(f->err.message, "lock.mdb") && strstr(f->err.message, "free space there"));
    CHILD(mount("none", f->directory, "none", MS_REMOUNT, "size=1m") == 0);
    CHILD(mh_kv_open(f->store, MH_KV_CREATE, &f->kv, &f->err) == MH_OK);
    mh_kv_close(f->kv);
    _exit(0);
  }
  assert_child_good_or_unmounted(pid);
}

int main(void) {
  const struct CMUnitTest group_tests[] = {
      cmocka_unit_test_setup_teardown(where_there_is_no_store, setup, teardown),
      cmocka_unit_test_setup_teardown(a_creation_that_was_cut_off, setup, teardown),
      cmocka_unit_test_setup_teardown(several_create_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(open_twice, setup, teardown),
      cmocka_unit_test_setup_teardown(damaged_files, setup, teardown),
      cmocka_unit_test_setup_teardown(each_page_zeroed, setup, teardown),
      cmocka_unit_test_setup_teardown(cut_short_while_it_is_open, setup, teardown),
      cmocka_unit_test_setup_teardown(a_file_that_is_rightly_short, setup, teardown),
      cmocka_unit_test_setup_teardown(formats, setup, teardown),
      cmocka_unit_test_setup_teardown(what_may_not_be_written, setup, teardown),
      cmocka_unit_test_setup_teardown(a_full_disk, setup, teardown),
      cmocka_unit_test_setup_teardown(a_disk_without_room_for_the_lock_file, setup, teardown),
  };
  return cmocka_run_group_tests(group_tests, NULL, NULL);
}
