# make              the module, its encoder and the dashboard, in build/
# make run          a small site with the module, on http://127.0.0.1:8151
# make test         every test; one of them: make test T=t/010-name.t
# make dist         a tarball of the sources, in build/
# make package      the Debian package, built and tried in a fresh Debian (root)
# make fresh        every test in a fresh Debian (root); make fresh T=bench
# make packaging    the RPM and the APKBUILD, as far as Debian can build them
# make fuzz         the fuzzers of t/fuzz, ten million executions each
# make sanitize     every test with ASan and UBSan
# make tsan         unit tests with threads, with TSan
# make coverage     every test, and which lines of the C code it has executed
# make analyze      gcc -fanalyzer, clang-tidy and cppcheck
# make matrix       the tests with other nginxes; some: make matrix T=next
# make musl         compile with musl, run the unit tests
# make arm64        compile for aarch64, run the unit tests
# make fleet        what agents ask for, at their pace, for three minutes
# make soak         an hour of load, reloads and kills: SOAK_SECONDS=3600
# make neighbours   ten minutes beside all modules of the distribution, under
#                   valgrind: NEIGHBOURS_SECONDS=600
# make style        the style checker alone
# make bench        the README's table of costs, in build/bench.md; in about
#                   twelve minutes, with BENCH_SECONDS=120 in fewer
# make screenshots  the dashboard's, in build/screenshots/
# make install      into the distribution's directories, DESTDIR honoured
# make clean
#
# NGINX_SRC=dir     build against another nginx source tree
# NGINX_BIN=file    run and test with that binary
# BUILD=dir         another directory than build/
# PORT=number       another port for make run than 8151
# DEBUG=1           without optimisation
# SANITIZE=list     for instance address,undefined
# JOBS=number       compilers and tests at a time, 2
# FUZZ=names        of fuzzers, all; FUZZ_RUNS=number of their executions
# DEPS=no           leave the machine's packages alone

CC        = gcc
BUILD     = build
NGINX_SRC = /usr/share/nginx/src
NGINX_BIN =
PORT      = 8151
JOBS      = 2

SOAK_SECONDS = 3600
NEIGHBOURS_SECONDS = 600
BENCH_SECONDS ?= 600

MODULES_DIR = /usr/lib/nginx/modules
SHARE_DIR   = /usr/share/nginx
CONF_DIR    = /etc/nginx
MAN_DIR     = /usr/share/man

