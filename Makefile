# make              the module and its encoder, in build/
# make html         the dashboard, in build/html/: the one part that needs node
#                   and npm; run, test, dist and package build it too
# make run          a small site with the module, on http://127.0.0.1:8151
# make test         every test; one of them: make test T=t/010-name.t
# make test-release what only a release needs: long forms of tests, fuzzers,
#                   other nginxes, the package (root); an hour or two
# make dist         a tarball of the sources, in build/, with the dashboard
#                   built: what is made of it needs no npm
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
#                   valgrind: NEIGHBOURS_SECONDS=600; with
#                   SANITIZE=address,undefined BUILD=build/sanitize under these
# make storm        ten million walks in LuaJIT: STORM=10000000
# make luajit       an hour beside LuaJIT at 1000 Hz: LUAJIT_SECONDS=3600
# make style        the style checker alone
# make bench        the README's table of costs, in build/bench.md; in about
#                   twelve minutes, with BENCH_SECONDS=120 in fewer
# make screenshots  the dashboard's, in build/screenshots/
# make install      into the distribution's directories, DESTDIR honoured; the
#                   dashboard if it is built
# make uninstall    removes what make install has installed, with the same
#                   variables; an edited snippet stays
# make clean
#
# NGINX_SRC=dir     build against another nginx source tree
# NGINX_BIN=file    run and test with that binary
# BUILD=dir         another directory than build/
# PORT=number       another port for make run than 8151; the two after it are
#                   taken as well
# MODULES_DIR=dir   where make install puts the module and its encoder,
#                   /usr/lib/nginx/modules
# SHARE_DIR=dir     the dashboard goes to html/profiling below it,
#                   /usr/share/nginx
# CONF_DIR=dir      profiling.conf goes to snippets below it, /etc/nginx
# MAN_DIR=dir       the manual page, /usr/share/man
# DEBUG=1           without optimisation
# SANITIZE=list     for instance address,undefined
# JOBS=number       processors for compilers and tests, 2
# FUZZ=names        of fuzzers, all; FUZZ_RUNS=number of their executions
# DEPS=no           install no packages: all that is needed is there

CC        = gcc
BUILD     = build
NGINX_SRC = /usr/share/nginx/src
NGINX_BIN =
PORT      = 8151
JOBS      = 2

SOAK_SECONDS = 3600
NEIGHBOURS_SECONDS = 600
STORM = 10000000
LUAJIT_SECONDS = 3600
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
html    := $(build)/html.built

# the tarball of make dist has it
prebuilt := $(wildcard html/built/index.html)

nginx   := $(or $(NGINX_BIN),$(wildcard $(NGINX_SRC)/objs/nginx),\
                /usr/sbin/nginx)

folders := format shm ngx_http_profiling_module
sources := $(sort $(shell find $(folders) -name '*.c'))
headers := $(sort $(shell find $(folders) -name '*.h'))

encoder_folders := $(sort $(shell find encoder -type d))
encoder_sources := $(sort $(shell find encoder -name '*.c'))

pages   := $(shell find html -name node_modules -prune -o -type f -print)

groups  := build $(if $(filter html run test test-release sanitize coverage screenshots \
                       matrix dist packaging,$(MAKECMDGOALS)),html) \
                 $(if $(filter run,$(MAKECMDGOALS)),run) \
                 $(if $(filter test test-release bench screenshots fleet soak fuzz \
                       neighbours storm luajit sanitize tsan coverage,\
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


# of a make in this one
parallel = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))


.PHONY: all html deps run test test-release sanitize tsan coverage analyze \
        fleet soak neighbours storm luajit style bench screenshots install uninstall dist package \
        packaging fresh matrix musl arm64 clean FORCE
.DELETE_ON_ERROR:

all: $(module) $(encoder)

html: $(html)


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

# What each source begins with takes half of the compiler's time: it is compiled
# once.  A compiler that cannot use that reads the header itself.

first := objs/first.h

$(objs)/first.mk: $(objs)/Makefile
	@printf '#include <ngx_%s.h>\n' config core > $(farm)/$(first)
	@printf '%s\n' 'include objs/Makefile' \
	    '$(first).gch: $$(CORE_DEPS)' \
	    '	$$(CC) $$(CFLAGS) $$(ALL_INCS) -o $$@ $(first)' > $@

$(module): $(objs)/first.mk $(sources) $(headers)
	+$(MAKE) --no-print-directory -C $(farm) -f objs/first.mk $(first).gch
	+$(MAKE) --no-print-directory $(parallel) -C $(farm) -f objs/Makefile \
	    CC="$(CC) -include $(first)" modules
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

ifneq ($(prebuilt),)
$(build)/html.built: $(pages)
	@mkdir -p $(@D)
	rm -rf $(build)/html
	cp -R $(dir $(prebuilt)) $(build)/html
	@touch $@
else
$(build)/html.built: $(pages) $(build)/npm/html.installed
	node html/build.mjs $(build)/npm/html/node_modules $(build)/html
	@touch $@
endif


# The site runs from a directory of its own, laid out as an installation:
# the checkout may lie where the workers' user cannot go.

run: all html
	@tools/run $(nginx) $(PORT)

# The same holds for the tests.

test: | deps
	+@$(MAKE) --no-print-directory $(parallel) DEPS=no all html \
	    $(build)/npm/ui.installed
	@$(fuzz_for_test)
	@BUILD=$(build) BINARY=$(nginx) JOBS=$(JOBS) t/run $(T)

