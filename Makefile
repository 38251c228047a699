# mighost. `make help` lists the targets.

CC ?= cc
PACKAGES = lua5.4 lmdb libcjson libbson-1.0 libutf8proc
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
# VARIANT picks a build beside the usual one: `make VARIANT=asan` gives build/asan/mighost.
VARIANT ?= release
BUILD = build/$(VARIANT)
OPTIMIZE_release = -O2 -fno-plt
OPTIMIZE_asan = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPTIMIZE_tsan = -O1 -fsanitize=thread
OPTIMIZE = $(OPTIMIZE_$(VARIANT))
CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(OPTIMIZE) $(CFLAGS) $(WARNINGS) -pthread $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null))
LIBRARIES = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpthread -lm

CORE = $(wildcard core/*.c)
LUA = $(wildcard bindings/lua/*.c)
CLI = $(wildcard bindings/cli/*.c)
OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(CORE) $(LUA) $(CLI))
UNITS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
LINKED = $(filter-out $(BUILD)/bindings/cli/main.o,$(OBJECTS))

# `make V=1` shows the commands.
ifeq ($(V),)
QUIET = @echo "  $(1) $(patsubst $(BUILD)/%,%,$@)";
endif

.PHONY: all help deps demo test quick unit cases asan valgrind tsan race crash fuzz bench layers lint install clean
.DEFAULT_GOAL := all

all: ## build ./mighost
ifeq ($(VARIANT),release)
all: mighost

mighost: $(BUILD)/mighost
	@cp -f $(BUILD)/mighost $@
else
all: $(BUILD)/mighost
endif

$(BUILD)/mighost: $(OBJECTS)
	$(call QUIET,LINK)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARIES)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call QUIET,CC  )$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LINKED)
	@mkdir -p $(@D)
	$(call QUIET,TEST)$(CC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(LINKED) $(LDFLAGS) $(shell pkg-config --libs cmocka) $(LIBRARIES)

-include $(OBJECTS:.o=.d) $(UNITS:=.d)

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

deps: ## install the packages that are missing (Debian, as root or with sudo)
	@.ci/deps

demo: deps ## install what is missing, build, and show a migration of a sample
	@$(MAKE) --no-print-directory -j2 all
	@docs/demo

test: deps ## install what is missing, build, and run every test
	@$(MAKE) --no-print-directory -j2 all units
	@$(MAKE) --no-print-directory -j2 VARIANT=asan all units
	@$(MAKE) --no-print-directory layers
	@tests/all

.PHONY: units
units: $(UNITS)

quick: all units ## unit tests and cases of the usual build only
	@tests/run --unit $(BUILD)/unit

asan: ## the same under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory -j2 VARIANT=asan all units
	@tests/run --program build/asan/mighost --unit build/asan/unit

tsan: ## the same under ThreadSanitizer
	@$(MAKE) --no-print-directory -j2 VARIANT=tsan all units
	@tests/run --program build/tsan/mighost --unit build/tsan/unit

valgrind: all ## the cases tagged `valgrind` under it
	@tests/run --under valgrind

race: all $(BUILD)/unit/test_deploy_model $(BUILD)/unit/test_walk_model $(BUILD)/unit/test_walk_race ## other processes write during runs of every kind, and during deploys, for long
	@tests/race.py --rounds 200
	@tests/race_deploy.py --rounds 350
	@MIGHOST_MODEL_ACTIONS=2 $(BUILD)/unit/test_deploy_model
	@MIGHOST_MODEL_ACTIONS=1 $(BUILD)/unit/test_walk_model
	@MIGHOST_RACE_ROUNDS=2000 $(BUILD)/unit/test_walk_race

crash: all ## kill -9 runs of every kind at random moments, 1,000 times over 100,000 documents; then workers, 100 times
	@tests/crash.py --kills 1000
	@tests/crash_jobs.py --kills 100

fuzz: ## libFuzzer over the JSON and BSON readers, a minute each (needs clang)
	@mkdir -p build/fuzz
	@for target in tests/fuzz/fuzz_*.c; do name=$$(basename $$target .c); \
	  clang $(ALL_CFLAGS) -O1 -fsanitize=fuzzer,address,undefined -o build/fuzz/$$name $$target $(CORE) $(LIBRARIES) && \
	  mkdir -p build/fuzz/corpus_$$name && \
	  build/fuzz/$$name -max_total_time=60 -print_final_stats=1 build/fuzz/corpus_$$name || exit 1; done

bench: all ## measure: add_role and import against raw LMDB; writes bench/RESULTS.md
	@$(MAKE) --no-print-directory $(BUILD)/bench/raw $(BUILD)/bench/waiter
	@bench/run

$(BUILD)/bench/%: bench/%.c $(LINKED)
	@mkdir -p $(@D)
	$(call QUIET,LINK)$(CC) $(ALL_CFLAGS) -o $@ $< $(LINKED) $(LDFLAGS) $(LIBRARIES)

layers: ## fail where a file includes one of a higher layer
	@tests/layers

lint: ## no warning with gcc or clang
	@for compiler in gcc clang; do \
	  $$compiler $(ALL_CFLAGS) -Werror -fsyntax-only $(CORE) $(LUA) $(CLI) || exit 1; done; echo "no warnings"

PREFIX ?= /usr/local
install: all ## copy the program to $(PREFIX)/bin
	install -D -m 755 $(BUILD)/mighost $(DESTDIR)$(PREFIX)/bin/mighost

clean: ## remove what was built
	rm -rf build mighost