build   := $(abspath $(BUILD))
farm    := $(build)/nginx
objs    := $(farm)/objs
module  := $(build)/ngx_http_profiling_module.so
encoder := $(if $(wildcard encoder/*.c),$(build)/ngx_http_profiling_encoder)
html    := $(if $(wildcard html/index.html),$(build)/html.built)

nginx   := $(or $(NGINX_BIN),$(wildcard $(NGINX_SRC)/objs/nginx),\
                /usr/sbin/nginx)

folders := format shm ngx_http_profiling_module
sources := $(sort $(shell find $(folders) -name '*.c'))
headers := $(sort $(shell find $(folders) -name '*.h'))

encoder_folders := $(sort $(shell find encoder -type d))
encoder_sources := $(sort $(shell find encoder -name '*.c'))

pages   := $(if $(html),$(shell find html -name node_modules -prune \
                                     -o -type f -print))

groups  := build $(if $(filter run,$(MAKECMDGOALS)),run) \
                 $(if $(filter test bench screenshots fleet soak fuzz \
                       neighbours sanitize tsan coverage,\
                       $(MAKECMDGOALS)),run test) \
                 $(if $(filter analyze,$(MAKECMDGOALS)),analyze) \
                 $(filter package packaging bench fresh neighbours,\
                   $(MAKECMDGOALS)) \
                 $(if $(filter matrix,$(MAKECMDGOALS)),run test) \
                 $(filter matrix musl arm64,$(MAKECMDGOALS))


sanitize := $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
              -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
comma    := ,
cover    := $(if $(COVERAGE),--coverage -fprofile-update=atomic)
optimise := $(if $(COVERAGE),-O0 -g $(cover),$(if $(DEBUG),-O0 -g3,-O2 -g \
              $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)))

harden   := -fstack-protector-strong -fno-plt
warnings := -Wall -Wextra -Wno-unused-parameter -Wformat -Werror

MODULE_CFLAGS   := $(strip $(optimise) -fPIC $(harden) $(warnings) $(sanitize))
MODULE_LDFLAGS  := $(strip -Wl,-z,relro -Wl,-z,now $(sanitize) $(cover))
ENCODER_CFLAGS  := $(strip -std=gnu11 $(optimise) -fPIE $(harden) $(warnings) \
                     $(sanitize) $(if $(SANITIZE),-DPROFILING_SANITIZED) \
                     $(addprefix -iquote ,format $(encoder_folders)))
ENCODER_LDFLAGS := $(strip -pie -Wl,-z,relro -Wl,-z,now $(sanitize) \
                     $(if $(COVERAGE),$(cover) -Wl$(comma)--wrap=_exit))

export CC MODULE_CFLAGS MODULE_LDFLAGS SANITIZE COVERAGE

# what asks for another configure, or for another build of the encoder

settings := $(CURDIR) $(NGINX_SRC) $(NGINX_BIN) $(CC) $(MODULE_CFLAGS) \
            $(MODULE_LDFLAGS) $(sources) $(headers)

encoder_settings := $(CC) $(ENCODER_CFLAGS) $(ENCODER_LDFLAGS) \
                    $(encoder_sources)


.PHONY: all deps run test sanitize tsan coverage analyze fleet soak \
        neighbours style bench screenshots install dist package packaging \
        fresh matrix musl arm64 clean FORCE
.DELETE_ON_ERROR:

all: $(module) $(encoder) $(html)


ifeq ($(DEPS),no)
deps:
else
deps:
	@tools/install-deps $(groups)
endif


$(build)/settings: export text = $(settings)
$(build)/encoder.settings: export text = $(encoder_settings)

$(build)/settings $(build)/encoder.settings: FORCE
	@mkdir -p $(@D)
	@echo "$$text" | cmp -s - $@ || echo "$$text" > $@


$(objs)/Makefile: config tools/configure $(build)/settings \
		$(wildcard $(NGINX_SRC)/src/core/nginx.h) | deps
	tools/configure $(CURDIR) $(farm) $(NGINX_SRC) $(NGINX_BIN)

$(module): $(objs)/Makefile $(sources) $(headers)
	+$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) \
	    -C $(farm) -f objs/Makefile modules
	@# a new file: a running nginx may have the old one mapped
	install -m 644 $(objs)/$(@F) $@


encoder_objects := $(patsubst %.c,$(build)/%.o,$(encoder_sources))

$(build)/encoder/%.o: encoder/%.c $(build)/encoder.settings | deps
	@mkdir -p $(@D)
	$(CC) $(ENCODER_CFLAGS) -MMD -MP -c -o $@ $<

$(build)/ngx_http_profiling_encoder: $(encoder_objects)
	$(CC) $(ENCODER_LDFLAGS) -o $@ $^ \
	    $(if $(COVERAGE),t/lib/coverage.c) -ldw -lelf -lz -liberty -lm

-include $(encoder_objects:.o=.d)


# npm's packages, as the lock file has them: below the build directory, so
# that the checkout stays as it is.  No script of theirs is run.

npm_packages = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
    || { echo "make: npm could not install what $< names: is its registry" \
              "reachable?  (npm config get registry)" >&2; exit 1; }

$(build)/npm/html.installed: html/package-lock.json html/package.json | deps
$(build)/npm/ui.installed: t/ui/package-lock.json t/ui/package.json | deps

$(build)/npm/html.installed $(build)/npm/ui.installed:
	@mkdir -p $(basename $@)
	@cp $^ $(basename $@)/
	@echo npm ci of $(<D)
	@cd $(basename $@) && $(npm_packages)
	@touch $@

$(build)/html.built: $(pages) $(build)/npm/html.installed
	node html/build.mjs $(build)/npm/html/node_modules $(build)/html
	@touch $@


# The site runs from a directory of its own, laid out as an installation:
# the checkout may lie where the workers' user cannot go.

run: all
	@tools/run $(nginx) $(PORT)

# The same holds for the tests.

test: all $(build)/npm/ui.installed
	@$(fuzz_for_test)
	@BUILD=$(build) BINARY=$(nginx) JOBS=$(JOBS) t/run $(T)

screenshots: all $(build)/npm/ui.installed
	@BUILD=$(build) node t/ui/screenshots.mjs $(nginx)

fleet: all
	@FLEET=180 BUILD=$(build) BINARY=$(nginx) JOBS=$(JOBS) \
	    t/run t/fleet/020-agents.t

soak: all
	@rm -f $(build)/soak.txt
	@SOAK_SECONDS=$(SOAK_SECONDS) SOAK_REPORT=$(build)/soak.txt \
	    TEST_TIMEOUT=$$(($(SOAK_SECONDS) + 600)) BUILD=$(build) \
	    BINARY=$(nginx) JOBS=1 t/run t/soak/long.pl; status=$$?; \
	    cat $(build)/soak.txt; exit $$status

neighbours: all
	@NEIGHBOURS_SECONDS=$(NEIGHBOURS_SECONDS) \
	    TEST_TIMEOUT=$$(($(NEIGHBOURS_SECONDS) + 600)) BUILD=$(build) \
	    BINARY=$(nginx) JOBS=1 t/run t/soak/neighbours.pl

# The module for other nginxes, and for other systems.

matrix: all $(build)/npm/ui.installed
	@JOBS=$(JOBS) tools/matrix $(build) $(T)

musl arm64: | deps
	@mkdir -p $(build)
	@JOBS=$(JOBS) tools/cross $@ $(build) $(T)

style:
	@t/style

bench: all
	@BUILD=$(build) BINARY=$(nginx) BENCH_SECONDS=$(BENCH_SECONDS) bench/table


include t/fuzz/rules.mk


# The same tests on other builds.  Unit tests have their sanitizers at all
# times: those of threads the one for threads, the others ASan and UBSan.

sanitize:
	+@TEST_TIMEOUT=900 $(MAKE) --no-print-directory \
	    SANITIZE=address,undefined BUILD=$(build)/sanitize test

# Of the others that make threads, one interrupts itself by a timer, and TSan
# keeps such signals back.

tsan_tests = $(shell grep -l 'sanitize: thread' t/unit/test_*.c) \
             t/unit/test_interpose.c

tsan: all
	@UNIT_SANITIZE=thread BUILD=$(build) BINARY=$(nginx) JOBS=$(JOBS) \
	    t/run $(tsan_tests)

# Workers run as another user, and write their counters into the build: it has
# to lie where they can go.  What fails here, where nothing is optimised, is
# told by "make test"; it is printed, and the lines all the same.

coverage:
	@mkdir -p $(build)/coverage
	@find $(build)/coverage -name '*.gcda' -delete
	-+@umask 0; $(MAKE) --no-print-directory COVERAGE=1 \
	    BUILD=$(build)/coverage test
	@tools/coverage $(build)/coverage 90

analyze: $(objs)/Makefile
	@BUILD=$(build) JOBS=$(JOBS) tools/analyze


install: all
	install -d $(DESTDIR)$(MODULES_DIR) $(DESTDIR)$(CONF_DIR)/snippets \
	    $(DESTDIR)$(SHARE_DIR)/html
	install -m 644 $(module) $(DESTDIR)$(MODULES_DIR)/
ifneq ($(encoder),)
	install -m 755 $(encoder) $(DESTDIR)$(MODULES_DIR)/
endif
ifneq ($(html),)
	rm -rf $(DESTDIR)$(SHARE_DIR)/html/profiling
	cp -R $(build)/html $(DESTDIR)$(SHARE_DIR)/html/profiling
	chmod -R u=rwX,go=rX $(DESTDIR)$(SHARE_DIR)/html/profiling
endif
	install -d $(DESTDIR)$(MAN_DIR)/man8
	install -m 644 docs/ngx_http_profiling_encoder.8 \
	    $(DESTDIR)$(MAN_DIR)/man8/
	@# an edited one stays
	test -e $(DESTDIR)$(CONF_DIR)/snippets/profiling.conf \
	    || install -m 644 conf/profiling.conf $(DESTDIR)$(CONF_DIR)/snippets/


version := $(shell sed -n 's/.*PROFILING_VERSION  *"\(.*\)"/\1/p' \
             ngx_http_profiling_module/ngx_http_profiling_module.h)

dist:
	@mkdir -p $(build)
	git archive --format=tar.gz \
	    --prefix=ngx_http_profiling_module-$(version)/ \
	    -o $(build)/ngx_http_profiling_module-$(version).tar.gz HEAD

package: | deps
	tools/package $(build)/package

fresh: | deps
	@rm -rf $(build)/fresh/build
	tools/fresh $(build)/fresh make $(or $(T),test) JOBS=$(JOBS) \
	    BENCH_SECONDS=$(BENCH_SECONDS) BUILD=/out/build

packaging: | deps
	tools/package-others $(build)/packaging


clean:
	rm -rf $(build)