test-release: all html $(build)/npm/ui.installed
	@UI_HOURS=8 TRACE_RANDOM=1000 FLEET=180 MANY_STEPS=1 TEST_TIMEOUT=1200 \
	    BUILD=$(build) BINARY=$(nginx) JOBS=$(JOBS) t/run \
	    t/ui/long.test.mjs t/encoder/08-trace.t t/fleet/020-agents.t \
	    t/fault/072-many.t
	@$(MAKE) --no-print-directory FUZZ_RUNS=100000 fuzz
	@$(MAKE) --no-print-directory T="same-static next" matrix
	@$(MAKE) --no-print-directory package

screenshots: all html $(build)/npm/ui.installed
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
	@rm -f $(build)/neighbours.txt
	@NEIGHBOURS_SECONDS=$(NEIGHBOURS_SECONDS) \
	    NEIGHBOURS_REPORT=$(build)/neighbours.txt \
	    TEST_TIMEOUT=$$(($(NEIGHBOURS_SECONDS) + 600)) BUILD=$(build) \
	    BINARY=$(nginx) JOBS=1 t/run t/soak/neighbours.pl; status=$$?; \
	    cat $(build)/neighbours.txt; exit $$status

storm: all
	@SAMPLES=$(STORM) CROSS_RUN=env CROSS_FLAGS=-O2 \
	    t/lib/unit t/unit/test_lua_storm.c $(build)/unit $(build)/nginx

luajit: all
	@rm -f $(build)/luajit.txt
	@LUAJIT_SECONDS=$(LUAJIT_SECONDS) LUAJIT_REPORT=$(build)/luajit.txt \
	    TEST_TIMEOUT=$$(($(LUAJIT_SECONDS) + 600)) BUILD=$(build) \
	    BINARY=$(nginx) JOBS=1 t/run t/soak/luajit.pl; status=$$?; \
	    cat $(build)/luajit.txt; exit $$status

# The module for other nginxes, and for other systems.

matrix: all html $(build)/npm/ui.installed
	@JOBS=$(JOBS) MATRIX_SRC=$(MATRIX_SRC) tools/matrix $(build) $(T)

musl arm64: | deps
	@mkdir -p $(build)
	@JOBS=$(JOBS) tools/cross $@ $(build) $(T)

style:
	@t/style

bench: all html $(build)/npm/ui.installed
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


installed_html := $(DESTDIR)$(SHARE_DIR)/html/profiling
installed_conf := $(DESTDIR)$(CONF_DIR)/snippets/profiling.conf

install: all $(if $(prebuilt),html)
	install -d $(DESTDIR)$(MODULES_DIR) $(dir $(installed_conf))
	install -m 644 $(module) $(DESTDIR)$(MODULES_DIR)/
ifneq ($(encoder),)
	install -m 755 $(encoder) $(DESTDIR)$(MODULES_DIR)/
endif
	@if [ -e $(html) ]; then \
	    set -e; \
	    install -d $(dir $(installed_html)); \
	    rm -rf $(installed_html); \
	    cp -R $(build)/html $(installed_html); \
	    chmod -R u=rwX,go=rX $(installed_html); \
	    echo "the dashboard is in $(installed_html)"; \
	else \
	    echo "make: there is no dashboard to install: \"make html\" builds it"; \
	fi
	install -d $(DESTDIR)$(MAN_DIR)/man8
	install -m 644 docs/ngx_http_profiling_encoder.8 \
	    $(DESTDIR)$(MAN_DIR)/man8/
	@# an edited one stays
	test -e $(installed_conf) \
	    || install -m 644 conf/profiling.conf $(installed_conf)

uninstall:
	rm -f $(DESTDIR)$(MODULES_DIR)/ngx_http_profiling_module.so \
	    $(DESTDIR)$(MODULES_DIR)/ngx_http_profiling_encoder \
	    $(DESTDIR)$(MAN_DIR)/man8/ngx_http_profiling_encoder.8
	rm -rf $(installed_html)
	@if cmp -s conf/profiling.conf $(installed_conf); then \
	    rm -f $(installed_conf); \
	elif [ -e $(installed_conf) ]; then \
	    echo "make: $(installed_conf) was edited: it stays"; \
	fi


version := $(shell sed -n 's/.*PROF_VERSION  *"\(.*\)"/\1/p' \
             ngx_http_profiling_module/base/ngx_prof_base.h)

release := ngx_http_profiling_module-$(version)

# Sources and dashboard are those of the last commit.

dist: $(build)/npm/html.installed
	@rm -rf $(build)/dist && mkdir -p $(build)/dist
	git archive --prefix=$(release)/ HEAD | tar -x -C $(build)/dist
	node $(build)/dist/$(release)/html/build.mjs \
	    $(build)/npm/html/node_modules $(build)/dist/$(release)/html/built
	tar -cz --sort=name --owner=root:0 --group=root:0 --mode=u=rwX,go=rX \
	    --mtime=@$$(git log -1 --format=%ct) \
	    -f $(build)/$(release).tar.gz -C $(build)/dist $(release)
	@rm -rf $(build)/dist

package: | deps
	tools/package $(build)/package

fresh: | deps
	@rm -rf $(build)/fresh/build
	tools/fresh $(build)/fresh make $(or $(T),test) JOBS=$(JOBS) \
	    BENCH_SECONDS=$(BENCH_SECONDS) BUILD=/out/build

packaging: html | deps
	tools/package-others $(build)/packaging $(build)/html


clean:
	rm -rf $(build)
